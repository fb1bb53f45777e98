from __future__ import annotations

import random

import pytest

from autotuner.api.experiment import Distribution, Level
from autotuner.benchmark.contract.result import MAX_BYTES, Result, decode, encode


def distribution(draw: random.Random) -> Distribution:
    mean, p50, p90, p95, p99 = (float(f"{draw.uniform(1e-4, 100):.5g}") for _ in range(5))
    return Distribution(mean=mean, p50=p50, p90=p90, p95=p95, p99=p99)


def level(scenario: str, concurrency: int, seed: int = 0, tpot: bool = True) -> Level:
    draw = random.Random(seed)
    return Level(
        scenario=scenario,
        concurrency=concurrency,
        requests=123456,
        errors=1234,
        duration_seconds=119.87,
        output_tokens_per_second=98765.0,
        total_tokens_per_second=123450.0,
        requests_per_second=1234.5,
        ttft_seconds=distribution(draw),
        tpot_seconds=distribution(draw) if tpot else None,
        e2e_latency_seconds=distribution(draw),
        output_tokens_mean=255.12,
    )


def test_a_full_result_comes_back_whole() -> None:
    result = Result(
        levels=(level("chat", 1), level("chat", 8, 1, tpot=False), level("long", 1, 2)),
        ladder="StoppedSLO",
        message="the ladder ended early: TTFT",
        warnings=("chat at concurrency 8: late",),
        engine_version="0.5.23",
        engine_ready="2026-11-20T10:00:00.000Z",
        first_request="2026-11-20T10:00:00.500Z",
        benchmark_finished="2026-11-20T10:01:00.000Z",
        warmup_seconds=1.5,
        levels_seconds=50.25,
        overhead_seconds=2.5,
    )
    assert decode(encode(result)) == result


def test_twelve_levels_fit_with_the_longest_texts() -> None:
    levels = tuple(
        level(f"scenario-with-a-long-name-{s:03d}", 4096 - c, 10 * s + c) for s in range(4) for c in range(3)
    )
    result = Result(levels=levels, ladder="Broken", failure="Internal", message="é" * 5000, warnings=("ü" * 500,) * 20)
    text = encode(result)
    assert len(text.encode()) <= MAX_BYTES
    found = decode(text)
    assert found.levels == levels
    assert found.failure == "Internal"
    assert found.message.startswith("é" * 100)


def test_a_failure_without_levels_comes_back() -> None:
    result = Result(failure="Tokenizer", message="benchmark.tokenizer: no")
    assert decode(encode(result)) == result
    assert not result.ok


def test_long_messages_are_cut_where_text_remains_valid() -> None:
    assert decode(encode(Result(failure="Internal", message="x" * 9000))).message.endswith("…")


@pytest.mark.parametrize("text", ["", "killed", "{}", "[]", '{"v": 2}', "z:%%%", "null", '{"v":1,"l":[[1]],"s":[]}'])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        decode(text)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_that_are_none_cannot_be_in_a_level(value: float) -> None:
    with pytest.raises(ValueError, match=r"finite|less than"):
        Distribution(mean=value, p50=1, p90=1, p95=1, p99=1)
