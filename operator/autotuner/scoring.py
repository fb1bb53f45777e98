"""From measured levels to one figure: objectives, SLOs, feasibility, gain and verdict.

A throughput is that of the best concurrency at which every scenario keeps every SLO; several scenarios are averaged
harmonically, because a mix of requests takes the sum of their times. A latency is judged at one concurrency and
averaged arithmetically. What was not measured never becomes a number: the explanation says what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autotuner.api import quantity
from autotuner.api.benchmark import Scenario
from autotuner.api.common import LATENCY_METRICS, Statistic
from autotuner.api.experiment import Distribution, Level
from autotuner.api.goals import Objective, Slo

Verdict = Literal["Unconfirmed", "BaselineFailed", "BaselineInfeasible"]

_DEFAULT_STATISTIC: Statistic = "P99"
_LATENCY_FIELDS = {"TTFT": "ttft_seconds", "TPOT": "tpot_seconds", "E2ELatency": "e2e_latency_seconds"}
_UNITS = {
    "OutputThroughput": "tok/s",
    "OutputThroughputPerGPU": "tok/s/GPU",
    "TotalThroughput": "tok/s",
    "RequestThroughput": "req/s",
    "ErrorRate": "%",
}


@dataclass(frozen=True)
class Violation:
    """An SLO that a level breaks.

    Attributes:
        metric: of the SLO.
        statistic: of a latency, else None.
        limit: in SI units.
        actual: in SI units.
        relative: distance from the limit as a share of it; 1 for a limit of zero.
        text: for people: `TTFT P99 612ms at chat x 32, above 500ms by 22 %`.
    """

    metric: str
    statistic: Statistic | None
    limit: float
    actual: float
    relative: float
    text: str


@dataclass(frozen=True)
class Score:
    """What an experiment is worth.

    Attributes:
        value: of the objective in SI units; None unless feasible.
        feasible: there is a value, and its level keeps every SLO.
        level: scenario and concurrency that the value was measured at (the first scenario), or that came nearest to
            the SLOs (the scenario of its worst violation); None if nothing can be said.
        metrics: that level.
        shortfall: 0 when feasible; else the smallest over the concurrencies of the largest relative violation.
        explanation: why there is no value; empty when feasible.
    """

    value: float | None
    feasible: bool
    level: tuple[str, int] | None
    metrics: Level | None
    shortfall: float
    explanation: str


@dataclass(frozen=True)
class _Rung:
    """One concurrency over all scenarios."""

    value: float | None
    first: Level | None
    broken: tuple[tuple[Violation, Level], ...]
    missing: tuple[str, ...]

    @property
    def worst(self) -> tuple[Violation, Level]:
        return max(self.broken, key=lambda pair: pair[0].relative)


def score(
    levels: Sequence[Level],
    scenarios: Sequence[Scenario],
    ladder: Sequence[int],
    objective: Objective,
    slos: Sequence[Slo],
    gpus: int,
) -> Score:
    """Score an experiment's levels.

    Args:
        levels: what was measured; a ladder that was stopped early has fewer.
        scenarios: all that count, with their weights.
        ladder: the concurrencies that count.
        objective: what is maximised (a throughput) or minimised (a latency).
        slos: the hard promises; each scenario must keep all of them at a concurrency for it to count.
        gpus: that the engine occupied, at least 1.
    """
    measured = {(level.scenario, level.concurrency): level for level in levels}
    rungs = {
        concurrency: _rung(measured, scenarios, concurrency, objective, slos, gpus) for concurrency in sorted(ladder)
    }
    counted = list(rungs)
    if objective.metric in LATENCY_METRICS:
        counted = [objective.concurrency or max(ladder, default=0)]
        if counted[0] not in rungs:
            return _nothing(f"concurrency {counted[0]} is not on the ladder")
    # The value is None where anything is missing, so these are complete.
    candidates = [(rung.value, rung.first) for at in counted if not (rung := rungs[at]).broken]
    feasible = [(value, level) for value, level in candidates if value is not None and level is not None]
    if feasible:
        # A latency has one candidate only; of equal throughputs the lowest concurrency wins.
        value, level = max(feasible, key=lambda pair: pair[0])
        return Score(value, True, (level.scenario, level.concurrency), level, 0.0, "")
    tried = counted
    if any((scenario.name, at) not in measured for at in counted for scenario in scenarios):
        # A broken SLO ends the ladder: it is why a level further up was not measured.
        tried = [at for at in rungs if at <= counted[-1]]
    broken = [rungs[at] for at in tried if rungs[at].broken]
    if broken:
        return _nearest(broken)
    return _nothing("; ".join(dict.fromkeys(reason for at in counted for reason in rungs[at].missing)))


def _rung(
    measured: Mapping[tuple[str, int], Level],
    scenarios: Sequence[Scenario],
    concurrency: int,
    objective: Objective,
    slos: Sequence[Slo],
    gpus: int,
) -> _Rung:
    missing: list[str] = []
    broken: list[tuple[Violation, Level]] = []
    values: list[tuple[float, float]] = []
    first: Level | None = None
    for scenario in scenarios:
        level = measured.get((scenario.name, concurrency))
        if level is None:
            missing.append(f"{scenario.name} x {concurrency} was not measured")
            continue
        first = first or level
        broken += [(violation, level) for violation in violations(level, slos, gpus)]
        missing += unmeasured(level, slos, gpus)
        value = figure(level, objective.metric, objective.statistic, gpus)
        if value is None:
            missing.append(f"{_name(objective.metric, objective.statistic)} was not measured at {_place(level)}")
        else:
            values.append((scenario.weight, value))
    value = None if missing or not values else _mean(values, objective.metric)
    return _Rung(value, first, tuple(broken), tuple(dict.fromkeys(missing)))


def _mean(values: Sequence[tuple[float, float]], metric: str) -> float:
    """Of (weight, value) pairs: harmonic for throughputs, arithmetic for latencies."""
    total = sum(weight for weight, _ in values)
    if metric in LATENCY_METRICS:
        return sum(weight * value for weight, value in values) / total
    if any(value <= 0 for _, value in values):
        return 0.0
    return total / sum(weight / value for weight, value in values)


def _nearest(rungs: Sequence[_Rung]) -> Score:
    violation, level = min((rung.worst for rung in rungs), key=lambda pair: pair[0].relative)
    return Score(None, False, (level.scenario, level.concurrency), level, violation.relative, violation.text)


def _nothing(explanation: str) -> Score:
    return Score(None, False, None, None, 0.0, explanation or "nothing was measured")


def figure(level: Level, metric: str, statistic: Statistic | None, gpus: int) -> float | None:
    """One figure of a level in SI units; None if it was not measured.

    Args:
        level: what was measured.
        metric: of an objective or an SLO; ErrorRate is failed requests / all requests.
        statistic: of a latency; P99 if None.
        gpus: for figures per GPU.
    """
    if metric in _LATENCY_FIELDS:
        latency: Distribution | None = getattr(level, _LATENCY_FIELDS[metric])
        return None if latency is None else float(getattr(latency, (statistic or _DEFAULT_STATISTIC).lower()))
    if metric == "ErrorRate":
        requests = level.requests + level.errors
        return level.errors / requests if requests else None
    if metric == "OutputThroughputPerGPU":
        return level.output_tokens_per_second / max(1, gpus)
    return {
        "OutputThroughput": level.output_tokens_per_second,
        "TotalThroughput": level.total_tokens_per_second,
        "RequestThroughput": level.requests_per_second,
    }[metric]


def violations(level: Level, slos: Sequence[Slo], gpus: int) -> list[Violation]:
    """The SLOs that a level is known to break; one whose figure was not measured is not among them."""
    return [violation for slo in slos if (violation := _violation(level, slo, gpus)) is not None]


def unmeasured(level: Level, slos: Sequence[Slo], gpus: int) -> list[str]:
    """Which SLOs cannot be judged at a level, one sentence each."""
    return [
        f"{_name(slo.metric, slo.statistic)} was not measured at {_place(level)}"
        for slo in slos
        if figure(level, slo.metric, slo.statistic, gpus) is None
    ]


def _violation(level: Level, slo: Slo, gpus: int) -> Violation | None:
    actual = figure(level, slo.metric, slo.statistic, gpus)
    written = slo.max if slo.max is not None else slo.min
    if actual is None or written is None:
        return None
    limit = quantity.parse(written)
    excess = actual - limit if slo.max is not None else limit - actual
    if excess <= 0:
        return None
    relative = excess / limit if limit else 1.0
    side = "above" if slo.max is not None else "below"
    text = f"{_name(slo.metric, slo.statistic)} {_written(actual, slo.metric)} at {_place(level)}, {side} {written}"
    if limit:
        text += f" by {_percent(relative)}"
    statistic = (slo.statistic or _DEFAULT_STATISTIC) if slo.metric in LATENCY_METRICS else None
    return Violation(slo.metric, statistic, limit, actual, relative, text)


def better(a: float, b: float, metric: str) -> bool:
    """Whether value `a` is strictly better than `b`: lower for latencies, higher for throughputs."""
    return a < b if metric in LATENCY_METRICS else a > b


def gain_percent(value: float | None, baseline: float | None, metric: str) -> float | None:
    """The improvement over the baseline as a percentage of the baseline; positive is better.

    A latency that is halved gains 50 %, a throughput that is doubled 100 %. None without a value or a positive
    baseline.
    """
    if value is None or baseline is None or baseline <= 0:
        return None
    change = (value - baseline) / baseline * 100
    # Adding zero turns -0.0 into 0.0.
    return (-change if metric in LATENCY_METRICS else change) + 0.0


def verdict(baseline: Score | None) -> Verdict:
    """How far a gain over this baseline can be trusted; None: the baseline's experiment gave no result."""
    if baseline is None or baseline.level is None:
        return "BaselineFailed"
    return "Unconfirmed" if baseline.feasible else "BaselineInfeasible"


def format_gain(percent: float) -> str:
    """`+31.0%`."""
    return f"{round(percent, 1) + 0.0:+.1f}%"


def format_value(value: float, metric: str) -> str:
    """A value with its unit for people: `1893 tok/s/GPU`, `210 ms`, `1.25 s`, `0.50 %`."""
    number, unit = _scaled(value, metric)
    return f"{number} {unit}"


def _written(value: float, metric: str) -> str:
    """A value as SLOs are written: `612ms`; per GPU it is `tok/s` there too."""
    number, unit = _scaled(value, metric)
    return number + unit.removesuffix("/GPU")


def _scaled(value: float, metric: str) -> tuple[str, str]:
    if metric in LATENCY_METRICS:
        return (_number(value), "s") if value >= 1 else (_number(value * 1000), "ms")
    if metric == "ErrorRate":
        return _number(value * 100), "%"
    return _number(value), _UNITS[metric]


def _number(value: float) -> str:
    """Three digits or all whole ones."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _percent(share: float) -> str:
    percent = share * 100
    return f"{percent:.0f} %" if percent >= 1 else f"{percent:.2g} %"


def _name(metric: str, statistic: Statistic | None) -> str:
    return f"{metric} {statistic or _DEFAULT_STATISTIC}" if metric in LATENCY_METRICS else metric


def _place(level: Level) -> str:
    return f"{level.scenario} x {level.concurrency}"
