from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from autotuner.engines import EngineVersion
from tests.benchmarks.search.goals import cases
from tests.benchmarks.search.surfaces import Surface, load

FIGURES = ("thr", "ttft", "ttft99", "tpot", "tpot99", "e2e")


def surface(folder: Path, name: str, **parameters: tuple[object, ...]) -> Surface:
    """A grid on which nothing makes a difference."""
    header = [one.replace("_", "-") for one in parameters]
    rows = [[*map(str, row), "ok", *["1"] * len(FIGURES)] for row in itertools.product(*parameters.values())]
    columns = [*header, "status", *(f"{figure}_c8" for figure in FIGURES)]
    (folder / f"{name}.csv").write_text("".join(",".join(row) + "\n" for row in [columns, *rows]))
    (found,) = load(folder)
    return found


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("sg-tiny8b-h100x2", EngineVersion("SGLang", "0.5.14")),
        ("vllm-tiny8b-h100x2", EngineVersion("VLLM", "0.24.0")),
        ("pool-tiny", EngineVersion("Custom")),
    ],
)
def test_an_engine_is_of_the_release_whose_times_the_surface_has(
    tmp_path: Path, name: str, release: EngineVersion
) -> None:
    assert surface(tmp_path, name, block_size=(16, 32)).engine == release


def test_a_space_is_that_of_its_surfaces_release(tmp_path: Path) -> None:
    """From SGLang 0.5.20 on EAGLE keeps mixed chunks; before, every draft turns them off."""
    parameters = {"speculative_algorithm": ("none", "EAGLE"), "enable_mixed_chunk": (True, False)}
    space = surface(tmp_path, "sg-tiny8b-h100x2", **parameters).space
    drafts: list[dict[str, str]] = [{}, {"speculative-algorithm": "EAGLE"}]
    differ = [
        len({space.effective_identity({**draft, "enable-mixed-chunk": mixed}) for mixed in (True, False)})
        for draft in drafts
    ]
    assert differ == [2, 1]


@pytest.mark.parametrize(
    ("name", "parameters", "usual"),
    [
        ("vllm-tiny8b-l40sx2-rag", {"max_num_batched_tokens": (2048, 8192)}, 2048),
        ("vllm-tiny8b-h100x2-rag", {"max_num_batched_tokens": (2048, 8192)}, 8192),
        ("vllm-tiny8b-l40sx2-rag", {"max_num_seqs": (256, 1024)}, 256),
        ("vllm-tiny8b-h100x2-rag", {"max_num_seqs": (256, 1024)}, 1024),
        ("sg-tiny8b-l40sx2-chat", {"chunked_prefill_size": (4096, 8192, 16384)}, 4096),
        ("sg-tiny8b-h200x2-chat", {"chunked_prefill_size": (4096, 8192, 16384)}, 8192),
        ("sg-tiny8b-b200x2-chat", {"chunked_prefill_size": (4096, 8192, 16384)}, 16384),
    ],
)
def test_a_baseline_is_what_its_engine_does_by_default_on_its_gpu(
    tmp_path: Path, name: str, parameters: dict[str, tuple[object, ...]], usual: int
) -> None:
    """vLLM and SGLang choose by the GPU's memory; a surface tells it where precision is searched."""
    found = surface(tmp_path, name, quantization=("none", "fp8"), **parameters)
    (flag,) = (one.replace("_", "-") for one in parameters)
    assert cases(found)[0].baseline(0)[flag] == usual
