"""From single requests to a level: the figures, and what makes them unbelievable."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from autotuner.benchmark.contract.level_run import LevelRun, Request
from autotuner.benchmark.contract.spec import RequestLimit
from autotuner.benchmark.runner.level_figures import LevelLimits, judge
from autotuner.scoring.slos import FEW_ERRORS, violations

LIMITS = LevelLimits(max_minutes=2, holds_length=True)


def request(user: int = 0, start: float = 0.0, tokens: int = 11, ttft: float = 0.1, tpot: float = 0.01) -> Request:
    first = start + ttft
    return Request(user, start, first, first + tpot * (tokens - 1), 100, tokens, tokens, usage=True)


def level_run(requests: list[Request], concurrency: int = 1, **more: object) -> LevelRun:
    run = LevelRun(
        index=0,
        scenario="chat",
        concurrency=concurrency,
        started=0.0,
        stopped=max((r.end for r in requests), default=60.0),
        counted_completed=sum(r.ok for r in requests),
        counted_errors=sum(r.failed for r in requests),
        requests=requests,
    )
    return replace(run, **more)  # type: ignore[arg-type]


def one_user(count: int = 10, **shape: float) -> list[Request]:
    requests: list[Request] = []
    for _ in range(count):
        requests.append(request(start=requests[-1].end if requests else 0.0, **shape))  # type: ignore[arg-type]
    return requests


def closed_loop(concurrency: int, until: int, seed: int, spread: float = 15.0) -> LevelRun:
    """What a client would see: users that send on, cut off when so many requests have finished."""
    draw = random.Random(seed)
    running = dict.fromkeys(range(concurrency), 0.0)
    requests: list[Request] = []
    ends = {user: _answer(user, 0.0, draw, spread) for user in running}
    while len(requests) < until:
        user = min(ends, key=lambda u: ends[u].end)
        requests.append(ends[user])
        ends[user] = _answer(user, ends[user].end + 0.002, draw, spread)
    now = requests[-1].end
    cut = [replace(r, end=now, cut=True, output_tokens=0) for r in ends.values() if r.start < now]
    return level_run(requests + cut, concurrency, stopped=now)


def _answer(user: int, start: float, draw: random.Random, spread: float) -> Request:
    return request(user, start, max(2, int(draw.gauss(60, spread))), ttft=0.2 * draw.uniform(0.8, 1.2))


def test_a_steady_user_gives_the_plain_figures() -> None:
    level = judge(level_run(one_user(11)), LIMITS).level
    assert level is not None
    assert level.requests == 10, "the first request is the ramp"
    assert level.duration_seconds == pytest.approx(2.0)
    assert level.output_tokens_per_second == pytest.approx(11 / 0.2)
    assert level.total_tokens_per_second == pytest.approx(111 / 0.2)
    assert level.requests_per_second == pytest.approx(5)
    assert level.ttft_seconds.mean == pytest.approx(0.1)
    assert level.ttft_seconds.p99 == pytest.approx(0.1)
    assert level.tpot_seconds is not None and level.tpot_seconds.p50 == pytest.approx(0.01)
    assert level.e2e_latency_seconds.p90 == pytest.approx(0.2)
    assert level.output_tokens_mean == pytest.approx(11)


def test_the_ramp_does_not_count() -> None:
    slow_start = [replace(one_user(1)[0], first=9.0, end=9.5)]
    rest = [replace(r, start=r.start + 9.5, first=r.first + 9.5, end=r.end + 9.5) for r in one_user(10)]
    level = judge(level_run(slow_start + rest), LIMITS).level
    assert level is not None
    assert level.ttft_seconds.p99 == pytest.approx(0.1)
    assert level.output_tokens_per_second == pytest.approx(55)


@pytest.mark.parametrize(("concurrency", "until"), [(8, 60), (32, 70), (64, 400)])
def test_short_levels_are_not_biased_by_what_was_cut_off(concurrency: int, until: int) -> None:
    truth = 60 / (0.002 + 0.2 + 0.01 * 59)
    levels = [judge(closed_loop(concurrency, until, seed), LIMITS).level for seed in range(40)]
    found = [level.output_tokens_per_second / concurrency for level in levels if level]
    latencies = [level.e2e_latency_seconds.mean for level in levels if level]
    assert len(found) == 40
    assert sum(found) / 40 == pytest.approx(truth, rel=0.015)
    assert sum(latencies) / 40 == pytest.approx(0.2 + 0.01 * 59, rel=0.02)


def test_lock_step_is_not_counted_in_waves() -> None:
    waves = [request(user, start=0.2 * wave + 1e-4 * user) for wave in range(4) for user in range(16)]
    cut = [replace(request(user, start=0.8), end=0.85, cut=True) for user in range(16)]
    level = judge(level_run(waves + cut, 16), LIMITS).level
    assert level is not None
    assert level.output_tokens_per_second == pytest.approx(16 * 11 / 0.2, rel=0.01)


def test_a_single_token_has_no_time_per_token() -> None:
    level = judge(level_run([replace(r, output_tokens=1, asked=1) for r in one_user(20)]), LIMITS).level
    assert level is not None and level.tpot_seconds is None


def failed(one: Request, error: str = "HTTP 503: busy") -> Request:
    return replace(one, error=error, output_tokens=0, first=one.end)


def failing(every: int, error: str = "HTTP 503: busy", count: int = 40) -> list[Request]:
    return [failed(r, error) if i % every == 0 else r for i, r in enumerate(one_user(count))]


@pytest.mark.parametrize(
    ("every", "count", "known"),
    [
        (200, 399, ["p50", "p90", "p95", "p99"]),
        (50, 200, ["p50", "p90", "p95"]),
        (12, 100, ["p50", "p90"]),
        (3, 40, ["p50"]),
    ],
)
def test_a_failed_request_is_beyond_every_latency(every: int, count: int, known: list[str]) -> None:
    judgement = judge(level_run(failing(every, count=count)), LIMITS)
    assert judgement.level is not None and judgement.level.ttft_seconds is not None
    told = judgement.level.ttft_seconds.model_dump(exclude_none=True)
    assert told == {name: pytest.approx(0.1) for name in ["mean", *known]}
    wrong = len(range(0, count, every))
    assert judgement.level.errors == wrong
    assert judgement.warnings[0] == f"chat at concurrency 1: {wrong} of {count} requests failed: HTTP 503: busy"
    # The first one is the ramp, and fails too.
    answered = (count - wrong) / (count - 1)
    assert judgement.level.output_tokens_per_second == pytest.approx(55 * answered, rel=0.01)


def test_a_level_without_an_answer_is_a_result_too() -> None:
    judgement = judge(level_run(failing(every=1), outage="HTTP 429: full"), LIMITS)
    assert judgement.level is not None
    assert (judgement.level.requests, judgement.level.errors) == (0, 40)
    assert judgement.level.output_tokens_per_second == 0
    assert judgement.level.ttft_seconds is judgement.level.tpot_seconds is judgement.level.e2e_latency_seconds is None


def each(change: Callable[[Request], Request]) -> list[Request]:
    return [change(r) for r in one_user(20)]


@pytest.mark.parametrize(
    ("run", "failure", "words"),
    [
        (level_run([]), "EngineNotServing", "no request finished within 2 min"),
        (
            level_run(one_user(30), outage="Connection error: refused"),
            "EngineNotServing",
            "answering after 30 requests",
        ),
        (level_run(one_user(30), outage="HTTP 500: dead"), "EngineNotServing", "stopped answering after 30 requests"),
        (level_run(one_user(30), outage="nothing for 40 s"), "EngineNotServing", "stopped answering after 30 requests"),
        (level_run(failing(1, "HTTP 400: too long")), "Refused", "refuses every request: HTTP 400: too long"),
        (level_run(failing(1, "HTTP 401: no key")), "Unauthorized", "refuses every request: HTTP 401: no key"),
        (level_run(failing(1, "HTTP 403: not you")), "Unauthorized", "refuses every request: HTTP 403: not you"),
        (
            level_run(each(lambda r: replace(r, output_tokens=5))),
            "Refused",
            "answers have 5 tokens on average where 11",
        ),
        (level_run(one_user(5)), "Acceptance", "only 4 requests in 0.80 s"),
        (level_run(one_user(20, ttft=0.001, tpot=0.001)), "Acceptance", "in 0.21 s"),
        (level_run(each(lambda r: replace(r, usage=False))), "Acceptance", "19 of 19 answers carry no usage"),
        (level_run(one_user(20), counted_completed=13), "Acceptance", "the load client counted 13 answers"),
    ],
)
def test_a_level_that_cannot_be_believed_is_refused(run: LevelRun, failure: str, words: str) -> None:
    judgement = judge(run, LIMITS)
    assert judgement.level is None
    assert judgement.failure == failure
    assert words in (judgement.problem or "")
    assert (judgement.problem or "").startswith("chat at concurrency 1: ")


def test_short_answers_are_fine_where_the_engine_may_end_them() -> None:
    run = level_run(each(lambda r: replace(r, output_tokens=5)))
    assert judge(run, LevelLimits(max_minutes=2, holds_length=False)).level is not None


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (level_run(one_user(), client_lag_seconds=0.015), "late by 15 ms"),
        (level_run(each(lambda r: replace(r, first=r.end - 1e-4))), "arrive in one piece"),
        (level_run(each(lambda r: replace(r, pieces=1))), "arrive in one piece"),
    ],
)
def test_a_level_with_a_reservation_warns(run: LevelRun, words: str) -> None:
    judgement = judge(run, LIMITS)
    assert judgement.level is not None
    assert words in " ".join(judgement.warnings)


OVERLOADS = [
    (level_run(one_user(), client_cpu_seconds=1.99), "the benchmark itself was the bottleneck"),
    (level_run(one_user(), client_capacity=4.0), "the benchmark itself was the bottleneck"),
    (level_run(one_user(), client_lag_seconds=0.05), "late by 50 ms (p95), answers take 200 ms"),
]


@pytest.mark.parametrize(("run", "words"), OVERLOADS)
def test_what_a_client_short_of_cpu_measured_is_not_believed(run: LevelRun, words: str) -> None:
    judgement = judge(run, LIMITS)

    assert (judgement.level, judgement.failure) == (None, "ClientOverloaded")
    assert words in (judgement.problem or "")


@pytest.mark.parametrize(("run", "words"), OVERLOADS)
def test_of_a_simulated_engine_it_is_told(run: LevelRun, words: str) -> None:
    judgement = judge(run, replace(LIMITS, believes_late_client=True))

    assert judgement.level is not None
    assert words in " ".join(judgement.warnings)


def test_a_clean_level_does_not_warn() -> None:
    assert judge(level_run(one_user()), LIMITS).warnings == ()


@pytest.mark.parametrize(
    ("run", "absent"),
    [
        (level_run(each(lambda r: replace(r, first=r.end - 1e-4, pieces=11))), True),
        (level_run(each(lambda r: replace(r, pieces=1)), client_lag_seconds=0.015), True),
        (level_run(each(lambda r: replace(r, first=r.end - 1e-4, pieces=11)), client_lag_seconds=0.015), False),
        (level_run(each(lambda r: replace(r, output_tokens=3, asked=3, pieces=1))), False),
    ],
    ids=["at once", "one event, whoever is late", "a late client reads at once", "one step of speculation"],
)
def test_answers_in_one_piece_have_no_first_token(run: LevelRun, absent: bool) -> None:
    judgement = judge(run, replace(LIMITS, of_requests=(RequestLimit(metric="TTFT", max=1.0),)))

    assert judgement.level is not None
    assert (judgement.level.ttft_seconds is None) == absent
    assert (judgement.level.attainment is None) == absent
    assert ("buffers" in " ".join(judgement.warnings)) == absent
    assert judgement.level.e2e_latency_seconds is not None


def test_where_some_answers_arrive_in_one_piece_their_users_wait() -> None:
    requests = [replace(r, pieces=1, first=r.end) if n % 4 == 0 else r for n, r in enumerate(one_user())]
    judgement = judge(level_run(requests), LIMITS)

    assert judgement.level is not None
    assert judgement.level.ttft_seconds is not None
    assert "buffers" not in " ".join(judgement.warnings)
    assert "% of the answers arrive in one piece" in " ".join(judgement.warnings)


@pytest.mark.parametrize("per_piece", [1, 3, 8])
def test_several_tokens_in_a_piece_do_not_shorten_the_time_per_token(per_piece: int) -> None:
    pieces = 60
    tokens, step = per_piece * pieces, 0.005
    shape = {"output_tokens": tokens, "asked": tokens, "pieces": pieces}
    requests = [replace(r, end=r.first + (tokens - per_piece) * step, **shape) for r in one_user(1)]

    assert requests[0].seconds_per_token == pytest.approx(step)


SHORT = {"output_tokens": 8, "finish": "length"}


@pytest.mark.parametrize(
    ("change", "holds_length", "shortened"),
    [
        (SHORT, True, True),
        (SHORT, False, True),
        ({"output_tokens": 8, "finish": "stop"}, True, True),
        ({"output_tokens": 8, "finish": "stop"}, False, False),
        ({"output_tokens": 8, "finish": "abort"}, False, True),
        ({"output_tokens": 11, "finish": "length"}, True, False),
        ({"output_tokens": 8, "finish": "length", "usage": False}, True, False),
    ],
)
def test_an_answer_that_was_cut_short_is_a_failed_request(
    change: dict[str, object], holds_length: bool, shortened: bool
) -> None:
    requests = one_user(200)
    requests[50] = replace(requests[50], **change)  # type: ignore[arg-type]
    judgement = judge(level_run(requests), replace(LIMITS, holds_length=holds_length))

    assert judgement.level is not None
    assert (judgement.level.shortened, judgement.level.errors) == ((1, 1) if shortened else (None, 0))
    assert ("1 of 200 requests failed: the answer was cut short" in " ".join(judgement.warnings)) == shortened


def test_a_spoiled_level_counts_for_no_goal() -> None:
    requests = [replace(r, **SHORT) if i % 20 == 10 else r for i, r in enumerate(one_user(200))]  # type: ignore[arg-type]
    level = judge(level_run(requests), LIMITS).level

    assert level is not None and level.errors == 10
    assert violations(level, [FEW_ERRORS], 1), "more than 1 % errors"
    assert level.output_tokens_per_second < 0.96 * 55, "what was cut short counts as no throughput"


def test_an_engine_that_is_stopped_is_not_told_to_have_too_short_a_context() -> None:
    requests = [replace(r, output_tokens=2, finish="abort") if i % 2 else r for i, r in enumerate(one_user(40))]
    judgement = judge(level_run(requests), LIMITS)

    assert judgement.failure != "Refused"
    assert judgement.level is not None and judgement.level.shortened == 20
