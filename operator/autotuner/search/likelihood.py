"""How well settings of a Gaussian process explain what was measured: density and slope, for many settings at once.

The covariance of two configurations mixes two kernels over the same per-parameter Matern-5/2 correlations k_1 ... k_D,
each with a length scale of its own:

    c(x, x') = share * mean_d k_d(x_d, x'_d) + (1 - share) * prod_d k_d(x_d, x'_d) + 1

The mean learns main effects from very few points (Duvenaud et al., "Additive Gaussian Processes", 2011), the product
what parameters do together; the one is the unknown level of all values. The scale of all this is not a setting: it is
integrated out under a conjugate inverse-gamma prior (Rasmussen and Williams 2006, 2.7 and 5.4.1), which leaves
Student-t tails, so that a few points cannot make the process too sure of itself.

A row of settings is D logarithms of length scales, the logit of the share, and the logarithm of the noise's variance
relative to the scale. Each has a normal prior.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from autotuner.search.kernel import Floats, Metric, Points

LEVEL = 1.0  # variance of the common level, relative to that of the differences
SHAPE = 2.0  # of the prior over the scale: as good as four values
# Outputs are alike (levels of one ladder), so that so many tell as much as this power of their number of unlike ones.
EVIDENCE = 0.5
_JITTER = 1e-6
# Mean and deviation of the priors. Lengths: from a tenth to many times the whole list of values; the latter is how a
# parameter without effect is told, and most have little.
_LENGTH = (0.3, 1.2)
_SHARE = (0.0, 1.5)
_NOISE_DEVIATION = 1.0


class _Covariance(NamedTuple):
    """The upper triangles of covariances, (settings, pairs), and what their derivatives need."""

    matrix: Floats  # (settings, n, n)
    correlation: Floats  # (dimensions, settings, pairs)
    slope: Floats  # of the correlation's logarithm, by that of its length scale
    average: Floats  # over the dimensions, (settings, pairs)
    product: Floats
    share: Floats  # (settings, 1)


class Likelihood:
    """The likelihood of settings, given values at points.

    Attributes:
        centre: of the prior, (settings' width,).
        spread: its deviation.
    """

    def __init__(self, metric: Metric, points: Points, values: Floats, noise: float) -> None:
        """Take (n, dimensions) points, (n, outputs) standardised values and the deviation of the noise."""
        self._metric, self._values = metric, values
        count, dimensions = points.shape
        rows, columns = np.triu_indices(count)
        self._upper, self._diagonal = rows * count + columns, rows == columns
        square = np.empty((count, count), dtype=np.intp)
        square[rows, columns] = square[columns, rows] = np.arange(len(rows))
        self._square = square.reshape(-1)
        # Of tables that are written in one line; INACTIVE, -1, is the last place of all.
        places = points % metric.width
        self._cells = np.ascontiguousarray((places[rows] * metric.width + places[columns]).T)
        priors = np.array([_LENGTH] * dimensions + [_SHARE, (2 * math.log(noise), _NOISE_DEVIATION)])
        self.centre, self.spread = priors.T

    def density(self, settings: Floats) -> tuple[Floats, Floats]:
        """Logarithm of the posterior density of (settings, width), up to a constant, and its slope."""
        found = self._covariance(settings)
        inverse = np.linalg.inv(found.matrix)
        alpha = inverse @ self._values
        count, outputs = self._values.shape
        fit = SHAPE + 0.5 * (alpha * self._values).sum(axis=1)
        power = SHAPE + count / 2
        off = (settings - self.centre) / self.spread
        volume = np.linalg.slogdet(found.matrix)[1]
        weight = outputs**EVIDENCE / outputs
        density = weight * (-0.5 * outputs * volume - power * np.log(fit).sum(axis=1)) - 0.5 * (off**2).sum(axis=1)
        weighted = alpha * (power / fit)[:, None, :]
        pull = weight * (weighted @ alpha.transpose(0, 2, 1) - outputs * inverse)
        return density, self._slope(pull, found, settings) - off / self.spread

    def covariance(self, settings: Floats) -> Floats:
        """The covariance matrices, (settings, n, n), with the noise."""
        return self._covariance(settings).matrix

    def _looked_up(self, tables: Floats) -> Floats:
        """The entries of every pair of points, from tables of all places: (dimensions, settings, pairs)."""
        found = np.empty((*tables.shape[:2], self._cells.shape[1]))
        for table, cells, out in zip(tables, self._cells, found, strict=True):
            np.take(table.reshape(len(table), -1), cells, axis=1, out=out, mode="clip")
        return found

    def _slope(self, pull: Floats, found: _Covariance, settings: Floats) -> Floats:
        dimensions = len(found.correlation)
        each = pull.reshape(len(pull), -1).take(self._upper, axis=1) * np.where(self._diagonal, 0.5, 1.0)
        slope = np.empty_like(settings)
        slope[:, :dimensions] = np.einsum(
            "sp,dsp->sd", each * found.share / dimensions, found.slope * found.correlation
        )
        slope[:, :dimensions] += np.einsum("sp,dsp->sd", each * (1 - found.share) * found.product, found.slope)
        turn = (found.share * (1 - found.share))[:, 0]
        slope[:, dimensions] = turn * (each * (found.average - found.product)).sum(axis=1)
        slope[:, dimensions + 1] = 0.5 * np.trace(pull, axis1=1, axis2=2) * np.exp(settings[:, dimensions + 1])
        return slope

    def _covariance(self, settings: Floats) -> _Covariance:
        dimensions, count = len(self._cells), len(self._values)
        values, slopes = self._metric.correlations(settings[:, :dimensions])
        correlation, slope = self._looked_up(values), self._looked_up(slopes)
        average, product = correlation.mean(axis=0), correlation.prod(axis=0)
        share = logistic(settings[:, dimensions])[:, None]
        total = share * average + (1 - share) * product + LEVEL
        matrix = total.take(self._square, axis=1).reshape(-1, count, count)
        noise = np.exp(settings[:, dimensions + 1])[:, None]
        matrix[:, np.arange(count), np.arange(count)] += noise + _JITTER
        return _Covariance(matrix, correlation, slope, average, product, share)


def logistic(x: Floats) -> Floats:
    """The inverse of the logit."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))
