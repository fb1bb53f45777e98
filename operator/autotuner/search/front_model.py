"""What is expected of configurations that were not measured, where there are several objectives.

They become one by an augmented Tchebycheff sum with random weights (Knowles, "ParEGO", 2006): each proposal walks
towards another point of the front. Its expected improvement counts as far as some level is expected to keep all limits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autotuner.search.acquisition import expected_improvement
from autotuner.search.gaussian_process import learned
from autotuner.search.kernel import Floats, Metric, Points
from autotuner.search.limit_model import LimitModel
from autotuner.search.training_targets import Booleans, Targets, squashed

# Of the sum beside the maximum in the scalarisation: without it, points would be proposed that others dominate.
_AUGMENTATION = 0.05


class FrontModel:
    """One weighting of the objectives, and the distances from the limits of all levels.

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
        """Learn from what was measured, at least one of it running; the generator draws the weights."""
        weights = generator.dirichlet(np.ones(seen.best.shape[1]))
        among = seen.feasible if seen.feasible.any() else seen.runs
        columns = np.array([squashed(one, among) for one in _figures(seen).T])
        losses = _scalar(columns, among, weights)
        self._process = learned(metric, seen.points, losses[:, None], running, noise, generator)
        self._limits = LimitModel(metric, seen.points, seen.distances, running, noise, generator)
        self._best = self._process.measured[:, : len(losses)][:, among].min(axis=(1, 2))[:, None]
        self.ranks = np.where(among, losses, np.inf)

    def improvements(self, points: Points, wider: Sequence[float]) -> list[Floats]:
        """The expected improvement of (m, dimensions) points, a share of the front's width: one (m,) for each factor.

        Args:
            points: to look at.
            wider: factors of all deviations.
        """
        mean, deviation = (found[:, :, 0] for found in self._process.predict(points))
        limits = self._limits.predict(points)
        return [
            self._process.weights
            @ expected_improvement(mean, factor * deviation, self._best)
            * limits.kept(factor).max(axis=1)
            for factor in wider
        ]


def _figures(seen: Targets) -> Floats:
    """(n, objectives): what is judged; of what breaks the limits, the best of its levels; of the rest the worst.

    An objective that nothing was measured of is the same for all.
    """
    finite = np.where(np.isnan(seen.losses), np.inf, seen.losses).min(axis=1)
    figures = np.where(np.isfinite(seen.best), seen.best, finite)
    measured = np.isfinite(figures)
    worst = np.where(measured.any(axis=0), np.where(measured, figures, -np.inf).max(axis=0), 0.0)
    return np.asarray(np.where(measured, figures, worst))


def _scalar(columns: Floats, among: Booleans, weights: Floats) -> Floats:
    """The augmented Tchebycheff sum of (objectives, rows), each first brought to [0, 1]."""
    low = columns[:, among].min(axis=1, keepdims=True)
    width = columns[:, among].max(axis=1, keepdims=True) - low
    weighted = weights[:, None] * (columns - low) / np.where(width > 0, width, 1.0)
    return np.asarray(weighted.max(axis=0) + _AUGMENTATION * weighted.sum(axis=0))
