"""A component of moderate size, worked out exactly.

Every rule becomes a table over the few dimensions that it reads, and the tables are laid over the component's own
product: a question is asked once for each cell of a table, not for each point.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from itertools import product
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from autotuner.search.space.joined_dimensions import ASKED_MAX, Counted, Part
from autotuner.search.space.rules import Rule

Mask = npt.NDArray[np.bool_]
_Kind = TypeVar("_Kind", bound=np.generic)

# A mask of this many points takes some milliseconds for each rule, and a quarter of a megabyte.
LISTED_MAX = 1 << 18


class Listed:
    """A part whose points are all known."""

    exact = True
    at_least = False

    def __init__(self, part: Part) -> None:
        """Work out every point; the part must be small enough: see `is_listable`."""
        self.part = part
        mask = np.ones(part.shape, dtype=np.bool_)
        for switch in part.activity.switches:
            mask &= _canonical(part, switch.dimension)
        before = int(mask.sum())
        after: list[int] = []
        reasons: list[str] = []
        for rule in part.rules:
            forbidden = mask & ~_table(part, rule)
            mask &= ~forbidden
            after.append(int(mask.sum()))
            reasons.append(_reason(part, rule, forbidden))
        self._legal = mask.tobytes()
        self._points = _without_doubles(part, np.flatnonzero(mask))
        self.numbers = len(self._points)
        self.counted = Counted(before, tuple(after), self.numbers, tuple(reasons))

    def at(self, number: int, places: MutableSequence[int]) -> bool:
        """Write the point of a number below `numbers` into the places, not yet settled; always True."""
        self.part.spread(int(self._points[number]), places)
        return True

    def draw(self, generator: random.Random, places: MutableSequence[int]) -> bool:
        """Write a random point into the places, not yet settled; False if there is none."""
        return bool(self.numbers) and self.at(generator.randrange(self.numbers), places)

    def points(self, target: Sequence[int]) -> npt.NDArray[np.int64]:  # noqa: ARG002 - as of a lazy one
        """All points, one in each row, as places of the part's dimensions."""
        return np.stack(np.unravel_index(self._points, self.part.shape), axis=1)

    def allows(self, places: Sequence[int]) -> bool:
        """Whether no rule forbids settled places."""
        return bool(self._legal[self.part.index(places)])


def is_listable(part: Part) -> bool:
    """Whether a part is small enough to be worked out exactly."""
    if part.volume > LISTED_MAX:
        return False
    read = [rule.reads for rule in part.rules] + [writer.reads for writer in part.writers]
    read += [(switch.dimension,) for switch in part.activity.switches]
    return all(_cells(part, reads) <= ASKED_MAX for reads in read)


def _cells(part: Part, reads: Iterable[int]) -> int:
    return math.prod(part.lengths[number] for number in part.activity.closure(reads))


def _settled_cells(part: Part, closure: Sequence[int]) -> Iterator[tuple[list[int], tuple[int, ...]]]:
    """Every choice of values of these dimensions: settled places of the whole space, and as it was chosen."""
    activity = part.activity.among(closure)
    for cell in product(*(range(part.lengths[number]) for number in closure)):
        places = [0] * len(part.lengths)
        for number, place in zip(closure, cell, strict=True):
            places[number] = place
        activity.settle(places)
        yield places, cell


def _laid_out(part: Part, closure: Sequence[int], flat: npt.NDArray[_Kind]) -> npt.NDArray[_Kind]:
    """A table over some dimensions in the shape of the part, with length 1 where it does not depend on them."""
    return flat.reshape([part.lengths[number] if number in closure else 1 for number in part.dimensions])


def _table(part: Part, rule: Rule) -> Mask:
    """The table of where a rule allows a point."""
    closure = part.activity.closure(rule.reads)
    answers = [rule.refusal(rule.states(places)) is None for places, _ in _settled_cells(part, closure)]
    return _laid_out(part, closure, np.array(answers, dtype=np.bool_))


def _reason(part: Part, rule: Rule, forbidden: Mask) -> str:
    """Why a rule forbids the first of these points."""
    return rule.refusal(rule.states(part.settled(int(forbidden.argmax())))) or "" if forbidden.any() else ""


def _canonical(part: Part, switched: int) -> Mask:
    """The mask of canonical points: of the values that an inactive dimension could have, only the first counts."""
    closure = part.activity.closure([switched])
    at = closure.index(switched)
    answers = [places[switched] == cell[at] or not cell[at] for places, cell in _settled_cells(part, closure)]
    return _laid_out(part, closure, np.array(answers, dtype=np.bool_))


def _without_doubles(part: Part, points: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The first one of all points that mean the same to the engine."""
    key = np.zeros(len(points), dtype=np.int64)
    suspicious = False
    for writer in part.writers:
        closure = part.activity.closure(writer.reads)
        ids: dict[str, int] = {}
        cells = list(_settled_cells(part, closure))
        table = [ids.setdefault(part.effect(writer, places).identity, len(ids)) for places, _ in cells]
        states = {tuple(places[number] for number in writer.reads) for places, _ in cells}
        suspicious |= len(ids) < len(states)
        whole = np.broadcast_to(_laid_out(part, closure, np.array(table, dtype=np.int64)), part.shape)
        key = key * len(ids) + whole.ravel()[points]
    if not suspicious:
        return points
    return points[np.sort(np.unique(key, return_index=True)[1])]
