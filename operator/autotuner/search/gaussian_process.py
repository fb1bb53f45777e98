"""A Gaussian process over places on lists of values, averaged over what is plausible of its settings.

The settings (see `likelihood`) are climbed to from several random beginnings, for a few steps only: with ten to forty
noisy values there is no one right answer, and where different climbs have got to is a sample of the good ones. Their
predictions are averaged with the weights of their densities. Steps go by the slope's sign alone (Riedmiller and Braun,
"RPROP", 1993): settings differ in scale, and there is nothing to tune.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autotuner.search.kernel import Floats, Metric, Points
from autotuner.search.likelihood import LEVEL, SHAPE, Likelihood, logistic

_BEGINNINGS = 12
_CLIMBED = 4  # of the beginnings, the best
_STEPS = 8
_FIRST_STEP, _LEAST_STEP, _LARGEST_STEP = 0.3, 0.01, 1.0
_SHORTER, _LONGER = 0.5, 1.3
_TOGETHER = 128  # points whose covariances are worked out in one go: so many stay in a processor's cache
# Values that settings are learnt from, and the weight from which on settings count, relative to the largest.
_ENOUGH, _COUNTED = 48, 0.2
_FAR = 4.0  # deviations of the prior
# Logarithm of the ratio by which values of different configurations are expected to differ: about a factor of three.
UNIT = 1.0
_FEW = 4.0  # values that the prior of the unit is as good as


class Process:
    """A Gaussian process that has seen values at points.

    Attributes:
        weights: of the settings, summing to 1.
        measured: (settings, n, outputs), what the values are without the noise that was expected: what else a smooth
            function cannot explain is taken for real.
    """

    def __init__(
        self,
        metric: Metric,
        points: Points,
        values: Floats,
        noise: float,
        generator: np.random.Generator,
        unit: float = UNIT,
    ) -> None:
        """Learn from (n, dimensions) points, n at least 1, and (n, outputs) values with noise of this deviation."""
        self._centre = values.mean(axis=0)
        # A few values that hardly differ do not prove that nothing else does.
        count = len(values)
        self._unit = np.sqrt((count * values.var(axis=0) + _FEW * unit**2) / (count + _FEW))
        scaled = (values - self._centre) / self._unit
        expected = float(np.minimum(noise / np.median(self._unit), 1.0))
        settings, self.weights = _learn(metric, points, scaled, expected, generator)
        dimensions = points.shape[1]
        self._points = points
        self._share = logistic(settings[:, dimensions])[:, None, None]
        self._tables = metric.correlations(settings[:, :dimensions])[0]
        self._inverse = np.linalg.inv(Likelihood(metric, points, scaled, expected).covariance(settings))
        self._alpha = self._inverse @ scaled
        # The mean of the scale's posterior.
        self._scale = (SHAPE + 0.5 * (self._alpha * scaled).sum(axis=1)) / (SHAPE + len(values) / 2 - 1)
        noises = np.exp(settings[:, dimensions + 1])
        known = np.minimum(noises, expected**2)
        self._rough = noises - known
        self.measured: Floats = (scaled - known[:, None, None] * self._alpha) * self._unit + self._centre

    def predict(self, points: Points) -> tuple[Floats, Floats]:
        """Mean and deviation of the values, without noise, at (m, dimensions) points: (settings, m, outputs) each."""
        cross = np.empty((len(self.weights), len(self._points), len(points)))
        for begin in range(0, len(points), _TOGETHER):
            some = slice(begin, begin + _TOGETHER)
            cross[..., some] = self._covariance(points[some])
        mean = cross.transpose(0, 2, 1) @ self._alpha
        explained = np.einsum("snm,snm->sm", self._inverse @ cross, cross)
        variance = np.maximum(1.0 + LEVEL - explained + self._rough[:, None], 1e-10)
        deviation = np.sqrt(variance)[:, :, None] * np.sqrt(self._scale)[:, None, :]
        return mean * self._unit + self._centre, deviation * self._unit

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

    @property
    def mixed_measured(self) -> Floats:
        """`measured`, averaged over the settings: (n, outputs)."""
        return np.asarray(np.tensordot(self.weights, self.measured, 1))

    def mixed(self, points: Points) -> tuple[Floats, Floats]:
        """Mean and standard deviation at (m, dimensions) points over all settings together: (m, outputs) each."""
        mean, deviation = self.predict(points)
        middle = np.tensordot(self.weights, mean, 1)
        variance = np.tensordot(self.weights, deviation**2 + (mean - middle) ** 2, 1)
        return middle, np.sqrt(variance)

    def mean(self, points: Points) -> Floats:
        """The expected values, (m, outputs)."""
        return np.asarray(np.tensordot(self.weights, self.predict(points)[0], 1))


def _learn(
    metric: Metric, points: Points, values: Floats, noise: float, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Good settings, and their weights: without those that hardly count.

    Of many values some tell as much about settings, at a fraction of the time: the best half, and others at random.
    """
    many = len(values) > _ENOUGH
    if many:
        order = np.argsort(values.sum(axis=1), kind="stable")
        others = generator.permutation(order[_ENOUGH // 2 :])[: _ENOUGH - _ENOUGH // 2]
        some = np.sort(np.concatenate([order[: _ENOUGH // 2], others]))
        points, values = points[some], values[some]
    settings, density = _climb(Likelihood(metric, points, values, noise), generator)
    weights = np.exp(density - density.max())
    # Of many values, all settings that are any good tell much the same.
    counted = weights >= (1.0 if many else _COUNTED)
    return settings[counted], weights[counted] / weights[counted].sum()


def learned(
    metric: Metric,
    points: Points,
    values: Floats,
    running: Sequence[Sequence[int]],
    noise: float,
    generator: np.random.Generator,
) -> Process:
    """A process that has seen (n, outputs) values at points; what is running counts as if it ended as predicted.

    What is running comes after what was measured in the process's own rows.
    """
    process = Process(metric, points, values, noise, generator)
    if not running:
        return process
    more = np.array(running, dtype=np.intp)
    believed = np.concatenate([values, process.mean(more)])
    return Process(metric, np.concatenate([points, more]), believed, noise, generator)


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
