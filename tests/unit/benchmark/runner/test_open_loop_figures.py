"""From the requests of an open loop to a level: what counts, how late it was, and which requests kept their limits."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from autotuner.api.experiment import Level
from autotuner.benchmark.clients.open_loop.arrivals import due_times
from autotuner.benchmark.contract.level_run import LevelRun, Request
from autotuner.benchmark.contract.spec import RequestLimit, RunnerArrivals
from autotuner.benchmark.runner.level_figures import Judgement, LevelLimits, judge

LIMITS = LevelLimits(max_minutes=2, holds_length=True)
TOKENS = 11


def request(number: int, start: float, seconds: float = 1.0, ttft: float = 0.1, **more: object) -> Request:
    made = Request(number, start, start + ttft, start + seconds, 100, TOKENS, TOKENS, usage=True)
    return replace(made, **more)  # type: ignore[arg-type]


def run_of(requests: list[Request], stopped: float, rate: float = 10.0) -> LevelRun:
    """A level that ended then: what was not answered is cut off."""
    seen = [
        r if r.end <= stopped else replace(r, end=stopped, output_tokens=0, usage=False, cut=True)
        for r in requests
        if r.start < stopped
    ]
    return LevelRun(
        index=0,
        scenario="chat",
        concurrency=0,
        rate=rate,
        started=0.0,
        stopped=stopped,
        counted_completed=sum(r.ok for r in seen),
        counted_errors=sum(r.failed for r in seen),
        requests=seen,
    )


def steady(count: int = 100, every: float = 0.1, **shape: object) -> list[Request]:
    return [request(k, k * every, **shape) for k in range(count)]  # type: ignore[arg-type]


def accepted(found: Judgement) -> Level:
    assert found.level is not None, found.problem
    return found.level


def test_a_steady_stream_gives_the_plain_figures() -> None:
    level = accepted(judge(run_of(steady(), stopped=10.0), LIMITS))
    assert (level.rate, level.concurrency) == (10.0, None)
    assert level.duration_seconds == pytest.approx(9.0), "the ramp is as long as an answer"
    assert level.requests_per_second == pytest.approx(10, rel=0.02)
    assert level.sent_per_second == pytest.approx(10, rel=0.02)
    assert level.output_tokens_per_second == pytest.approx(10 * TOKENS, rel=0.02)
    assert level.total_tokens_per_second == pytest.approx(10 * (100 + TOKENS), rel=0.02)
    assert level.ttft_seconds is not None and level.ttft_seconds.p99 == pytest.approx(0.1)
    assert level.tpot_seconds is not None and level.tpot_seconds.mean == pytest.approx(0.09)
    assert level.e2e_latency_seconds is not None and level.e2e_latency_seconds.mean == pytest.approx(1.0)
    assert level.lateness_p99_seconds == 0.0
    assert level.attainment is None and level.good_requests_per_second is None, "there are no limits"


def test_what_the_ramp_was_like_does_not_count() -> None:
    cold = [replace(r, first=r.start + 0.9) if r.start < 0.9 else r for r in steady()]
    assert accepted(judge(run_of(cold, 10.0), LIMITS)) == accepted(judge(run_of(steady(), 10.0), LIMITS))


def test_the_end_of_a_level_does_not_make_answers_shorter() -> None:
    """Of 200 levels of Poisson arrivals with answers of various length, which their end cuts off."""
    means, rates = [], []
    for seed in range(200):
        draw = random.Random(seed)
        times = itertools.takewhile(lambda due: due < 20, due_times(RunnerArrivals(), 10.0, seed))
        requests = [request(k, due, draw.uniform(0.5, 3.5)) for k, due in enumerate(times)]
        level = accepted(judge(run_of(requests, stopped=20.0), LIMITS))
        assert level.e2e_latency_seconds is not None
        means.append(level.e2e_latency_seconds.mean)
        rates.append(level.requests_per_second)
    assert sum(means) / len(means) == pytest.approx(2.0, rel=0.01)
    assert sum(rates) / len(rates) == pytest.approx(10.0, rel=0.02)


LIMIT = RequestLimit(metric="E2ELatency", max=1.5)


def attained(requests: list[Request], *limits: RequestLimit, stopped: float = 100.0) -> Level:
    return accepted(judge(run_of(requests, stopped), replace(LIMITS, of_requests=limits)))


def test_requests_that_keep_every_limit_are_counted() -> None:
    slow = [replace(r, end=r.start + 2) if k % 10 == 0 else r for k, r in enumerate(steady(1000))]
    late = [replace(r, first=r.start + 0.5) if k % 10 == 1 else r for k, r in enumerate(slow)]
    level = attained(late, LIMIT, RequestLimit(metric="TTFT", max=0.2))
    assert level.attainment is not None and level.attainment.share == pytest.approx(0.8, abs=0.005)
    assert level.attainment.low < 0.78 and level.attainment.high > 0.82
    assert level.good_requests_per_second == pytest.approx(8, rel=0.02)
    assert level.requests_per_second == pytest.approx(10, rel=0.02)


def test_a_failed_request_keeps_no_limit() -> None:
    failing = [replace(r, error="HTTP 500: x", usage=False) if k % 4 == 0 else r for k, r in enumerate(steady(1000))]
    level = attained(failing, LIMIT)
    assert level.attainment is not None and level.attainment.share == pytest.approx(0.75, abs=0.005)
    assert level.good_requests_per_second == pytest.approx(7.5, rel=0.02)


def test_a_time_per_token_that_nobody_knows_breaks_no_limit() -> None:
    at_once = steady(1000, ttft=1.0)
    level = attained(at_once, RequestLimit(metric="TPOT", max=0.001))
    assert level.tpot_seconds is None
    assert level.attainment is not None and level.attainment.share == 1


def test_an_engine_that_does_not_keep_up_is_told() -> None:
    behind = [request(k, k * 0.1, seconds=1 + k * 0.05) for k in range(300)]
    found = judge(run_of(behind, stopped=30.0), LIMITS)
    assert found.warnings and "chat at 10 req/s: the engine did not keep up: " in found.warnings[0]
    level = accepted(found)
    assert level.sent_per_second is not None and level.requests_per_second < 0.8 * level.sent_per_second


def test_one_that_does_is_not() -> None:
    for seed in range(50):
        draw = random.Random(seed)
        times = itertools.takewhile(lambda due: due < 20, due_times(RunnerArrivals(), 10.0, seed))
        requests = [request(k, due, draw.uniform(0.5, 3.5)) for k, due in enumerate(times)]
        assert judge(run_of(requests, stopped=20.0), LIMITS).warnings == ()


@pytest.mark.parametrize(
    ("late", "ttft", "refused"),
    [(0.009, 0.1, False), (0.011, 0.1, True), (0.011, 0.3, False), (0.02, 0.3, True)],
)
def test_a_late_client_is_not_believed(late: float, ttft: float, refused: bool) -> None:
    requests = [replace(r, late=late if k % 20 == 0 else 0.0) for k, r in enumerate(steady(ttft=ttft))]
    found = judge(run_of(requests, 10.0), LIMITS)
    assert (found.failure == "ClientOverloaded") is refused
    simulated = judge(run_of(requests, 10.0), replace(LIMITS, believes_late_client=True))
    assert simulated.level is not None
    assert any("ms late (p99)" in warning for warning in simulated.warnings) is refused


def test_one_late_request_in_a_thousand_is_no_late_client() -> None:
    requests = [replace(r, late=1.0 if k == 500 else 0.0) for k, r in enumerate(steady(1000))]
    assert judge(run_of(requests, 100.0), LIMITS).level is not None


def test_too_few_requests_behind_the_ramp_are_no_level() -> None:
    found = judge(run_of(steady(4, every=1.0), 4.0), LIMITS)
    assert found.problem is not None
    assert "after the ramp" in found.problem and "raise the rate" in found.problem
