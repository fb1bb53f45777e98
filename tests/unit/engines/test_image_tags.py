"""Which version of an engine an image's name tells."""

from __future__ import annotations

import pytest

from autotuner.engines import EngineVersion, version_of
from autotuner.engines.image_tags import version

TAGS = [
    ("docker.io/lmsysorg/sglang:v0.5.5.post3-cu129-amd64", "sglang", "0.5.5.post3"),
    ("lmsysorg/sglang:v0.5.23", "sglang", "0.5.23"),
    ("lmsysorg/sglang:v0.5.18-rocm700-mi35x", "sglang", "0.5.18"),
    ("lmsysorg/sglang:v0.5.24rc1", "sglang", "0.5.24rc1"),
    ("lmsysorg/sglang:latest", "sglang", ""),
    ("lmsysorg/sglang:nightly-dev-20261101-0a1b2c3d", "sglang", ""),
    ("lmsysorg/sglang:dev-cu13", "sglang", ""),
    ("registry:5000/sglang", "sglang", ""),
    ("lmsysorg/sglang@sha256:0123456789abcdef", "sglang", ""),
    ("mirror/sglang:0.10.1@sha256:0a1b", "sglang", "0.10.1"),
    ("vllm/vllm-openai:v0.33.0", "vllm", "0.33.0"),
    ("vllm/vllm-openai:v0.33.0-cu129", "vllm", "0.33.0"),
    ("vllm/vllm-openai:v0.33.0-x86_64", "vllm", "0.33.0"),
    ("vllm/vllm-openai:nightly", "vllm", ""),
    ("rocm/vllm:rocm6.4.1_vllm_0.10.1_20250909", "vllm", "0.10.1"),
    ("rocm/vllm-dev:rocm7.0.2_ubuntu22.04_py3.12_vllm_0.11.1", "vllm", "0.11.1"),
    ("rocm/vllm:rocm6.4.1_ubuntu22.04", "vllm", ""),
    ("ghcr.io/team/llm:vllm-0.20.1-2", "vllm", "0.20.1"),
    ("ghcr.io/team/vllm:release-v0.20.1", "vllm", "0.20.1"),
    ("ghcr.io/team/llm:v0.20.1", "vllm", ""),  # a version of something else
    ("nvcr.io/nvidia/vllm:26.10-py3", "vllm", ""),  # NVIDIA's own, by year and month
    ("autotuner/benchmark:0.1.0", "vllm", ""),
    ("", "vllm", ""),
    ("anything/at-all:1.0.0", "", ""),
]


@pytest.mark.parametrize(("image", "package", "want"), TAGS)
def test_a_tag_tells_the_version_or_nothing(image: str, package: str, want: str) -> None:
    assert version(image, package) == want


def test_the_engine_knows_best_and_the_task_better_than_a_tag() -> None:
    image = "vllm/vllm-openai:v0.20.1"

    assert version_of("VLLM", image=image, said="0.24.0", running="0.28.0") == EngineVersion("VLLM", "0.28.0", "engine")
    assert version_of("VLLM", image=image, said="0.24.0") == EngineVersion("VLLM", "0.24.0", "task")
    assert version_of("VLLM", image=image) == EngineVersion("VLLM", "0.20.1", "tag")
    assert version_of("VLLM", image="vllm/vllm-openai") == EngineVersion("VLLM")
    assert version_of("VLLM", image=image, running="0.28.1.dev7+g0a1b2c3.cpu").version == "0.28.1.dev7"
    assert version_of("VLLM", image=image, running="0.0.0.dev0") == EngineVersion("VLLM", "0.20.1", "tag")
    assert version_of("Custom", image="custom:1.0.0") == EngineVersion("Custom")
