"""Which level a search for the boundary measures next. Pure; users and rates are searched for alike.

It begins where the best configuration so far has its boundary, or in the middle of the range. From there it goes up
while the level keeps the limits, or down while it does not, by growing factors; once it has a level of either kind it
halves what lies between them, by the geometric middle, until they are neighbours. All levels are those of one grid, so
that configurations are measured at the same levels, with the same requests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# How far the first step leads: far where nothing is known, near to a boundary that is likely to be its own.
FIRST_FACTOR = 2.0
NEAR_FACTOR = 1.25


@dataclass(frozen=True)
class Bracket:
    """What is known of the boundary.

    Attributes:
        kept: the largest level that keeps the limits; None while none does.
        broken: the smallest level that breaks one; None while none does.
    """

    kept: float | None = None
    broken: float | None = None

    def open(self, grid: Sequence[float]) -> list[float]:
        """The levels of the grid between the two, upwards: those that nothing decides yet."""
        low, high = self.kept or 0.0, math.inf if self.broken is None else self.broken
        return [offered for offered in grid if low < offered < high]


def bracket(verdicts: Mapping[float, bool]) -> Bracket:
    """The bracket that verdicts leave.

    A level that keeps the limits above one that breaks them does so by chance.

    Args:
        verdicts: whether each level that was measured keeps the limits.
    """
    broken = min((offered for offered, keeps in verdicts.items() if not keeps), default=None)
    kept = [offered for offered, keeps in verdicts.items() if keeps and (broken is None or offered < broken)]
    return Bracket(max(kept, default=None), broken)


def next_level(grid: Sequence[float], verdicts: Mapping[float, bool], start: float | None, most: int) -> float | None:
    """The level to measure next; None if the boundary is found, or as many levels as may be were measured.

    Args:
        grid: all levels that may be measured, upwards.
        verdicts: whether each level that was measured keeps the limits.
        start: where the boundary is likely to be; None: anywhere.
        most: levels that may be measured.
    """
    if len(verdicts) >= most:
        return None
    known = bracket(verdicts)
    candidates = known.open(grid)
    if not candidates:
        return None
    if not verdicts:
        return _nearest(candidates, start or math.sqrt(grid[0] * grid[-1]))
    if known.kept is not None and known.broken is not None:
        return _nearest(candidates, math.sqrt(known.kept * known.broken))
    factor = (FIRST_FACTOR if start is None else NEAR_FACTOR) ** (2 ** (len(verdicts) - 1))
    if known.broken is None:
        assert known.kept is not None, "something was measured"
        return _nearest(candidates, known.kept * factor)
    return _nearest(candidates, known.broken / factor)


def _nearest(levels: Sequence[float], wanted: float) -> float:
    return min(levels, key=lambda offered: abs(math.log(offered / wanted)))
