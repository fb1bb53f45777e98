"""Goals on a surface: what a task asks for in the product's own words, what an experiment tells, and what is true.

thr: output tokens/s at the highest concurrency of a grid. slo: the most output tokens/s over all levels that keep P99
limits of TTFT and TPOT, each the 35th percentile at concurrency 128 unless the surface has its own. lat: the mean
end-to-end latency at concurrency 32. pareto: throughput against P99 TTFT, both at the highest concurrency. score: a
pool's own column, as a throughput. Where a surface has other levels, the nearest ones are taken.

What is true is hard, as a user was promised: the best worth over the levels that keep all limits, with 2 % of grace for
what is judged and none for the best that there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from autotuner import scoring
from autotuner.api.experiment import Distribution, Ladder, Level
from autotuner.api.goals import Objective, Slo
from autotuner.api.traffic_scenarios import Scenario
from autotuner.scoring import Goal
from autotuner.search import enumeration_orders
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from tests.benchmarks.ladder.climb import climb
from tests.benchmarks.search.fronts import volume
from tests.benchmarks.search.noise import CALM, Noise
from tests.benchmarks.search.surfaces import Floats, Surface

Rows = npt.NDArray[np.intp]

SCENARIO = Scenario(name="chat", load="D(100,100)")
GPUS = 1
_GRACE = 0.02
_LIMITED = ("ttft", "tpot")
_LIMIT_AT, _LATENCY_AT = 128, 32
_LIMIT_PERCENTILE = 35
_FIGURES = ("thr", "ttft", "ttft99", "tpot", "tpot99", "e2e")


@dataclass(frozen=True)
class Measurement:
    """What an experiment tells: levels of an engine that ran, and how its ladder ended; nothing of one that did not."""

    levels: tuple[Level, ...] = ()
    ladder: Ladder = "Complete"

    @property
    def runs(self) -> bool:
        """Whether the engine ran."""
        return bool(self.levels)


class Case:
    """One goal on one surface.

    Attributes:
        name: thr, slo, lat, pareto or score.
        goal: in the product's words.
        regret: of each row's true figure relative to the best one that can be reached; infinite where it failed or
            keeps no limits. Of a front, nothing.
    """

    def __init__(self, surface: Surface, name: str) -> None:
        """Work out what is true."""
        self.surface, self.name = surface, name
        self.goal = _goal(surface, name)
        self.noise: Noise = getattr(surface, "noise", CALM)
        graced, strict = (self._losses(grace) for grace in (_GRACE, 0.0))
        reachable = surface.reachable
        if name == "pareto":
            self._trade = np.array([strict, np.log(self._column("ttft99", self.goal.ladder[-1]))]).T
            self._worst = self._trade[reachable].max(axis=0)
            self._whole = volume(self._trade[reachable], self._worst)
        best = float(np.nanmin(np.where(np.isfinite(strict[reachable]), strict[reachable], np.nan)))
        self.regret: Floats = np.where(np.isfinite(graced), np.expm1(graced - best), np.inf)

    @property
    def maximise(self) -> tuple[bool, ...]:
        """Of each objective, whether more is better."""
        return tuple(not scoring.minimised(objective.metric) for objective in self.goal.objectives)

    @cached_property
    def near(self) -> float:
        """The share of what runs that is truly within 5 % of the best: below one per cent it is a needle."""
        return float((self.regret[self.surface.reachable] <= NEAR).mean())

    def baseline(self, seed: int) -> Configuration:
        """What runs today: what the engine does by default, or what nobody has an opinion about; of a pool, anything.

        The seed decides where nothing else does.
        """
        space = self.surface.space
        found = space.nearest({}) if isinstance(space, Space) else None
        return found or next(enumeration_orders.random_order(space, seed))

    def measure(
        self,
        configuration: Configuration,
        generator: np.random.Generator,
        number: int,
        best: float | None,
        ladder: Sequence[int] = (),
    ) -> Measurement:
        """Measure a configuration as an experiment does.

        Args:
            configuration: of the surface's space.
            generator: of the noise.
            number: of the experiment: surfaces may drift.
            best: worth that is to be beaten; a ladder ends where that has become hopeless.
            ladder: levels of a repeat; all of the goal, with early ends, if absent.
        """
        row = self.surface.row(configuration)
        goal = self.goal.on(ladder) if ladder else self.goal
        offsets = self.noise.draw(generator, len(goal.ladder) * len(_FIGURES), number)
        if self.surface.failed[row]:
            return Measurement()
        offsets = offsets.reshape(len(goal.ladder), len(_FIGURES))
        levels = [self._level(row, level, offset) for level, offset in zip(goal.ladder, offsets, strict=True)]
        if ladder or len(levels) == 1:
            return Measurement(tuple(levels))
        count, stopped = climb(levels, goal, best)
        return Measurement(tuple(levels[:count]), stopped.ladder if stopped else "Complete")

    def share(self, configurations: Sequence[Configuration]) -> float:
        """How much of the true front's hypervolume configurations have; in logarithms, from the worst that runs."""
        rows = [self.surface.row(one) for one in configurations]
        return volume(self._trade[[row for row in rows if not self.surface.failed[row]]], self._worst) / self._whole

    def _column(self, figure: str, level: int) -> Floats:
        if self.name == "score":
            return np.exp(-self.surface.columns["score"])
        return self.surface.columns[f"{figure}_c{level}"]

    def _losses(self, grace: float) -> Floats:
        """Logarithms of what is lost in truth, by row; infinite where no level keeps the limits."""
        if self.name == "lat":
            found = np.log(self._column("e2e", self.goal.objectives[0].concurrency or 0))
            return np.asarray(np.where(self.surface.failed, np.inf, found))
        losses = []
        for level in self.goal.ladder:
            lost = -np.log(self._column("thr", level))
            for slo in self.goal.slos:
                limit = float((slo.max or "").removesuffix("ms"))
                lost = np.where(self._column(f"{slo.metric.lower()}99", level) > limit * (1 + grace), np.inf, lost)
            losses.append(lost)
        return np.asarray(np.where(self.surface.failed, np.inf, np.min(losses, axis=0)))

    def _level(self, row: int, concurrency: int, offsets: Floats) -> Level:
        values = dict(zip(_FIGURES, (float(self._column(name, concurrency)[row]) for name in _FIGURES), strict=True))
        slower = dict(zip(_FIGURES, np.exp(offsets).tolist(), strict=True))
        throughput = values["thr"] / slower["thr"]
        return Level.model_construct(
            scenario=SCENARIO.name,
            concurrency=concurrency,
            requests=4 * concurrency,
            errors=0,
            duration_seconds=1.0,
            output_tokens_per_second=throughput,
            total_tokens_per_second=throughput,
            requests_per_second=throughput / 100,
            ttft_seconds=_distribution(values["ttft"] * slower["ttft"], values["ttft99"] * slower["ttft99"]),
            tpot_seconds=_distribution(values["tpot"] * slower["tpot"], values["tpot99"] * slower["tpot99"]),
            e2e_latency_seconds=_distribution(values["e2e"] * slower["e2e"], values["e2e"] * slower["e2e"]),
            output_tokens_mean=100.0,
        )


# What counts as the best: closer ones cannot be told apart with the noise that there is.
NEAR = 0.05


def cases(surface: Surface) -> list[Case]:
    """All goals that a surface's columns allow."""
    if not surface.levels:
        return [Case(surface, "score")]
    own = getattr(surface, "goal", None)
    return [Case(surface, name) for name in ([own] if own else ["thr", "slo", "lat", "pareto"])]


def nearest(levels: Sequence[int], wanted: int) -> int:
    """The level whose ratio to the wanted one is the smallest."""
    return min(levels, key=lambda level: abs(math.log(level / wanted)))


def _goal(surface: Surface, name: str) -> Goal:
    throughput = Objective(metric="OutputThroughput")
    if name == "score":
        return Goal([SCENARIO], [1], [throughput])
    if name == "lat":
        level = nearest(surface.levels, _LATENCY_AT)
        return Goal([SCENARIO], [level], [Objective(metric="E2ELatency", statistic="Mean", concurrency=level)])
    if name == "pareto":
        top = surface.levels[-1]
        return Goal([SCENARIO], [top], [throughput, Objective(metric="TTFT", statistic="P99", concurrency=top)])
    whole = name == "slo" or hasattr(surface, "noise")
    slos = [] if name == "thr" else [_slo(metric, limit) for metric, limit in _limits(surface).items()]
    return Goal([SCENARIO], surface.levels if whole else surface.levels[-1:], [throughput], slos)


def _slo(metric: str, limit: float) -> Slo:
    return Slo(metric="TTFT" if metric == "ttft" else "TPOT", statistic="P99", max=f"{limit:.4f}ms")


def _limits(surface: Surface) -> dict[str, float]:
    """Of the SLOs, in milliseconds."""
    own: dict[str, float] | None = getattr(surface, "limits", None)
    if own is not None:
        return own
    level, fine = nearest(surface.levels, _LIMIT_AT), ~surface.failed
    return {
        metric: float(np.nanpercentile(surface.columns[f"{metric}99_c{level}"][fine], _LIMIT_PERCENTILE))
        for metric in _LIMITED
    }


def _distribution(mean: float, p99: float) -> Distribution:
    """In seconds, of milliseconds; the statistics between are not tabulated, and no goal asks for them."""
    mean, p99 = mean / 1000, p99 / 1000
    return Distribution.model_construct(mean=mean, p50=mean, p90=p99, p95=p99, p99=p99)
