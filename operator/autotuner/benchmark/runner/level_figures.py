"""From single requests to the figures of a level, and whether they may be believed. Pure.

What counts of a level, and with which weight, is said by `steady_part`.

A failed request is slower than every answer. Percentiles are of all requests, so that an engine which refuses its
longest ones does not look faster; a level of which nearly everything is refused is a result too. An answer that was cut
short is a failed request.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autotuner.api.experiment import Attainment, Distribution, EngineFigures, Level
from autotuner.benchmark.contract.level_run import MIN_STEADY_REQUESTS, MIN_STEADY_SECONDS, LevelRun, Request
from autotuner.benchmark.contract.result import Failure
from autotuner.benchmark.contract.spec import RequestLimit
from autotuner.benchmark.runner import engine_doubts, spoiled_answers, steady_part
from autotuner.benchmark.runner.censored_estimates import weighted_mean, weighted_percentiles
from autotuner.benchmark.runner.steady_part import SteadyPart
from autotuner.scoring import share_interval
from autotuner.scoring.figures import told

# From here on a level tells what the engine refuses, whatever its few answers are like.
SHED_SHARE = 0.1
# An answer that refuses: too long, too many, not now.
_REFUSAL = re.compile(r"HTTP (4\d\d|503)\b")
_UNAUTHORIZED = re.compile(r"HTTP (401|403)\b")
# What no load and no other request changes.
_REFUSED_FOR_GOOD = re.compile(r"HTTP (400|413|422)\b")
LENGTH_TOLERANCE = 0.1
COUNT_TOLERANCE = 0.02
CLIENT_BUSY_SHARE = 0.85
# Measured: with a core to itself the client is late by 2 ms (p95) at 45 requests/s, and TTFT is right.
CLIENT_LAG_SECONDS = 0.005
CLIENT_LAG_SHARE = 0.1
# How late an open loop may send (P99). One request in a hundred that is 10 ms late moves a P99 of 200 ms by 5 %, within
# the noise that every verdict allows for; a mean of a latency it moves by far less. A slow engine forgives more.
LATENESS_SECONDS = 0.01
LATENESS_SHARE = 0.05


@dataclass(frozen=True)
class LevelLimits:
    """What a level is allowed, for messages that say what to change."""

    max_minutes: int
    holds_length: bool
    """The engine is told to ignore the end of text, so answers must have the length asked for."""
    believes_late_client: bool = False
    """A client that is late or short of CPU is only warned of: the figures are of a simulated engine."""
    of_requests: Sequence[RequestLimit] = ()
    """What a request must keep to count in Goodput and Attainment."""
    shares_prefixes: bool = False
    """Prompts have beginnings in common, so that a prefix cache is expected to help."""


@dataclass(frozen=True)
class Judgement:
    """An accepted level with warnings about it, or the problem for which a level is refused, and its kind."""

    level: Level | None
    problem: str | None = None
    warnings: tuple[str, ...] = ()
    failure: Failure = "Acceptance"


def judge(run: LevelRun, limits: LevelLimits, engine: EngineFigures | None = None) -> Judgement:
    """Compute the figures of a level from its single requests, or say why it is refused.

    Args:
        run: what the load client recorded.
        limits: what the level is allowed.
        engine: what the engine said of itself meanwhile; None if it said nothing.
    """
    steady = steady_part.of(run)
    where = _where(run)
    if unauthorized := _all_failed(run, _UNAUTHORIZED):
        return Judgement(None, f"{where}: {unauthorized}", failure="Unauthorized")
    if refused := _all_failed(run, _REFUSED_FOR_GOOD) or _length_problem(steady, limits):
        return Judgement(None, f"{where}: {refused}", failure="Refused")
    if silent := _silence(run, limits):
        return Judgement(None, f"{where}: {silent}", failure="EngineNotServing")
    few = None if _sheds(run) else _sample_problem(steady, limits)
    if problem := few or _usage_problem(steady) or _count_problem(run):
        return Judgement(None, f"{where}: {problem}")
    run, shortened = spoiled_answers.as_failed(run, limits.holds_length)
    steady = steady_part.of(run)
    level = _figures(run, steady, limits, shortened).model_copy(update={"engine": engine})
    overloaded = _overload(run, level)
    if overloaded and not limits.believes_late_client:
        return Judgement(None, f"{where}: {overloaded}", failure="ClientOverloaded")
    on_time = not overloaded and run.client_lag_seconds <= CLIENT_LAG_SECONDS
    warnings = _warnings(run, steady, level, overloaded) + engine_doubts.of_level(level, where, limits.shares_prefixes)
    share = spoiled_answers.in_one_piece((r for r, _ in steady.answered), on_time)
    if share > spoiled_answers.MOST_IN_ONE_PIECE:
        level = _without_first_tokens(level, limits)
        warnings.append(
            f"{where}: answers arrive in one piece, so there are no TTFT and no TPOT; something buffers the stream, or"
            " the engine does not stream"
        )
    elif share > spoiled_answers.SOME_IN_ONE_PIECE:
        warnings.append(
            f"{where}: {share:.0%} of the answers arrive in one piece, whose first token is as late as the last; an"
            " engine that is short of CPU does that"
        )
    return Judgement(level, None, tuple(warnings))


def _without_first_tokens(level: Level, limits: LevelLimits) -> Level:
    """The level without the figures that need to know when a first token came."""
    gone: dict[str, None] = {"ttft_seconds": None, "tpot_seconds": None}
    if any(limit.metric == "TTFT" for limit in limits.of_requests):
        gone |= {"attainment": None, "good_requests_per_second": None}
    return level.model_copy(update=gone)


def _figures(run: LevelRun, steady: SteadyPart, limits: LevelLimits, shortened: int) -> Level:
    answered = [r for r, _ in steady.answered]
    weights = [w for _, w in steady.answered]
    flow = [(r, w * steady.per_second) for r, w in steady.ended]
    paced = [(pace, w) for r, w in steady.answered if (pace := r.seconds_per_token) is not None]
    attained = _attainment(steady, limits)
    return Level(
        scenario=run.scenario,
        concurrency=run.concurrency or None,
        rate=run.rate or None,
        requests=len(answered),
        errors=sum(1 for r in run.requests if r.failed),
        shortened=shortened or None,
        duration_seconds=steady.seconds,
        output_tokens_per_second=sum(r.output_tokens * w for r, w in flow if r.ok),
        total_tokens_per_second=sum((r.input_tokens + r.output_tokens) * w for r, w in flow if r.ok),
        requests_per_second=sum(w for r, w in flow if r.ok),
        sent_per_second=steady.sent_per_second,
        lateness_p99_seconds=_lateness(run),
        good_requests_per_second=attained.share * sum(w for _, w in flow) if attained else None,
        attainment=attained,
        ttft_seconds=_distribution([(r.first - r.start, w) for r, w in steady.answered], steady.lost),
        tpot_seconds=_distribution(paced, steady.lost),
        e2e_latency_seconds=_distribution([(r.end - r.start, w) for r, w in steady.answered], steady.lost),
        output_tokens_mean=weighted_mean([float(r.output_tokens) for r in answered], weights) if answered else 0.0,
    )


def _attainment(steady: SteadyPart, limits: LevelLimits) -> Attainment | None:
    """The share of requests that keep every limit of a request; None where there are no such limits."""
    if not limits.of_requests or not steady.requests:
        return None
    good = sum(w for r, w in steady.answered if all(_keeps(r, limit) for limit in limits.of_requests))
    return share_interval.attainment(min(1.0, good), len(steady.requests))


def _keeps(request: Request, limit: RequestLimit) -> bool:
    """Whether an answered request keeps a limit; one without a time per token cannot break one of it."""
    match limit.metric:
        case "TTFT":
            return request.first - request.start <= limit.max
        case "TPOT":
            return (request.seconds_per_token or 0.0) <= limit.max
        case "E2ELatency":
            return request.end - request.start <= limit.max


def _lateness(run: LevelRun) -> float | None:
    """How late requests of an open loop were sent (P99); None in a closed one."""
    if not run.open_loop or not run.requests:
        return None
    late = [request.late for request in run.requests]
    return weighted_percentiles(late, [1.0] * len(late), (99,))[0]


def _where(run: LevelRun) -> str:
    return f"{run.scenario} at {told(run.rate or run.concurrency, run.open_loop)}"


def _distribution(weighted: Sequence[tuple[float, float]], lost: Sequence[float]) -> Distribution | None:
    """The distribution of (value, weight) pairs, and of the weights of what is beyond all values."""
    if not weighted:
        return None
    values, weights = [v for v, _ in weighted], [w for _, w in weighted]
    most = max(values)
    beyond = [most + 1.0] * len(lost)
    found = weighted_percentiles([*values, *beyond], [*weights, *lost], (50, 90, 95, 99))
    p50, p90, p95, p99 = (value if value <= most else None for value in found)
    return Distribution(mean=weighted_mean(values, weights), p50=p50, p90=p90, p95=p95, p99=p99)


def _finished(run: LevelRun) -> tuple[list[Request], list[Request]]:
    """All requests that were answered or failed, and those that failed."""
    finished = [r for r in run.requests if not r.cut]
    return finished, [r for r in finished if r.failed]


def _failures(run: LevelRun) -> str:
    """What failed, in words; empty if nothing did."""
    finished, failed = _finished(run)
    return f"{len(failed)} of {len(finished)} requests failed: {failed[-1].error}" if failed else ""


def _sheds(run: LevelRun) -> bool:
    """Whether so many requests failed that this is the result of the level."""
    finished, failed = _finished(run)
    return len(failed) > SHED_SHARE * len(finished)


def _all_failed(run: LevelRun, answer: re.Pattern[str]) -> str | None:
    finished, _ = _finished(run)
    if not finished or not all(answer.match(r.error) for r in finished):
        return None
    return f"the engine refuses every request: {finished[-1].error}"


def _silence(run: LevelRun, limits: LevelLimits) -> str | None:
    finished, failed = _finished(run)
    if not finished:
        return (
            f"no request finished within {limits.max_minutes} min: the engine hangs, or answers take longer than"
            " benchmark.maxMinutesPerLevel"
        )
    if run.outage and not _REFUSAL.match(run.outage):
        return f"the engine stopped answering after {len(finished) - len(failed)} requests: {run.outage}"
    return None


def _sample_problem(steady: SteadyPart, limits: LevelLimits) -> str | None:
    count = len(steady.answered)
    if count >= MIN_STEADY_REQUESTS and steady.seconds >= MIN_STEADY_SECONDS:
        return None
    # The limit of requests cannot be the cause: a level goes on until there are enough, or the time is over.
    ramp, instead = "every user's first one", "lower the concurrency"
    if steady.sent_per_second is not None:
        ramp, instead = "the ramp", "raise the rate, or lower it if the engine cannot keep up,"
    return (
        f"only {count} requests in {steady.seconds:.2f} s after {ramp}; at least"
        f" {MIN_STEADY_REQUESTS} in {MIN_STEADY_SECONDS} s are needed: raise benchmark.maxMinutesPerLevel (now"
        f" {limits.max_minutes}), or {instead} or the length of answers"
    )


def _count_problem(run: LevelRun) -> str | None:
    answered = sum(1 for r in run.requests if r.ok)
    failed = sum(1 for r in run.requests if r.failed)
    # A few may differ: not every client counts an answer of a single token.
    if abs(answered - run.counted_completed) + abs(failed - run.counted_errors) <= COUNT_TOLERANCE * len(run.requests):
        return None
    return (
        f"the load client counted {run.counted_completed} answers and {run.counted_errors} errors, its single requests"
        f" are {answered} and {failed}"
    )


def _usage_problem(steady: SteadyPart) -> str | None:
    answered = [r for r, _ in steady.answered]
    without = sum(1 for r in answered if not r.usage)
    if without > 0.01 * len(answered):
        return f"{without} of {len(answered)} answers carry no usage, so tokens cannot be counted"
    return None


def _length_problem(steady: SteadyPart, limits: LevelLimits) -> str | None:
    answered = [r for r, _ in steady.answered if r.usage and r.finish != spoiled_answers.ABORTED]
    asked = sum(r.asked for r in answered)
    got = sum(r.output_tokens for r in answered if r.asked)
    if not limits.holds_length or not asked or abs(got / asked - 1) <= LENGTH_TOLERANCE:
        return None
    return (
        f"answers have {got / len(answered):.0f} tokens on average where {asked / len(answered):.0f} were asked for:"
        " the engine does not honour ignore_eos, or cuts at its maximum length"
    )


def _overload(run: LevelRun, level: Level) -> str:
    """Why the figures are the client's own and not the engine's; empty if they are the engine's."""
    busy = run.client_cpu_seconds / max(run.stopped - run.started, 1e-9)
    if busy > CLIENT_BUSY_SHARE or (
        run.client_capacity is not None and level.requests_per_second > run.client_capacity
    ):
        return (
            f"the benchmark itself was the bottleneck ({busy:.0%} of a core, {level.requests_per_second:.0f}"
            " requests/s); the engine can do better"
        )
    if run.open_loop:
        return _late(level)
    latency = level.e2e_latency_seconds
    if latency and run.client_lag_seconds > max(CLIENT_LAG_SECONDS, CLIENT_LAG_SHARE * latency.mean):
        return (
            f"the benchmark was late by {run.client_lag_seconds * 1000:.0f} ms (p95), answers take"
            f" {latency.mean * 1000:.0f} ms: it is short of CPU; give it a whole core"
        )
    return ""


def _late(level: Level) -> str:
    """Why requests of an open loop were sent too late to be those of the schedule; empty if they were not."""
    late, ttft = level.lateness_p99_seconds or 0.0, level.ttft_seconds
    if late <= max(LATENESS_SECONDS, LATENESS_SHARE * ttft.mean if ttft else 0.0):
        return ""
    return (
        f"the benchmark sent its requests up to {late * 1000:.0f} ms late (p99): it is short of CPU; give it"
        " whole cores in benchmark.pod.resources: one process sends for each"
    )


def _warnings(run: LevelRun, steady: SteadyPart, level: Level, overloaded: str) -> list[str]:
    where = _where(run)
    found = [f"{where}: {_failures(run)}"] if _failures(run) else []
    if run.clipped:
        found.append(
            f"{where}: {run.clipped} of {len(run.requests)} recorded requests were cut to the context of the engine;"
            " raise its context, or give a trace of shorter ones"
        )
    if run.repeated:
        found.append(
            f"{where}: {run.repeated} of {len(run.requests)} requests repeat recorded ones, which a prefix cache finds;"
            " give a longer trace, or lower benchmark.maxRequestsPerLevel"
        )
    if steady.grown:
        found.append(
            f"{where}: the engine did not keep up: {steady.grown} more requests waited at the end than at the start, so"
            " that latencies depend on how long the level was"
        )
    if overloaded:
        found.append(f"{where}: {overloaded}")
    elif (
        level.ttft_seconds
        and not run.open_loop
        and run.client_lag_seconds > max(CLIENT_LAG_SECONDS, CLIENT_LAG_SHARE * level.ttft_seconds.mean)
    ):
        found.append(
            f"{where}: the benchmark was late by {run.client_lag_seconds * 1000:.0f} ms (p95), which TTFT includes;"
            " give it a whole core"
        )
    return found
