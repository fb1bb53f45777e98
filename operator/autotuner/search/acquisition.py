"""The acquisition functions: how much is expected of a configuration."""

from __future__ import annotations

import math

import numpy as np

from autotuner.search.kernel import Floats

# Coefficients of a rational Chebyshev fit of erfc, with a relative error below 1.2e-7 everywhere (Press et al.,
# "Numerical Recipes", 6.2).
_ERFC = (
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
    0.17087277,
)  # fmt: skip


def normal_cdf(z: Floats) -> Floats:
    """The standard normal distribution function, exact to seven digits also in its tails."""
    x = np.abs(z) / math.sqrt(2)
    t = 1.0 / (1.0 + 0.5 * x)
    power = np.full_like(t, _ERFC[-1])
    for coefficient in _ERFC[-2::-1]:
        power = power * t + coefficient
    tail = 0.5 * t * np.exp(-x * x + power)
    return np.asarray(np.where(z < 0, tail, 1.0 - tail))


def normal_pdf(z: Floats) -> Floats:
    """The standard normal density."""
    return np.asarray(np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi))


def expected_improvement(mean: Floats, deviation: Floats, best: Floats) -> Floats:
    """By how much a normally distributed loss falls below the best one, on average (Jones et al. 1998)."""
    z = (best - mean) / deviation
    return np.asarray(np.maximum(deviation * (z * normal_cdf(z) + normal_pdf(z)), 0.0))
