"""What an engine's releases know differently: flags, words, defaults and what has no effect."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.common import EngineName
from autotuner.engines import Accelerator, Engine, EngineVersion, flag_table, get

SGLANG = ("0.5.5.post3", "0.5.9", "0.5.12", "0.5.15", "0.5.18", "0.5.20", "0.5.23")
VLLM = ("0.11.2", "0.15.1", "0.20.1", "0.24.0", "0.28.0", "0.32.0", "0.33.0")


def sglang(version: str) -> Engine:
    return get(EngineVersion("SGLang", version))


def vllm(version: str) -> Engine:
    return get(EngineVersion("VLLM", version))


@pytest.mark.parametrize(
    ("told", "want"),
    [("", "0.5.23"), ("0.5.23", "0.5.23"), ("0.5.14", "0.5.12"), ("0.4.6", "0.5.5.post3"), ("0.6.0", "0.5.23")],
)
def test_the_nearest_release_answers(told: str, want: str) -> None:
    table = sglang(told).table

    assert table is not None
    assert table.version == want
    assert sglang(told) is sglang(want)
    assert sglang(want).knows(told) is (told == want)


ATTENTION: list[tuple[str, dict[str, Any]]] = [
    *((version, {"tp-size": 8, "dp-size": 4, "enable-dp-attention": True}) for version in SGLANG[:-1]),
    (SGLANG[-1], {"tp-size": 8, "attn-dp-size": 4}),
]


@pytest.mark.parametrize(("version", "flags"), ATTENTION)
def test_data_parallel_attention_in_the_words_of_each_release(version: str, flags: dict[str, Any]) -> None:
    engine = sglang(version)
    words = {"tensor": 8, "data": 4, "dataParallelAttention": True}

    assert engine.parallelism.flags(words) == flags
    assert flags.keys() <= engine.parallelism.touched(words)
    assert engine.accelerators(engine.render(flags)) == 8
    assert list(engine.checker().arguments(engine.render(flags), "args")) == []


@pytest.mark.parametrize(("version", "want"), [(one, one >= "0.5.15" and len(one) == 6) for one in SGLANG])
def test_dense_layers_may_be_spread_as_far_as_the_rest(version: str, want: bool) -> None:
    parallelism = sglang(version).parallelism

    assert (parallelism.illegal({"tensor": 4, "moeDenseTensor": 4}) is None) is want
    assert parallelism.illegal({"tensor": 4, "moeDenseTensor": 1}) is None
    assert parallelism.illegal({"tensor": 4, "moeDenseTensor": 2}) is not None


@pytest.mark.parametrize("version", SGLANG)
def test_mixed_chunks_do_nothing_beside_drafts_that_turn_them_off(version: str) -> None:
    for draft, kept in (("NGRAM", False), ("EAGLE", version in ("0.5.20", "0.5.23"))):
        flags = {"enable-mixed-chunk": "true", "speculative-algorithm": draft}
        found = sglang(version).effective_flags(["enable-mixed-chunk"]).of(flags)
        assert bool(found) is kept


@pytest.mark.parametrize(
    ("version", "flag"),
    [*((one, "cuda-graph-max-bs") for one in SGLANG[:3]), *((one, "cuda-graph-max-bs-decode") for one in SGLANG[3:])],
)
def test_graphs_reach_the_batch_whatever_the_flag_is_called(version: str, flag: str) -> None:
    engine = sglang(version)
    (point,) = engine.advice.points("throughput", {"max-running-requests": [64, 256], flag: [8, 256]})

    assert point == {"max-running-requests": 256, flag: 256}
    assert engine.table is not None
    assert engine.table.find(flag) is not None


@pytest.mark.parametrize(("version", "share"), list(zip(VLLM, (0.9, 0.9, *[0.92] * 5), strict=True)))
def test_defaults_are_those_of_the_release_and_the_accelerator(version: str, share: float) -> None:
    small, large = (vllm(version).usual(Accelerator(gib * 1024)) for gib in (24, 80))

    assert small["gpu-memory-utilization"] == large["gpu-memory-utilization"] == share
    assert vllm(version).memory.default_fraction == share, "weights beyond it do not fit"
    assert (small["max-num-seqs"], small["max-num-batched-tokens"]) == (256, 2048)
    assert (large["max-num-seqs"], large["max-num-batched-tokens"]) == (1024, 8192)
    assert "tensor-parallel-size" not in small


@pytest.mark.parametrize(("memory", "chunk"), [(24, 2048), (48, 4096), (80, 8192), (180, 16384)])
def test_sglangs_chunks_grow_with_the_memory(memory: float, chunk: int) -> None:
    assert sglang("").usual(Accelerator(memory * 1024))["chunked-prefill-size"] == chunk


@pytest.mark.parametrize("version", VLLM)
@pytest.mark.parametrize(
    ("gib", "product", "since", "batch"),
    [
        (80, "NVIDIA-A100-SXM4-80GB", "0.11.2", (256, 2048)),
        (80, "NVIDIA-H100-80GB-HBM3", "0.11.2", (1024, 8192)),
        (None, "", "0.11.2", (1024, 8192)),
        (None, "NVIDIA-A100-SXM4-80GB", "0.11.2", (256, 2048)),
        (179, "NVIDIA-B200", "0.28.0", (1024, 16384)),
        (119, "NVIDIA-GB10", "0.33.0", (256, 2048)),
    ],
)
def test_vllms_batches_are_those_of_the_product(
    version: str, gib: float | None, product: str, since: str, batch: tuple[int, int]
) -> None:
    found = vllm(version).usual(Accelerator(gib and gib * 1024, product))
    is_so = flag_table.order(version) >= flag_table.order(since)

    assert (found["max-num-seqs"], found["max-num-batched-tokens"]) == (batch if is_so else (1024, 8192))


@pytest.mark.parametrize("version", VLLM)
def test_the_opposite_is_no_synonym(version: str) -> None:
    engine = vllm(version)

    assert engine.canonical("no-enable-prefix-caching") == "enable-prefix-caching"
    assert engine.turns_off("--no-enable-prefix-caching")
    assert not engine.turns_off("--enable-prefix-caching")
    assert engine.render({"enable-prefix-caching": False}) == ["--no-enable-prefix-caching"]
    assert engine.merge(["--enable-prefix-caching"], ["--no-enable-prefix-caching"]) == ["--no-enable-prefix-caching"]


def test_a_second_spelling_of_no_is_the_same_flag() -> None:
    newest, older = vllm("0.33.0"), vllm("0.20.1")

    assert newest.canonical("disable-prefix-caching") == "enable-prefix-caching"
    assert newest.turns_off("--disable-prefix-caching")
    assert newest.merge(["--enable-prefix-caching"], ["--disable-prefix-caching"]) == ["--disable-prefix-caching"]
    assert newest.render({"disable-prefix-caching": False}) == ["--enable-prefix-caching"]
    assert older.canonical("disable-prefix-caching") == "disable-prefix-caching"


def test_sglangs_booleans_say_no_where_it_has_them() -> None:
    assert sglang("0.5.23").render({"enable-tf32-matmul": False}) == ["--no-enable-tf32-matmul"]
    assert sglang("0.5.23").render({"enable-mixed-chunk": False}) == []


@pytest.mark.parametrize("name", ["SGLang", "VLLM"])
def test_what_is_known_of_every_release_is_in_some_table(name: EngineName) -> None:
    newest = get(name)
    known = {newest.canonical(flag) for table in newest.tables for flag in table.names}
    for table in newest.tables:
        engine = newest.at(table.version)
        words = {flag.name for flag in engine.parallelism.words.values()}
        own = {engine.canonical(flag) for flag in table.names}

        assert {flag for rule in engine.rules for flag in rule.reads} <= known
        assert words | engine.memory.reads | set(engine.degrees) <= own
