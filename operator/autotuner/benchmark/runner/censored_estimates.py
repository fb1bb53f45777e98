"""Estimates from a measurement that is cut off: weights for what finished, weighted means and percentiles.

A level ends while every user still waits for an answer. The answers that did finish are the shorter ones of their kind,
the more so the shorter the level. Kaplan and Meier's estimator (1958) takes the unfinished ones into account: an
observation cut off at age a hands its weight on to those that lasted longer than a.
"""

from __future__ import annotations

from collections.abc import Sequence


def survival_weights(durations: Sequence[float], cut: Sequence[float]) -> list[float]:
    """Kaplan-Meier weights of what finished, given what was cut off.

    Args:
        durations: of what finished, in any unit.
        cut: ages at which unfinished ones were cut off, same unit.

    Returns:
        One weight per duration, summing to 1. Without cut ones all are equal.
    """
    events = sorted([(d, 0, i) for i, d in enumerate(durations)] + [(a, 1, -1) for a in cut])
    weights = [0.0] * len(durations)
    surviving, at_risk = 1.0, len(events)
    for _, is_cut, index in events:
        if not is_cut:
            weights[index] = surviving / at_risk
            surviving -= weights[index]
        at_risk -= 1
    total = sum(weights)
    return [w / total for w in weights] if total > 0 else weights


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """The mean of at least one value with a positive weight."""
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)


def weighted_percentiles(values: Sequence[float], weights: Sequence[float], percents: Sequence[float]) -> list[float]:
    """Percentiles (0-100) by linear interpolation between the middles of the weights.

    With equal weights these are numpy's default percentiles.
    """
    pairs = sorted((v, w) for v, w in zip(values, weights, strict=True) if w > 0)
    if len(pairs) == 1:
        return [pairs[0][0]] * len(percents)
    middles, total = [], 0.0
    for _, weight in pairs:
        middles.append(total + weight / 2)
        total += weight
    low, high = middles[0], middles[-1]
    results = []
    for percent in percents:
        target = low + (high - low) * percent / 100
        k = next((i for i in range(1, len(pairs)) if middles[i] >= target - 1e-12), len(pairs) - 1)
        share = (target - middles[k - 1]) / (middles[k] - middles[k - 1])
        results.append(pairs[k - 1][0] + (pairs[k][0] - pairs[k - 1][0]) * min(1.0, max(0.0, share)))
    return results
