"""Scales of plots: from figures to places, and where an axis is marked. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 5.0, 10.0)
_ROOM = 0.04  # of the span, on both sides of linear scales
_SMALL_RANGE = 12.0  # above which a logarithmic scale is marked by fewer steps
_LARGE_RANGE = 300.0


@dataclass(frozen=True)
class Scale:
    """From figures to places along one axis.

    Attributes:
        low: the figure at `start`.
        high: the figure at `end`; above `low`.
        start: in units of the plot.
        end: in units of the plot; less than `start` where figures grow upwards.
        ticks: the figures that are marked.
        logarithmic: equal factors take equal room.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def at(self, figure: float) -> float:
        """The place of a figure, with one decimal; what lies beyond the scale is at its end."""
        if self.logarithmic:
            share = math.log(max(figure, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (figure - self.low) / (self.high - self.low)
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 1)


def linear(figures: Iterable[float], start: float, end: float, *, from_zero: bool = False, marks: int = 6) -> Scale:
    """The scale that shows all figures at equal distances.

    Args:
        figures: finite.
        start: the place of the lowest.
        end: the place of the highest.
        from_zero: it begins at zero, which shares and sums need.
        marks: about how many ticks.
    """
    known = list(figures) or [0.0, 1.0]
    low, high = min(known), max(known)
    if from_zero:
        low = min(0.0, low)
    if high <= low:
        room = abs(high) * 0.1 or 1.0
        low, high = low - (0 if from_zero else room), high + room
    room = (high - low) * _ROOM
    low, high = (low if from_zero else low - room), high + room
    step = _step((high - low) / marks)
    first = math.ceil(low / step)
    ticks = tuple(round(number * step, 12) for number in range(first, math.floor(high / step) + 1))
    return Scale(low, high, start, end, ticks)


def logarithmic(figures: Iterable[float], start: float, end: float) -> Scale:
    """The scale that shows all figures above zero at distances of their factors.

    Args:
        figures: finite; those that are not above zero have no place.
        start: the place of the lowest.
        end: the place of the highest.
    """
    known = [one for one in figures if one > 0] or [1.0, 10.0]
    low, high = min(known) / 1.15, max(known) * 1.15
    ratio = high / low
    steps: tuple[float, ...] = (1.0, 2.0, 5.0) if ratio < _LARGE_RANGE else (1.0,)
    if ratio < _SMALL_RANGE:
        steps = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = tuple(step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high)
    return Scale(low, high, start, end, ticks, logarithmic=True)


def of_ladder(levels: Iterable[float], start: float, end: float) -> Scale:
    """The logarithmic scale of the levels of a ladder, marked at these."""
    known = sorted({one for one in levels if one > 0}) or [1.0]
    low, high = known[0] / 1.2, known[-1] * 1.2
    return Scale(low, high, start, end, tuple(known), logarithmic=True)


def _step(raw: float) -> float:
    """The round step that is not below this one."""
    decade = 10.0 ** math.floor(math.log10(raw))
    return next(step * decade for step in _STEPS if step * decade >= raw * 0.999)
