"""Quantiles of Student's t distribution; numpy has none."""

from __future__ import annotations

import math

_STEPS = 128  # of Simpson's rule; even
_HALVINGS = 40


def two_sided(alpha: float, degrees: float) -> float:
    """The t that |T| exceeds with probability alpha.

    With t = sqrt(degrees) * tan(angle) the density becomes a power of the cosine (Abramowitz and Stegun, 26.7.3), whose
    tail is summed by Simpson's rule and inverted by halving; good to four digits, which is more than data deserve.

    Args:
        alpha: between 0 and 1.
        degrees: of freedom, at least 1; need not be whole.
    """
    whole = math.sqrt(math.pi) / 2 * math.exp(math.lgamma(degrees / 2) - math.lgamma((degrees + 1) / 2))
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _tail(middle, degrees - 1) > alpha * whole else (low, middle)
    return math.sqrt(degrees) * math.tan(low)


def _tail(start: float, power: float) -> float:
    """The integral of cos(x)**power from start to a right angle, written as sin(y)**power from 0."""
    step = (math.pi / 2 - start) / _STEPS
    values = [math.pow(math.sin(step * number), power) for number in range(_STEPS + 1)]
    return step / 3 * (values[0] + values[-1] + 4 * sum(values[1:-1:2]) + 2 * sum(values[2:-1:2]))
