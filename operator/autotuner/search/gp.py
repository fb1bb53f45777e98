"""A Gaussian process over places on lists of values, averaged over its own uncertainty about its settings.

The covariance of two configurations is a mix of two kernels over the same per-parameter Matern-5/2 correlations
k_1 ... k_D, each with a length scale of its own:

    c(x, x') = share * mean_d k_d(x_d, x'_d) + (1 - share) * prod_d k_d(x_d, x'_d)

The mean knows main effects, and knows them after very few points; the product knows how parameters act together. A
parameter that does nothing gets a long length scale. Numbers are compared by the distance of their places on [0, 1];
texts, and what is unset or inactive, by equal or unequal (distance 1).

The scale of the values is integrated out under an inverse-gamma prior, the mean under a wide normal one (Rasmussen and
Williams 2006, 2.7), so that what is left to find are length scales, share and noise. They are drawn at random, scored
by posterior density, and refined around the best few; predictions are averaged over the best, weighted by density.
There are no gradients: some hundreds of draws over 40 points cost milliseconds when numpy takes them all at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autotuner.search.dimensions import Dimension

Floats = npt.NDArray[np.float64]
Points = npt.NDArray[np.intp]  # one row for each configuration: its places, INACTIVE (-1) included

_ROUNDS = 4
_DRAWS = 48  # in each round
_KEPT = 6
_PREDICTING = 4
# Standard deviation of a perturbation, in units of the prior's, round by round.
_STEPS = (0.5, 0.3, 0.2)
# Of the correlations with the unknown mean, in units of the signal's variance.
_MEAN = 1.0
# Inverse-gamma prior of the signal's variance; values are standardised.
_SHAPE = 2.0
_JITTER = 1e-6


class Metric:
    """Distances between the places of each dimension, in tables that are looked up."""

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        """Write the tables; the last row and column of each are INACTIVE's, which as -1 finds them by itself."""
        self.sizes = [len(dimension.values) + 1 for dimension in dimensions]
        width = max(self.sizes, default=1)
        self._distances = np.ones((len(dimensions), width, width))
        for table, dimension in zip(self._distances, dimensions, strict=True):
            table[: len(dimension.values), : len(dimension.values)] = _distances(dimension)
            np.fill_diagonal(table, 0.0)
            # INACTIVE is looked up as the last place of the table, not of the list.
            table[-1, -1] = 0.0
        self.width = width

    def correlations(self, lengths: Floats) -> Floats:
        """Matern-5/2 of every distance.

        Args:
            lengths: (settings, dimensions).

        Returns:
            (dimensions, settings, width * width).
        """
        ratio = math.sqrt(5) * self._distances[:, None] / lengths.T[:, :, None, None]
        found = (1.0 + ratio + ratio * ratio / 3.0) * np.exp(-ratio)
        return np.asarray(found.reshape(len(self.sizes), len(lengths), -1))

    def pairs(self, one: Points, other: Points) -> Points:
        """Where a pair of places is found in a flat table: (dimensions, pairs), for rows side by side."""
        return np.asarray((one % self.width) * self.width + other % self.width).T


def _distances(dimension: Dimension) -> Floats:
    """Between the values of one dimension, in [0, 1]."""
    count = len(dimension.values)
    found = 1.0 - np.eye(count)
    if dimension.ordered:
        numbers = [place for place, value in enumerate(dimension.values) if value is not None]
        at = np.linspace(0.0, 1.0, len(numbers))
        found[np.ix_(numbers, numbers)] = np.abs(at[:, None] - at[None, :])
    return found


@dataclass(frozen=True)
class Settings:
    """What is not known about the process itself, for several draws at once.

    Attributes:
        lengths: natural logarithm of the length scales, (draws, dimensions).
        share: logit of the mean kernel's share, (draws,).
        noise: natural logarithm of the noise's variance in units of the signal's, (draws,).
    """

    lengths: Floats
    share: Floats
    noise: Floats


# Prior of (length, share, noise): mean and standard deviation of normal distributions. A length of 1 says that the
# ends of a list have a correlation of one half. Noise is expected at a tenth of the signal's standard deviation.
_LENGTH = (0.3, 1.2)
_SHARE = (0.0, 1.5)
_NOISE = (math.log(0.01), 1.5)


def _prior(dimensions: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation of all settings, as one vector: lengths, share, noise."""
    both = [_LENGTH] * dimensions + [_SHARE, _NOISE]
    return np.array([mean for mean, _ in both]), np.array([deviation for _, deviation in both])


class Process:
    """A Gaussian process that has seen some values.

    Attributes:
        weights: of the settings that predictions are averaged over, summing to 1.
        lengths: their length scales, (settings, dimensions).
    """

    def __init__(self, metric: Metric, points: Points, values: Floats, generator: np.random.Generator) -> None:
        """Fit it.

        Args:
            metric: of the space.
            points: (n, dimensions), n at least 1.
            values: (n,), any unit.
            generator: of the settings that are tried.
        """
        self._metric = metric
        self._points = points
        self._centre = float(values.mean())
        self._unit = float(values.std()) or 1.0
        self._values = (values - self._centre) / self._unit
        upper = np.triu_indices(len(points))
        self._upper = upper
        self._pairs = metric.pairs(points[upper[0]], points[upper[1]])
        settings, density = self._search(generator)
        best = np.argsort(-density)[:_PREDICTING]
        settings, density = settings[best], density[best]
        weights = np.exp(density - density.max())
        self.weights: Floats = weights / weights.sum()
        count = points.shape[1]
        self.lengths: Floats = np.exp(settings[:, :count])
        self._share = _logistic(settings[:, count])
        self._tables = metric.correlations(self.lengths)
        self._inverse = np.linalg.inv(self._covariance(settings))
        self._alpha = self._inverse @ self._values
        size = len(values)
        # The posterior mean of the signal's variance, under which the predictions are taken for normal.
        self._scale = (_SHAPE + 0.5 * self._alpha @ self._values) / (_SHAPE + size / 2 - 1)

    def predict(self, points: Points) -> tuple[Floats, Floats]:
        """What is expected of configurations, without the noise of a measurement.

        Args:
            points: (m, dimensions).

        Returns:
            Mean and standard deviation, one row for each setting: (settings, m) each.
        """
        n, m = len(self._points), len(points)
        left, right = np.repeat(np.arange(n), m), np.tile(np.arange(m), n)
        pairs = self._metric.pairs(self._points[left], points[right])
        cross = self._mix(self._tables, self._share, pairs).reshape(-1, n, m) + _MEAN
        mean = np.einsum("snm,sn->sm", cross, self._alpha)
        explained = np.einsum("snm,snm->sm", cross, self._inverse @ cross)
        variance = np.maximum(1.0 + _MEAN - explained, 1e-10) * self._scale[:, None]
        return mean * self._unit + self._centre, np.sqrt(variance) * self._unit

    def mean(self, points: Points) -> Floats:
        """The expected values, averaged over the settings: (m,)."""
        return np.asarray(self.weights @ self.predict(points)[0])

    def _search(self, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """Settings as rows (lengths, share, noise), and the logarithm of their posterior density."""
        centre, spread = _prior(self._points.shape[1])
        drawn = centre + spread * generator.standard_normal((_DRAWS, len(centre)))
        kept, density = drawn, self._density(drawn)
        for step in _STEPS:
            best = np.argsort(-density)[:_KEPT]
            kept, density = kept[best], density[best]
            parents = kept[generator.integers(len(kept), size=_DRAWS)]
            # Half of the settings stay as they are, so that a good value of one survives the others.
            moves = generator.standard_normal(parents.shape) * (generator.random(parents.shape) < 0.5)
            drawn = parents + step * spread * moves
            kept, density = np.concatenate([kept, drawn]), np.concatenate([density, self._density(drawn)])
        return kept, density

    def _density(self, settings: Floats) -> Floats:
        """Logarithm of marginal likelihood times prior, up to a constant."""
        centre, spread = _prior(self._points.shape[1])
        lower = np.linalg.cholesky(self._covariance(settings))
        solved = np.linalg.solve(lower, self._values[None, :, None])[..., 0]
        fit = (solved**2).sum(axis=1)
        volume = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        likelihood = -volume - (_SHAPE + len(self._values) / 2) * np.log(_SHAPE + 0.5 * fit)
        prior = -0.5 * (((settings - centre) / spread) ** 2).sum(axis=1)
        return np.asarray(likelihood + prior)

    def _covariance(self, settings: Floats) -> Floats:
        """Of the measured values, in units of the signal's variance: (settings, n, n)."""
        n, count = self._points.shape
        tables = self._metric.correlations(np.exp(settings[:, :count]))
        flat = self._mix(tables, _logistic(settings[:, count]), self._pairs) + _MEAN
        found = np.empty((len(settings), n, n))
        found[:, self._upper[0], self._upper[1]] = flat
        found[:, self._upper[1], self._upper[0]] = flat
        found[:, np.arange(n), np.arange(n)] += np.exp(settings[:, count + 1])[:, None] + _JITTER
        return found

    @staticmethod
    def _mix(tables: Floats, share: Floats, pairs: Points) -> Floats:
        """The kernel of pairs: (settings, pairs)."""
        total = np.zeros((tables.shape[1], pairs.shape[1]))
        product = np.ones_like(total)
        for table, where in zip(tables, pairs, strict=True):
            found = table.take(where, axis=1)
            total += found
            product *= found
        return share[:, None] * (total / len(tables)) + (1.0 - share)[:, None] * product


def _logistic(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))
