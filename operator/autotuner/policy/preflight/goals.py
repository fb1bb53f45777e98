"""Checks of goals: can the SLOs be kept, or broken, at all, and does each objective say something of its own?"""

from __future__ import annotations

from collections.abc import Iterator

from autotuner.api import quantity
from autotuner.api.common import JUDGED_AT_A_LEVEL, LATENCY_METRICS, PER_REQUEST_METRICS, Statistic
from autotuner.api.goals import Objective, Slo
from autotuner.api.task import TaskSpec
from autotuner.policy.preflight.checked_task import Case
from autotuner.scoring.figures import DEFAULT_STATISTIC, figure_name, told
from autotuner.validation_messages import Finding, Kind

# Metrics that are shares, each with one that somebody may want.
_SHARES = {"ErrorRate": "1%", "Attainment": "95%"}


def problems(case: Case) -> Iterator[Finding]:
    """What is wrong with objectives and SLOs."""
    yield from _objectives(case.spec)
    yield from _slos(case.spec.slos or [])
    yield from _request_limits(case.spec)


def _objectives(spec: TaskSpec) -> Iterator[Finding]:
    """Objectives that say the same; what is left out means the default, so two may do so in different words."""
    first: dict[tuple[str, Statistic | None, float], int] = {}
    highest = max(spec.benchmark.ladder)
    for number, one in enumerate(spec.objectives):
        at_a_level = one.metric in JUDGED_AT_A_LEVEL
        level = (one.offered or highest) if at_a_level else 0
        earlier = first.setdefault((one.metric, _statistic(one), level), number)
        if earlier != number:
            kind = Kind.LATENCY_OBJECTIVE_REPEATED if at_a_level else Kind.OBJECTIVE_REPEATED
            where = told(level, spec.benchmark.open_loop)
            details = {"figure": figure_name(one.metric, one.statistic), "where": where, "earlier": earlier}
            yield Finding(f"objectives[{number}]", kind, details)


def _request_limits(spec: TaskSpec) -> Iterator[Finding]:
    """Limits of single requests without a figure that counts them, and the other way round."""
    slos = spec.slos or []
    limits = [number for number, slo in enumerate(slos) if slo.per_request]
    metrics: list[tuple[str, str]] = [
        (f"objectives[{number}].metric", one.metric) for number, one in enumerate(spec.objectives)
    ]
    metrics += [(f"slos[{number}].metric", slo.metric) for number, slo in enumerate(slos)]
    counting = [(field, metric) for field, metric in metrics if metric in PER_REQUEST_METRICS]
    if not limits:
        for field, metric in counting:
            yield Finding(field, Kind.REQUEST_LIMIT_MISSING, {"metric": metric})
    if not counting:
        for number in limits:
            yield Finding(f"slos[{number}].perRequest", Kind.REQUEST_LIMIT_UNUSED)


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
    if slo.metric in _SHARES and limit > 1:
        return Finding(where, Kind.SHARE_ABOVE_ALL, {"metric": slo.metric, "example": _SHARES[slo.metric]})
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


def _figure(slo: Slo) -> tuple[str, Statistic | None, bool]:
    """The figure that an SLO bounds: metric, statistic, and whether of each request."""
    return slo.metric, _statistic(slo), bool(slo.per_request)


def _limit(slo: Slo) -> tuple[str, str]:
    """The side that an SLO bounds, and its limit as it is written."""
    return ("max", slo.max) if slo.max is not None else ("min", slo.min or "")


def _statistic(one: Slo | Objective) -> Statistic | None:
    return (one.statistic or DEFAULT_STATISTIC) if one.metric in LATENCY_METRICS else None
