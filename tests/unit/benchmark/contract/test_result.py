from __future__ import annotations

import random

import pytest

from autotuner.api.experiment import Attainment, Distribution, Level, TraceSummary
from autotuner.benchmark.contract.result import (
    MAX_BYTES,
    Result,
    decode,
    decode_log,
    encode,
    is_result,
    log_lines,
    without_result,
)
from autotuner.log_excerpt import LINE_BYTES, LogExcerpt


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


def long_result() -> Result:
    levels = tuple(level("chat", 2 + number, number) for number in range(12))
    return Result(levels=levels, ladder="Complete", warnings=("late",))


def excerpt(*lines: str) -> str:
    """A log as the operator reads it."""
    found = LogExcerpt()
    found.add("\n".join(lines).encode() + b"\n")
    return found.text()


def open_level(scenario: str, rate: float, seed: int = 0) -> Level:
    changes = {
        "concurrency": None,
        "rate": rate,
        "sent_per_second": 1234.5,
        "lateness_p99_seconds": 0.0012345,
        "good_requests_per_second": 1123.4,
        "attainment": Attainment(share=0.91234, low=0.90123, high=0.92345),
    }
    return level(scenario, 1, seed).model_copy(update=changes)


def test_levels_of_an_open_loop_come_back_whole() -> None:
    counted = level("long", 1, 2).model_copy(update={"attainment": Attainment(share=1, low=0.9, high=1)})
    result = Result(levels=(open_level("chat", 0.5), counted, level("long", 8)), ladder="Complete")
    assert decode(encode(result)) == result


def test_twelve_levels_of_an_open_loop_fit_with_the_longest_texts() -> None:
    levels = tuple(open_level(f"{'scenario-' * 3}{i // 3}", 1234.5 + i, i) for i in range(12))
    result = Result(
        levels=levels,
        ladder="StoppedHopeless",
        message="m" * 900,
        warnings=tuple(f"{i} " + "w" * 238 for i in range(6)),
        engine_version="v" * 32,
    )
    encoded = encode(result)
    assert len(encoded) <= MAX_BYTES
    assert decode(encoded).levels == levels


def test_a_log_holds_the_result_too() -> None:
    result = long_result()
    lines = list(log_lines(encode(result)))
    log = excerpt(*["much"] * 50_000, *lines, "Complete: 12 levels")

    assert len(lines) > 1
    assert max(map(len, lines)) < LINE_BYTES
    assert decode_log(log) == result
    assert without_result(excerpt("before", *lines, "after")) == "before\nafter\n"


def test_the_last_result_in_a_log_counts() -> None:
    first, last = Result(failure="Internal", message="first"), long_result()

    assert decode_log("\n".join([*log_lines(encode(first)), *log_lines(encode(last))])) == last


@pytest.mark.parametrize("lines", [[], ["nothing"], list(log_lines(encode(long_result())))[1:]])
def test_a_log_without_a_whole_result_has_none(lines: list[str]) -> None:
    with pytest.raises(ValueError, match="the log holds no whole result"):
        decode_log("\n".join(lines))


@pytest.mark.parametrize("containers", [4, 6, 12])
def test_a_message_that_the_kubelet_cuts_is_known_to_be_none(containers: int) -> None:
    """The kubelet keeps 12,288 bytes for all containers of a pod; twelve levels have more than two thousand."""
    text = encode(long_result())

    assert is_result(text[: 12288 // containers]) == (len(text) <= 12288 // containers)
    assert len(text) > 12288 // 6


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


def test_what_was_read_of_traces_fits_and_comes_back() -> None:
    trace = TraceSummary(
        scenario="day",
        requests=400,
        cut=True,
        seconds=120.0,
        rates=[3.25] * 8,
        input_tokens_mean=800.5,
        input_tokens_max=4000,
        output_tokens_mean=200.25,
        output_tokens_max=900,
        prefix_share=0.4375,
        digest="3f" * 16,
    )
    traces = tuple(trace.model_copy(update={"scenario": f"day-{number}"}) for number in range(12))
    text = encode(Result(traces=traces))
    assert len(text) <= 4096 and decode(text).traces == traces
