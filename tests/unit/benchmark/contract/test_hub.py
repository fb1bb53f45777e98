"""What is said of a hub that does not answer."""

from __future__ import annotations

import pytest

from autotuner.benchmark.contract.hub import no_answer


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "https://huggingface.co does not answer the benchmark's pod"),
        ({"HF_ENDPOINT": "http://hub.corp"}, "http://hub.corp does not answer the benchmark's pod"),
        (
            {"HTTPS_PROXY": "http://me:secret@proxy:1"},
            "https://huggingface.co does not answer the benchmark's pod through the proxy http://proxy:1",
        ),
    ],
)
def test_the_hub_and_the_proxy_are_named(environment: dict[str, str], expected: str) -> None:
    assert no_answer(environment) == expected
