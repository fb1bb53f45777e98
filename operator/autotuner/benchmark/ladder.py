"""Which levels are still worth measuring. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autotuner.api.experiment import Distribution, Level
from autotuner.benchmark.spec import Slo


def broken_ceiling(level: Level, slos: Iterable[Slo]) -> str | None:
    """The first ceiling that the level breaks, in words."""
    for slo in slos:
        if slo.max is None:
            continue
        name, value = _measured(level, slo)
        if value is not None and value > slo.max:
            return f"{name} {value:.4g} is above {slo.max:.4g} ({level.scenario} at concurrency {level.concurrency})"
    return None


def ladder_top(levels: Sequence[Level], slos: Sequence[Slo]) -> tuple[int, str] | None:
    """The concurrency above which nothing can be feasible any more, and why; None while the sky is open.

    A broken ceiling decides from a scenario's second level on: the first one also pays for what is cold. It decides for
    every scenario, because all must keep the SLOs at one common concurrency.
    """
    tops = []
    seen: set[str] = set()
    for level in levels:
        broken = broken_ceiling(level, slos)
        if broken and level.scenario in seen:
            tops.append((level.concurrency, broken))
        seen.add(level.scenario)
    return min(tops, default=None)


def _measured(level: Level, slo: Slo) -> tuple[str, float | None]:
    if slo.metric == "ErrorRate":
        return "ErrorRate", level.errors / max(1, level.errors + level.requests)
    distribution: Distribution | None = {
        "TTFT": level.ttft_seconds,
        "TPOT": level.tpot_seconds,
        "E2ELatency": level.e2e_latency_seconds,
    }.get(slo.metric)
    statistic = slo.statistic or "P99"
    return f"{slo.metric} {statistic}", getattr(distribution, statistic.lower()) if distribution else None
