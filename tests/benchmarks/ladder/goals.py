"""What a tabulated surface says in the product's own words: goals, and the levels of an experiment.

slo: the most output tokens/s within ceilings of TTFT and TPOT (P99), each the 35th percentile at concurrency 128.
tight and loose: likewise with the 20th percentile at 32 and the median at 256. tpot: only the second ceiling of slo,
which does not always grow with the users. cost: slo, with a cost as its objective. floor: slo, with a throughput that
has to be kept too. thr: the most output tokens/s, without ceilings. lat: the mean end-to-end latency at 32. Where a
surface has other levels, the nearest ones are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autotuner.api.experiment import Distribution, Level
from autotuner.api.goals import Objective, Slo
from autotuner.api.traffic_scenarios import Scenario
from autotuner.scoring import Goal
from tests.benchmarks.search.surfaces import Floats, Surface

NOISE = 0.03
SCENARIO = Scenario(name="chat", load="D(100,100)")
_SLO = (35, 128)
_CEILINGS = {"slo": _SLO, "tight": (20, 32), "loose": (50, 256), "tpot": _SLO, "cost": _SLO, "floor": _SLO}
NAMES = (*_CEILINGS, "thr", "lat")


def goal(surface: Surface, name: str) -> Goal:
    """One of NAMES on a surface."""
    objective = Objective(metric="OutputThroughput")
    if name == "cost":
        objective = Objective(metric="CostPerMillionTokens")
    if name == "lat":
        objective = Objective(metric="E2ELatency", statistic="Mean", concurrency=nearest(surface.levels, 32))
    slos = _ceilings(surface, *_CEILINGS[name]) if name in _CEILINGS else []
    if name == "tpot":
        slos = slos[1:]
    if name == "floor":
        usual = np.nanmedian(surface.columns[f"thr_c{nearest(surface.levels, 32)}"])
        slos.append(Slo(metric="OutputThroughput", min=f"{usual:.3f}tok/s"))
    return Goal([SCENARIO], surface.levels, [objective], slos, 2.0 if name == "cost" else None)


def has_ceilings(name: str) -> bool:
    """Whether the goal has hard SLOs with ceilings."""
    return name in _CEILINGS


def _ceilings(surface: Surface, percentile: float, at: int) -> list[Slo]:
    limits = {
        metric: np.nanpercentile(surface.columns[f"{metric}99_c{nearest(surface.levels, at)}"], percentile)
        for metric in ("ttft", "tpot")
    }
    return [Slo(metric=metric.upper(), statistic="P99", max=f"{limit:.3f}ms") for metric, limit in limits.items()]


def nearest(levels: Sequence[int], wanted: int) -> int:
    """The level whose ratio to the one wanted is smallest."""
    return min(levels, key=lambda level: abs(np.log(level / wanted)))


@dataclass(frozen=True)
class Ladder:
    """One configuration measured whole.

    Attributes:
        levels: upwards.
        seconds: that each took.
    """

    levels: tuple[Level, ...]
    seconds: tuple[float, ...]


def measure(surface: Surface, row: int, generator: np.random.Generator | None) -> Ladder:
    """All levels of a configuration that runs; every figure with noise of its own, or the truth without generator."""
    noise: Floats = np.zeros((len(surface.levels), 6))
    if generator is not None:
        noise = NOISE * generator.standard_normal(noise.shape)
    seconds = [float(surface.columns[f"dur_c{level}"][row]) for level in surface.levels]
    levels = [_level(surface, row, level, np.exp(noise[number])) for number, level in enumerate(surface.levels)]
    return Ladder(tuple(levels), tuple(seconds))


def _level(surface: Surface, row: int, concurrency: int, factors: Floats) -> Level:
    names = ("thr", "ttft", "ttft99", "tpot", "tpot99", "e2e")
    throughput, ttft, ttft99, tpot, tpot99, e2e = (
        float(surface.columns[f"{name}_c{concurrency}"][row] * factor)
        for name, factor in zip(names, factors, strict=True)
    )
    requests, seconds = 4 * concurrency, float(surface.columns[f"dur_c{concurrency}"][row])
    return Level(
        scenario=SCENARIO.name,
        concurrency=concurrency,
        requests=requests,
        errors=0,
        duration_seconds=seconds,
        output_tokens_per_second=throughput,
        total_tokens_per_second=throughput,
        requests_per_second=requests / seconds,
        ttft_seconds=_distribution(ttft, ttft99),
        tpot_seconds=_distribution(tpot, tpot99),
        e2e_latency_seconds=_distribution(e2e, e2e),
        output_tokens_mean=throughput * seconds / requests,
    )


def _distribution(mean: float, p99: float) -> Distribution:
    """In milliseconds; the statistics between are not tabulated, and no goal here asks for them."""
    mean, p99 = mean / 1000, p99 / 1000
    return Distribution(mean=mean, p50=mean, p90=p99, p95=p99, p99=p99)
