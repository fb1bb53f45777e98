"""Can the SLOs be kept, or broken, at all, and does every objective say something of its own?"""

from __future__ import annotations

from collections.abc import Iterator

from autotuner.api import quantity
from autotuner.api.common import LATENCY_METRICS, Statistic
from autotuner.api.goals import Objective, Slo
from autotuner.policy.preflight.case import Case, Problem
from autotuner.scoring.figures import DEFAULT_STATISTIC, name


def problems(case: Case) -> Iterator[Problem]:
    """What is wrong with objectives and SLOs."""
    ladder = case.spec.benchmark.concurrency
    for message in (*_objectives(case.spec.objectives, max(ladder)), *_slos(case.spec.slos or [])):
        yield Problem("InvalidSpec", message)


def _objectives(objectives: list[Objective], highest: int) -> Iterator[str]:
    """What is left out means the default, so that two can be the same in different words."""
    first: dict[tuple[str, Statistic | None, int], int] = {}
    for number, one in enumerate(objectives):
        latency = one.metric in LATENCY_METRICS
        at = (one.concurrency or highest) if latency else 0
        before = first.setdefault((one.metric, _statistic(one), at), number)
        if before != number:
            where = f" at concurrency {at}" if latency else ""
            yield (
                f"objectives[{number}]: {name(one.metric, one.statistic)}{where} is objectives[{before}] already;"
                " remove one of them, or change its statistic or concurrency"
            )


def _slos(slos: list[Slo]) -> Iterator[str]:
    for number, slo in enumerate(slos):
        alone = _impossible(slo)
        if alone:
            yield f"slos[{number}].{alone}"
            continue
        for earlier, other in enumerate(slos[:number]):
            if _of(slo) == _of(other) and (words := _together(slo, other, earlier)):
                yield f"slos[{number}]{words}"
                break


def _impossible(slo: Slo) -> str:
    """What is wrong with an SLO by itself, from its field on; empty if nothing is."""
    side, written = _limit(slo)
    limit, what = quantity.parse(written), name(slo.metric, slo.statistic)
    if side == "max" and limit <= 0 and slo.metric != "ErrorRate":
        example = "500ms" if slo.metric in LATENCY_METRICS else "900tok/s"
        return f"max: {what} is never {written} or less; write the most that you accept, for example {example}"
    if slo.metric == "ErrorRate" and limit > 1:
        return f"{side}: ErrorRate is a share of all requests, at most 100%; write a smaller one, for example 1%"
    return ""


def _together(slo: Slo, other: Slo, earlier: int) -> str:
    """What is wrong with two of the same figure, from the later one's field on; empty if nothing is."""
    (side, written), (side_before, before) = _limit(slo), _limit(other)
    limit, limit_before = quantity.parse(written), quantity.parse(before)
    if side == side_before:
        same = limit == limit_before and slo.enforcement == other.enforcement
        return f": says the same as slos[{earlier}] ({side} {before}); remove one of them" if same else ""
    floor, ceiling = (limit, limit_before) if side == "min" else (limit_before, limit)
    if floor <= ceiling:
        return ""
    beyond = "above the ceiling" if side == "min" else "below the floor"
    return f".{side}: {written} is {beyond} of slos[{earlier}], {before}: both cannot be kept; change one of them"


def _of(slo: Slo) -> tuple[str, Statistic | None]:
    """Which figure an SLO is about."""
    return slo.metric, _statistic(slo)


def _limit(slo: Slo) -> tuple[str, str]:
    """Which side it bounds, and where."""
    return ("max", slo.max) if slo.max is not None else ("min", slo.min or "")


def _statistic(one: Slo | Objective) -> Statistic | None:
    return (one.statistic or DEFAULT_STATISTIC) if one.metric in LATENCY_METRICS else None
