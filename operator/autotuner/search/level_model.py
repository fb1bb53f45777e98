"""What is expected of configurations that were not measured, where there is one objective.

The worth of a candidate is the largest over the levels of: the probability that the level keeps all limits, times the
expected improvement of its worth over the best one that kept them (constrained expected improvement: Gardner et al.
2014, Gelbart et al. 2014). Levels are learnt by themselves, because the best of them jumps from one to the next where a
limit breaks (composite objectives: Astudillo and Frazier 2019). As long as nothing keeps the limits, those that are
broken cost worth, so that there is something to improve.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autotuner.search.acquisition import expected_improvement
from autotuner.search.gaussian_process import learned
from autotuner.search.kernel import Floats, Metric, Points
from autotuner.search.limit_model import LimitModel
from autotuner.search.training_targets import Booleans, Targets

# Logarithm of the ratio from which on something is better: noise hides less, and where many configurations are about
# equal, a search for less would go on among them for ever.
LEAST = 0.05
# More than any logarithm of a worth: what breaks the limits ranks behind all that keep them.
_BEHIND = 1e3


class LevelModel:
    """Worths and distances from the limits of all levels.

    Attributes:
        ranks: (n,), what was measured, the best first: lower is better.
    """

    def __init__(
        self,
        metric: Metric,
        seen: Targets,
        running: Sequence[tuple[int, ...]],
        noise: float,
        generator: np.random.Generator,
    ) -> None:
        """Learn from what was measured, at least one of it running, and expect of what is running what is likely."""
        count = len(seen.points)
        judged = np.flatnonzero(~np.isnan(seen.losses[:, :, 0]).all(axis=0))
        if not len(judged):
            # No ladder got as far as the level that the objective is judged at: the highest one is the nearest to it.
            judged = np.array([seen.losses.shape[1] - 1])
        losses, kept = np.nan_to_num(seen.losses[:, judged, 0]), seen.kept[:, judged]
        self._worths = learned(metric, seen.points, losses, running, noise, generator)
        self._limits = LimitModel(metric, seen.points, seen.distances[:, judged], running, noise, generator)
        self._found = bool(kept.any())
        # (settings, n, levels): without noise, so that the best one is not the luckiest.
        losses = self._worths.measured[:, :count]
        counted = np.where(kept, losses, np.inf) if self._found else losses + self._limits.penalties
        self._best = counted[:, seen.runs].min(axis=(1, 2))
        expected = np.tensordot(self._worths.weights, losses, 1)
        best = np.where(kept, expected, np.inf).min(axis=1)
        nearest = (expected + self._limits.penalties).min(axis=1) + _BEHIND
        self.ranks: Floats = np.where(seen.runs, np.where(kept.any(axis=1), best, nearest), np.inf)
        self._standing = np.where(seen.runs, best, np.inf)

    @property
    def found(self) -> bool:
        """Whether anything keeps the limits."""
        return self._found

    def gained(self, lately: Booleans) -> float:
        """By how much the best is better than it was before what was measured lately, as a logarithm of the ratio.

        Args:
            lately: (n,), in the order of the targets.

        Returns:
            0 where the best is older; infinite where nothing kept the limits before.
        """
        before = self._standing[~lately].min(initial=np.inf)
        return float(before - self._standing.min()) if np.isfinite(before) else np.inf

    def improvements(self, points: Points, wider: Sequence[float]) -> list[Floats]:
        """The expected improvement of (m, dimensions) points, logarithms of ratios: one (m,) for each factor.

        Args:
            points: to look at.
            wider: factors of all deviations.
        """
        mean, deviation = self._worths.predict(points)
        limits = self._limits.predict(points)
        best = self._best[:, None, None] - LEAST
        found = []
        for factor in wider:
            kept = limits.kept(factor)
            gained = kept * self._average(expected_improvement(mean, factor * deviation, best))
            if not self._found:
                paid = expected_improvement(mean + limits.penalties, factor * deviation, best)
                gained += (1 - kept) * self._average(paid)
            found.append(gained.max(axis=1))
        return found

    def _average(self, improvements: Floats) -> Floats:
        return np.asarray(np.tensordot(self._worths.weights, improvements, 1))
