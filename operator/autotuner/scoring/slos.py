"""The SLOs that a level keeps, and what breaking the soft ones costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autotuner.api import quantity
from autotuner.api.common import LATENCY_METRICS, Statistic
from autotuner.api.experiment import Level
from autotuner.api.goals import SOFT_STEEPNESS, SOFT_WEIGHT, Slo
from autotuner.scoring.figures import (
    DEFAULT_STATISTIC,
    failed_beyond,
    figure,
    figure_name,
    format_excess,
    format_quantity,
    place,
)

# The promise that nobody has to write down: a level of which more is lost serves nobody.
FEW_ERRORS = Slo(metric="ErrorRate", max="1%")


@dataclass(frozen=True)
class Violation:
    """An SLO that a level breaks.

    Attributes:
        metric: of the SLO.
        statistic: of a latency, else None.
        limit: in SI units.
        actual: in SI units.
        relative: distance from the limit as a share of it; 1 for a limit of zero.
        text: for people: `TTFT P99 612ms at chat x 32, above 500ms by 22%`.
        brief: the same without where: `TTFT P99 500ms by 22%`.
    """

    metric: str
    statistic: Statistic | None
    limit: float
    actual: float
    relative: float
    text: str
    brief: str

    @property
    def promise(self) -> tuple[str, Statistic | None, float]:
        """The identity of the SLO, wherever it is broken."""
        return self.metric, self.statistic, self.limit


def counted(slos: Sequence[Slo]) -> tuple[Slo, ...]:
    """The SLOs that a task's levels keep or not, with FEW_ERRORS unless one of them says how many requests may fail."""
    of_levels = tuple(slo for slo in slos if not slo.per_request)
    return (*of_levels, FEW_ERRORS) if all(slo.metric != "ErrorRate" for slo in of_levels) else of_levels


def hard(slos: Sequence[Slo]) -> list[Slo]:
    """The SLOs that every level counted must keep; those of single requests are counted by Goodput and Attainment."""
    return [slo for slo in slos if slo.enforcement == "Hard" and not slo.per_request]


def of_requests(slos: Sequence[Slo]) -> list[Slo]:
    """The SLOs that each request keeps or not."""
    return [slo for slo in slos if slo.per_request]


def soft(slos: Sequence[Slo]) -> list[Slo]:
    """The SLOs that cost something when they are broken."""
    return [slo for slo in slos if slo.enforcement == "Soft"]


def violations(level: Level, slos: Sequence[Slo], gpus: int) -> list[Violation]:
    """The SLOs that a level is known to break; one whose figure was not measured is not among them."""
    found = [found for slo in slos if (found := violation(level, slo, gpus)) is not None]
    promised = any(slo.enforcement == "Hard" and slo != FEW_ERRORS for slo in slos)
    return [*found, _saturated(level)] if level.ended is not None and promised and level.rate else found


def _saturated(level: Level) -> Violation:
    """How far a level that the engine cannot keep up with is beyond what it can: its latencies grow without end."""
    rate, answered = level.rate or 0.0, level.requests_per_second
    excess = max(rate / answered - 1, 0.01) if answered > 0 else 1.0
    text = f"the engine did not keep up at {place(level)}: {level.evidence or 'requests queued without end'}"
    return Violation("RequestThroughput", None, rate, answered, excess, text, "the engine did not keep up")


def unmeasured(level: Level, slos: Sequence[Slo], gpus: int) -> list[str]:
    """The SLOs that cannot be judged at a level, one sentence each."""
    return [
        f"{figure_name(slo.metric, slo.statistic)} was not measured at {place(level)}"
        for slo in slos
        if figure(level, slo.metric, slo.statistic, gpus) is None
        and failed_beyond(level, slo.metric, slo.statistic) is None
    ]


def cost(levels: Sequence[Level], slos: Sequence[Slo], gpus: int) -> float:
    """What the soft SLOs broken at one level cost, as a share of the value's magnitude; 0 if all are kept.

    Each costs weight * (exp(min(v, 1) / steepness) - 1), with v the largest relative violation over the scenarios.

    Args:
        levels: one of each scenario.
        slos: hard ones among them cost nothing.
        gpus: for figures per GPU.
    """
    total = 0.0
    for slo in soft(slos):
        broken = _worst(levels, slo, gpus)
        if broken:
            weight = SOFT_WEIGHT if slo.weight is None else slo.weight
            steepness = SOFT_STEEPNESS if slo.steepness is None else slo.steepness
            total += weight * math.expm1(min(broken.relative, 1.0) / steepness)
    return total


def broken_soft(levels: Sequence[Level], slos: Sequence[Slo], gpus: int) -> list[Violation]:
    """The worst violation of each soft SLO that is broken.

    Args:
        levels: of one concurrency or rate, one of each scenario; those of several runs may be told together.
        slos: hard ones among them are left out.
        gpus: for figures per GPU.
    """
    return [found for slo in soft(slos) if (found := _worst(levels, slo, gpus)) is not None]


def _worst(levels: Sequence[Level], slo: Slo, gpus: int) -> Violation | None:
    broken = [found for level in levels if (found := violation(level, slo, gpus)) is not None]
    return max(broken, key=lambda one: one.relative, default=None)


def violation(level: Level, slo: Slo, gpus: int) -> Violation | None:
    """How a level breaks one SLO; None if it keeps it, or if that was not measured."""
    written = slo.max if slo.max is not None else slo.min
    if written is None:
        return None
    limit = quantity.parse(written)
    actual = figure(level, slo.metric, slo.statistic, gpus)
    if actual is None:
        return _lost(level, slo, limit)
    excess = actual - limit if slo.max is not None else limit - actual
    if excess <= 0:
        return None
    relative = excess / limit if limit else 1.0
    side = "above" if slo.max is not None else "below"
    missed = format_excess(relative, written) if limit else written
    named = figure_name(slo.metric, slo.statistic)
    text = f"{named} {format_quantity(actual, slo.metric)} at {place(level)}, {side} {missed}"
    statistic = (slo.statistic or DEFAULT_STATISTIC) if slo.metric in LATENCY_METRICS else None
    return Violation(slo.metric, statistic, limit, actual, relative, text, f"{named} {missed}")


def _lost(level: Level, slo: Slo, limit: float) -> Violation | None:
    """The violation of a percentile that lies among failed requests; None if it was just not measured."""
    times = failed_beyond(level, slo.metric, slo.statistic)
    if times is None or slo.max is None:
        return None
    named = figure_name(slo.metric, slo.statistic)
    failed = f"{level.errors} of {level.errors + level.requests} requests failed"
    statistic = slo.statistic or DEFAULT_STATISTIC
    return Violation(
        slo.metric,
        statistic,
        limit,
        limit * times,
        times - 1,
        f"{named} at {place(level)} is beyond {slo.max}: {failed}",
        f"{named} {slo.max}: {failed}",
    )
