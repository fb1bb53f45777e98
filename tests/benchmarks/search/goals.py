"""Goals on a surface: what an experiment tells, with noise, and what is true.

thr: output tokens/s at the highest concurrency. slo: the most output tokens/s over all levels that keep P99 limits of
TTFT and TPOT, each the 35th percentile at concurrency 128. lat: the mean end-to-end latency at concurrency 32. score:
a pool's own column. Where a surface has other levels, the nearest ones are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from autotuner.scoring.relaxed_slos import STEEPNESS
from autotuner.search.experiment_record import Record
from autotuner.search.space.configuration import Configuration
from tests.benchmarks.search.surfaces import Floats, Surface

Rows = npt.NDArray[np.intp]

NOISE = 0.03
# Of a truth just beyond its limits: ten per cent beyond make it 2.7 times worse.
_PENALTY = 10.0
_LIMITED = ("ttft", "tpot")
_LIMIT_AT, _LATENCY_AT = 128, 32
_LIMIT_PERCENTILE = 35


class Goal:
    """One goal on one surface.

    Attributes:
        name: thr, slo, lat or score.
        maximise: whether more of what is told is better.
        regret: of each row's true figure relative to the best one that can be reached; infinite where it failed.
    """

    def __init__(self, surface: Surface, name: str) -> None:
        """Work out what is true."""
        self.surface = surface
        self.name = name
        self.maximise = name in ("thr", "slo")
        rows = np.arange(len(surface.failed))
        true = np.where(surface.failed, np.nan, self._true(rows))
        self.regret: Floats = np.where(np.isfinite(true), np.expm1(true - np.nanmin(true[surface.reachable])), np.inf)

    def measure(self, configuration: Configuration, generator: np.random.Generator) -> Record:
        """What the search is told about an experiment."""
        row = self.surface.row(configuration)
        if self.surface.failed[row]:
            return Record(configuration, "crash")
        if self.name == "slo":
            return self._within_limits(configuration, row, generator)
        loss = float(self._plain(np.array([row]))[0] + NOISE * generator.standard_normal())
        return Record(configuration, "value", (float(np.exp(-loss if self.maximise else loss)),))

    def _within_limits(self, configuration: Configuration, row: int, generator: np.random.Generator) -> Record:
        losses, beyond = self._levels(np.array([row]), generator)
        softened = (float(np.exp(-(losses + STEEPNESS * np.log1p(beyond)).min())),)
        kept = beyond[:, 0] == 0
        if not kept.any():
            return Record(configuration, "infeasible", shortfall=float(beyond.min()), softened=softened)
        return Record(configuration, "value", (float(np.exp(-losses[kept].min())),), softened=softened)

    def _true(self, rows: Rows) -> Floats:
        """Logarithms of what is lost."""
        if self.name != "slo":
            return self._plain(rows)
        losses, beyond = self._levels(rows, None)
        return np.asarray((losses + _PENALTY * beyond).min(axis=0))

    def _plain(self, rows: Rows) -> Floats:
        columns, levels = self.surface.columns, self.surface.levels
        if self.name == "score":
            return columns["score"][rows]
        if self.name == "thr":
            return np.asarray(-np.log(columns[f"thr_c{levels[-1]}"][rows]))
        return np.asarray(np.log(columns[f"e2e_c{nearest(levels, _LATENCY_AT)}"][rows]))

    def _levels(self, rows: Rows, generator: np.random.Generator | None) -> tuple[Floats, Floats]:
        """(levels, rows) logarithms of what is lost, and how far beyond the limits, relative."""

        def column(name: str) -> Floats:
            noise = 0.0 if generator is None else NOISE * generator.standard_normal(len(rows))
            return np.asarray(np.log(self.surface.columns[name][rows]) + noise)

        losses, beyond = [], []
        for level in self.surface.levels:
            losses.append(-column(f"thr_c{level}"))
            over = [column(f"{metric}99_c{level}") - np.log(limit) for metric, limit in self._limits.items()]
            beyond.append(np.expm1(np.maximum(np.max(over, axis=0), 0.0)))
        return np.array(losses), np.array(beyond)

    @cached_property
    def _limits(self) -> dict[str, float]:
        """Of the SLOs, in the surface's units."""
        level, fine = nearest(self.surface.levels, _LIMIT_AT), ~self.surface.failed
        columns = self.surface.columns
        return {
            metric: float(np.nanpercentile(columns[f"{metric}99_c{level}"][fine], _LIMIT_PERCENTILE))
            for metric in _LIMITED
        }


def nearest(levels: Sequence[int], wanted: int) -> int:
    """The level whose ratio to the wanted one is the smallest."""
    return min(levels, key=lambda level: abs(np.log(level / wanted)))


def goals(surface: Surface) -> list[Goal]:
    """All goals that a surface's columns allow."""
    return [Goal(surface, name) for name in (("thr", "slo", "lat") if surface.levels else ("score",))]
