"""Checks of goals: can the SLOs be kept, or broken, at all, and does each objective say something of its own?"""

from __future__ import annotations

from collections.abc import Iterator

from autotuner.api import quantity
from autotuner.api.common import LATENCY_METRICS, Statistic
from autotuner.api.goals import Objective, Slo
from autotuner.policy.preflight.checked_task import Case
from autotuner.scoring.figures import DEFAULT_STATISTIC, figure_name
from autotuner.validation_messages import Finding, Kind


def problems(case: Case) -> Iterator[Finding]:
    """What is wrong with objectives and SLOs."""
    yield from _objectives(case.spec.objectives, max(case.spec.benchmark.concurrency))
    yield from _slos(case.spec.slos or [])


def _objectives(objectives: list[Objective], highest: int) -> Iterator[Finding]:
    """Objectives that say the same; what is left out means the default, so two may do so in different words."""
    first: dict[tuple[str, Statistic | None, int], int] = {}
    for number, one in enumerate(objectives):
        latency = one.metric in LATENCY_METRICS
        level = (one.concurrency or highest) if latency else 0
        earlier = first.setdefault((one.metric, _statistic(one), level), number)
        if earlier != number:
            kind = Kind.LATENCY_OBJECTIVE_REPEATED if latency else Kind.OBJECTIVE_REPEATED
            details = {"figure": figure_name(one.metric, one.statistic), "concurrency": level, "earlier": earlier}
            yield Finding(f"objectives[{number}]", kind, details)


def _slos(slos: list[Slo]) -> Iterator[Finding]:
    for number, slo in enumerate(slos):
        field = f"slos[{number}]"
        if finding := _impossible(slo, field):
            yield finding
            continue
        for earlier, other in enumerate(slos[:number]):
            if _figure(slo) == _figure(other) and (finding := _conflict(slo, other, earlier, field)):
                yield finding
                break


def _impossible(slo: Slo, field: str) -> Finding | None:
    """What is wrong with an SLO by itself."""
    side, written = _limit(slo)
    limit, where = quantity.parse(written), f"{field}.{side}"
    if side == "max" and limit <= 0 and slo.metric != "ErrorRate":
        kind = Kind.LATENCY_NEVER_SO_LOW if slo.metric in LATENCY_METRICS else Kind.RATE_NEVER_SO_LOW
        return Finding(where, kind, {"figure": figure_name(slo.metric, slo.statistic), "limit": written})
    if slo.metric == "ErrorRate" and limit > 1:
        return Finding(where, Kind.SHARE_ABOVE_ALL)
    return None


def _conflict(slo: Slo, other: Slo, earlier: int, field: str) -> Finding | None:
    """What is wrong with two SLOs of the same figure.

    Args:
        slo: the later one.
        other: the earlier one.
        earlier: its number.
        field: of the later one.
    """
    (side, written), (side_before, before) = _limit(slo), _limit(other)
    limit, limit_before = quantity.parse(written), quantity.parse(before)
    if side == side_before:
        same = limit == limit_before and slo.enforcement == other.enforcement
        details = {"earlier": earlier, "side": side, "limit": before}
        return Finding(field, Kind.SLO_REPEATED, details) if same else None
    floor, ceiling = (limit, limit_before) if side == "min" else (limit_before, limit)
    if floor <= ceiling:
        return None
    kind = Kind.FLOOR_ABOVE_CEILING if side == "min" else Kind.CEILING_BELOW_FLOOR
    return Finding(f"{field}.{side}", kind, {"limit": written, "earlier": earlier, "other": before})


def _figure(slo: Slo) -> tuple[str, Statistic | None]:
    """The figure that an SLO bounds: metric and statistic."""
    return slo.metric, _statistic(slo)


def _limit(slo: Slo) -> tuple[str, str]:
    """The side that an SLO bounds, and its limit as it is written."""
    return ("max", slo.max) if slo.max is not None else ("min", slo.min or "")


def _statistic(one: Slo | Objective) -> Statistic | None:
    return (one.statistic or DEFAULT_STATISTIC) if one.metric in LATENCY_METRICS else None
