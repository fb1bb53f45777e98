"""Whether configurations that were not measured keep the limits, level by level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autotuner.search.acquisition import normal_cdf
from autotuner.search.gaussian_process import learned
from autotuner.search.kernel import Floats, Metric, Points

# By how much a loss grows with the logarithm of what is beyond a limit, where nothing is known that keeps it: what is
# ten per cent beyond must not look better than a level with a quarter of the load, which keeps it.
_STEEPNESS = 15.0


class LimitModel:
    """The distances of levels from their limits, one Gaussian process for all of them.

    Attributes:
        penalties: (n, levels), what measured levels lose for the limits that they break; 0 if they keep all.
    """

    def __init__(
        self,
        metric: Metric,
        points: Points,
        distances: Floats,
        running: Sequence[tuple[int, ...]],
        noise: float,
        generator: np.random.Generator,
    ) -> None:
        """Learn from (n, dimensions) points and (n, levels, limits) distances."""
        count, self._levels, self._limits = distances.shape
        flat = distances.reshape(count, -1)
        self._process = learned(metric, points, flat, running, noise, generator) if self._limits else None
        measured = self._process.mixed_measured[:count] if self._process else flat
        self.penalties = self._penalties(measured)

    def predict(self, points: Points) -> Limits:
        """What to expect of (m, dimensions) points."""
        shape = len(points), self._levels, self._limits
        if self._process is None:
            nothing = np.zeros(shape)
            return Limits(nothing, nothing, np.zeros(shape[:2]))
        mean, deviation = self._process.mixed(points)
        return Limits(mean.reshape(shape), deviation.reshape(shape), self._penalties(mean))

    def _penalties(self, distances: Floats) -> Floats:
        shaped = distances.reshape(len(distances), self._levels, self._limits)
        return np.asarray(_STEEPNESS * np.maximum(shaped.max(axis=2, initial=0.0), 0.0))


class Limits:
    """Expected distances from the limits.

    Attributes:
        penalties: (m, levels), what is expected to be lost for limits that are broken.
    """

    def __init__(self, mean: Floats, deviation: Floats, penalties: Floats) -> None:
        """Take (m, levels, limits) means and deviations, and the penalties of the means."""
        self._mean, self._deviation = mean, np.maximum(deviation, 1e-9)
        self.penalties = penalties

    def kept(self, wider: float) -> Floats:
        """The probability that a level keeps all its limits, with wider deviations: (m, levels)."""
        return np.asarray(normal_cdf(-self._mean / (wider * self._deviation)).prod(axis=2))
