"""The acquisition function: how much is expected of a configuration."""

from __future__ import annotations

import math

import numpy as np

from autotuner.search.kernel import Floats

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def normal_cdf(z: Floats) -> Floats:
    """The standard normal distribution function."""
    return np.asarray(0.5 * _erfc(-z / math.sqrt(2)))


def normal_pdf(z: Floats) -> Floats:
    """The standard normal density."""
    return np.asarray(np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi))


def expected_improvement(mean: Floats, deviation: Floats, best: Floats) -> Floats:
    """By how much a normally distributed loss falls below the best one, on average (Jones et al. 1998)."""
    z = (best - mean) / deviation
    return np.asarray(deviation * (z * normal_cdf(z) + normal_pdf(z)))


def expected_above(mean: Floats, deviation: Floats, bound: Floats) -> Floats:
    """The mean of a normal distribution that is cut off below a bound."""
    z = (bound - mean) / deviation
    above = np.maximum(normal_cdf(-z), 1e-12)
    return np.asarray(np.maximum(mean + deviation * normal_pdf(z) / above, bound))
