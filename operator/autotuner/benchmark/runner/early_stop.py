"""Which levels are still worth measuring. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autotuner.api.experiment import NOISE_MARGIN, Level
from autotuner.benchmark.contract.spec import RequiredThroughput, SloBound
from autotuner.scoring import figure
from autotuner.scoring.figures import failed_beyond, figure_name, format_quantity, format_value, told
from autotuner.scoring.ladder_upper_bound import lost, most, share_lost, top

LadderStep = tuple[str, float]


@dataclass(frozen=True)
class StopCriteria:
    """What ends a ladder early.

    Attributes:
        ladder: the users or rates of all levels.
        weights: of all scenarios, in the objective's harmonic mean.
        slos: the hard ones; only ceilings and the floor of Attainment end a ladder, other floors may still be reached.
        required_throughput: what the throughput has to reach; None: nothing is hopeless.
        noise_margin: how far beyond threshold or ceiling a figure may be by chance, as a share of it.
    """

    ladder: Sequence[float]
    weights: Mapping[str, float]
    slos: Sequence[SloBound] = ()
    required_throughput: RequiredThroughput | None = None
    noise_margin: float = NOISE_MARGIN


@dataclass(frozen=True)
class Stopped:
    """How a ladder ended early, and why."""

    ladder: Literal["StoppedSLO", "StoppedHopeless"]
    why: str


def would_stop(levels: Sequence[Level], criteria: StopCriteria, remaining: Iterable[LadderStep]) -> Stopped | None:
    """Say why none of the remaining levels is worth measuring; None while one is.

    Never on a scenario's first level alone, which also pays for what is cold.

    Args:
        levels: measured so far, in that order; each scenario's upwards.
        criteria: what ends a ladder.
        remaining: scenario and users or rate of the levels that are left; none left is no early end.
    """
    left = list(remaining)
    if not left:
        return None
    highest = ladder_top(levels, criteria)
    if highest and all(offered > highest[0] for _, offered in left):
        return Stopped("StoppedSLO", highest[1])
    why = _hopeless(levels, criteria, highest[0] if highest else None)
    return Stopped("StoppedHopeless", why) if why else None


def lost_ceiling(level: Level, criteria: StopCriteria) -> str | None:
    """The first ceiling, or floor of Attainment, that the level breaks for all levels above it, in words."""
    if criteria.slos and level.ended is not None:
        return f"the engine did not keep up ({level.scenario} at {told(level.offered, level.rate is not None)})"
    for slo in criteria.slos:
        value = _measured(level, slo)
        if value is None:
            continue
        if slo.max is not None and lost(value, slo.max, slo.metric, slo.statistic, criteria.noise_margin):
            return _in_words(level, slo, value, "above", slo.max)
        if slo.metric == "Attainment" and slo.min is not None and share_lost(level, slo.min):
            return _in_words(level, slo, value, "below", slo.min)
    return None


def _in_words(level: Level, slo: SloBound, value: float, side: str, limit: float) -> str:
    where = f"{level.scenario} at {told(level.offered, level.rate is not None)}"
    found, allowed = (format_quantity(each, slo.metric) for each in (value, limit))
    return f"{figure_name(slo.metric, slo.statistic)} {found} is {side} {allowed} ({where})"


def ladder_top(levels: Sequence[Level], criteria: StopCriteria) -> tuple[float, str] | None:
    """The users or the rate above which nothing can be feasible any more, and why; None if no ceiling is broken."""
    highest = top(levels, lambda level: lost_ceiling(level, criteria) is not None)
    if highest is None:
        return None
    reasons = (lost_ceiling(level, criteria) for level in levels if level.offered == highest)
    return highest, next(reason for reason in reasons if reason)


def _hopeless(levels: Sequence[Level], criteria: StopCriteria, highest: float | None) -> str | None:
    """Why even throughput in proportion to the load would not be good enough; None while it might be."""
    required = criteria.required_throughput
    if required is None or not levels or sum(level.scenario == levels[-1].scenario for level in levels) < 2:
        return None
    best = most(
        levels,
        criteria.weights,
        criteria.ladder,
        throughput=lambda level: figure(level, required.metric, None, 1) or 0.0,
        broken=lambda level: breaks(level, criteria.slos),
        top=highest,
    )
    if best is None or best >= required.threshold * (1 - criteria.noise_margin):
        return None
    wanted, possible = (format_value(each, required.metric) for each in (required.threshold, best))
    return (
        f"{required.metric} would not reach {wanted} less {criteria.noise_margin:.0%} any more, but {possible} at most,"
        " even in proportion to the load"
    )


def breaks(level: Level, slos: Sequence[SloBound]) -> bool:
    """Whether a level is known to break a hard SLO; one at which the engine did not keep up breaks all."""
    return bool(slos) and (level.ended is not None or any(_broken(level, slo) for slo in slos))


def _broken(level: Level, slo: SloBound) -> bool:
    value = _measured(level, slo)
    if value is None:
        return False
    return (slo.max is not None and value > slo.max) or (slo.min is not None and value < slo.min)


def _measured(level: Level, slo: SloBound) -> float | None:
    times = failed_beyond(level, slo.metric, slo.statistic)
    return slo.max * times if times and slo.max is not None else figure(level, slo.metric, slo.statistic, 1)
