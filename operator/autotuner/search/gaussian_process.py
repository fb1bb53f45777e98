"""A Gaussian process over places on lists of values, averaged over what is plausible of its settings.

The settings (see `fitting`) are climbed to from several random beginnings, for a few steps only: with ten to forty
noisy values there is no one right answer, and where different climbs have got to is a sample of the good ones. Their
predictions are averaged with the weights of their densities. Steps go by the slope's sign alone (Riedmiller and Braun,
"RPROP", 1993): settings differ in scale, and there is nothing to tune.
"""

from __future__ import annotations

import numpy as np

from autotuner.search.kernel import Floats, Metric, Points
from autotuner.search.likelihood import LEVEL, SHAPE, Likelihood, logistic

_BEGINNINGS = 16
_CLIMBED = 6  # of the beginnings, the best
_STEPS = 8
_FIRST_STEP, _LEAST_STEP, _LARGEST_STEP = 0.3, 0.01, 1.0
_SHORTER, _LONGER = 0.5, 1.3
_TOGETHER = 128  # points whose covariances are worked out in one go: so many stay in a processor's cache
_FAR = 4.0  # deviations of the prior


class Process:
    """A Gaussian process that has seen values at points.

    Attributes:
        weights: of the settings, summing to 1.
        measured: (settings, n) what the values are without the noise that was expected: what else a smooth function
            cannot explain is taken for real.
    """

    def __init__(
        self, metric: Metric, points: Points, values: Floats, noise: float, generator: np.random.Generator
    ) -> None:
        """Learn from (n, dimensions) points and (n,) values with noise of this standard deviation, n at least 1."""
        self._centre = float(values.mean())
        self._unit = float(values.std()) or 1.0
        scaled = (values - self._centre) / self._unit
        expected = min(noise / self._unit, 1.0)
        likelihood = Likelihood(metric, points, scaled, expected)
        settings, density = _climb(likelihood, generator)
        weights = np.exp(density - density.max())
        dimensions = points.shape[1]
        self.weights: Floats = weights / weights.sum()
        self._points = points
        self._share = logistic(settings[:, dimensions])[:, None, None]
        self._tables = metric.correlations(settings[:, :dimensions])[0]
        self._inverse = np.linalg.inv(likelihood.covariance(settings))
        self._alpha = self._inverse @ scaled
        # The mean of the scale's posterior.
        self._scale = (SHAPE + 0.5 * self._alpha @ scaled) / (SHAPE + len(values) / 2 - 1)
        noises = np.exp(settings[:, dimensions + 1])
        known = np.minimum(noises, expected**2)
        self._rough = noises - known
        self.measured: Floats = (scaled - known[:, None] * self._alpha) * self._unit + self._centre

    def predict(self, points: Points) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the value, without noise, at (m, dimensions) points: (settings, m) each."""
        cross = np.empty((len(self.weights), len(self._points), len(points)))
        for begin in range(0, len(points), _TOGETHER):
            some = slice(begin, begin + _TOGETHER)
            cross[..., some] = self._covariance(points[some])
        mean = (self._alpha[:, None] @ cross)[:, 0]
        explained = np.einsum("snm,snm->sm", self._inverse @ cross, cross)
        variance = np.maximum(1.0 + LEVEL - explained + self._rough[:, None], 1e-10) * self._scale[:, None]
        return mean * self._unit + self._centre, np.sqrt(variance) * self._unit

    def _covariance(self, points: Points) -> Floats:
        """The covariances of the measured points with (m, dimensions) others: (settings, n, m)."""
        shape = len(self.weights), len(self._points), len(points)
        # In place: asking for fresh memory takes longer than the sums.
        total, product, found = np.zeros(shape), np.ones(shape), np.empty(shape)
        for table, seen, asked in zip(self._tables, self._points.T, points.T, strict=True):
            np.take(table[:, seen], asked, axis=2, out=found, mode="wrap")
            total += found
            product *= found
        return np.asarray(self._share * total / len(self._tables) + (1 - self._share) * product + LEVEL)

    def mean(self, points: Points) -> Floats:
        """The expected values, (m,)."""
        return np.asarray(self.weights @ self.predict(points)[0])


def _climb(likelihood: Likelihood, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Good settings, each the best that its climb has met, and their densities."""
    centre, spread = likelihood.centre, likelihood.spread
    drawn = centre + spread * generator.standard_normal((_BEGINNINGS, len(centre)))
    drawn[0] = centre
    at = drawn[np.argsort(-likelihood.density(drawn)[0], kind="stable")[:_CLIMBED]]
    best, highest = at, np.full(len(at), -np.inf)
    step, before = np.full(at.shape, _FIRST_STEP), np.zeros(at.shape)
    for _ in range(_STEPS):
        density, slope = likelihood.density(at)
        better = density > highest
        best, highest = np.where(better[:, None], at, best), np.where(better, density, highest)
        turned = np.sign(slope) * before
        factor = np.where(turned < 0, _SHORTER, np.where(turned > 0, _LONGER, 1.0))
        step = np.clip(step * factor, _LEAST_STEP, _LARGEST_STEP)
        before = np.where(turned < 0, 0.0, np.sign(slope))
        at = np.clip(at + before * step, centre - _FAR * spread, centre + _FAR * spread)
    return best, highest
