"""A component that is too large to be worked out: its points are looked at when they are asked for."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, MutableSequence, Sequence
from itertools import accumulate, islice, product

import numpy as np
import numpy.typing as npt

from autotuner.search.space.activity import INACTIVE, States
from autotuner.search.space.command_line import Writer
from autotuner.search.space.joined_dimensions import ASKED_MAX, Counted, Part
from autotuner.search.space.legal_point_walk import explored

# A share of one half is estimated to within two per cent (two standard errors).
_SAMPLE = 2048
# Of fewer, the share is too uncertain: legal points are rare, and are looked for one dimension after the other.
_FEW = 32
# From one point to another: dimensions that are changed at most, values of each that are tried, and of two together.
_CHANGED, _VALUES, _PAIRS = 8, 16, 64
# Choices that the search for a single point tries, each for some ten microseconds.
_VISITED_MAX = 8192
_ALTERNATIVES_MAX = 256


class Lazy:
    """A part that is too large to be worked out: points are looked at when they are asked for.

    Attributes:
        at_least: nothing is known of the size but that some points were found.
    """

    def __init__(self, part: Part) -> None:
        """Estimate its size from a sample, and explore it if legal points are rare."""
        self.part = part
        self.numbers = part.volume
        self.at_least = False
        self._known: list[list[int]] = []
        self._ambiguous = [(writer, alike) for writer in part.writers if (alike := _alike(part, writer))]
        self.counted, self.exact = self._estimate()

    def at(self, number: int, places: MutableSequence[int]) -> bool:
        """Write the point of a number below `numbers` into the places; False if a rule forbids it or it is a double."""
        settled = self.part.settled(number)
        if self.part.index(settled) != number or not self.allows(settled) or self._is_double(number, settled):
            return False
        for one in self.part.dimensions:
            places[one] = settled[one]
        return True

    def draw(self, generator: random.Random, places: MutableSequence[int]) -> bool:
        """Write a random point into the places, however rare those that may be chosen are; False if that fails."""
        if not self._known:
            return False
        drawn = self._moved(generator.choice(self._known), generator)
        for one in self.part.dimensions:
            places[one] = drawn[one]
        return True

    def points(self, target: Sequence[int]) -> npt.NDArray[np.int64]:
        """Some points that may be chosen, one in each row, as places of the part's dimensions.

        Args:
            target: of the whole space; among the points, if it may be chosen, else one that was moved towards it.
        """
        wanted = list(target)
        self.part.activity.settle(wanted)
        found = [*([wanted] if self.allows(wanted) else self._towards(target)), *self._known]
        rows = [[max(places[number], 0) for number in self.part.dimensions] for places in found]
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(self.part.dimensions))

    def allows(self, places: Sequence[int]) -> bool:
        """Whether no rule forbids settled places."""
        return self.part.refusing(places) is None

    def _towards(self, target: Sequence[int]) -> list[list[int]]:
        """The known point nearest to a target, each dimension moved as near to it as the others let it; if any."""
        if not self._known:
            return []
        numbers = self.part.dimensions
        moved = min(self._known, key=lambda known: sum(known[one] != target[one] for one in numbers))
        for one in numbers:
            by_distance = sorted(range(self.part.lengths[one]), key=lambda place: abs(place - target[one]))
            moved = self._changed(moved, one, by_distance)
        return [moved]

    def _moved(self, start: list[int], generator: random.Random) -> list[int]:
        """A random point not far from one that may be chosen; that one itself if it would be a double."""
        moved = self._strayed(start, generator)
        return start if self._is_double(self.part.index(moved), moved) else moved

    def _strayed(self, start: list[int], generator: random.Random) -> list[int]:
        """A random legal point not far from another one.

        One dimension after the other changes to a value that is legal next to the others (as in Gibbs sampling). Where
        none can change alone, as under a fixed sum, two change at once.
        """
        numbers, lengths = self.part.dimensions, self.part.lengths
        moved = start
        for one in generator.sample(numbers, min(len(numbers), _CHANGED)):
            moved = self._changed(moved, one, generator.sample(range(lengths[one]), min(lengths[one], _VALUES)))
        if moved != start or len(numbers) < 2:
            return moved
        for _ in range(_CHANGED):
            pair = generator.sample(numbers, 2)
            for _ in range(_PAIRS):
                changed = list(moved)
                for one in pair:
                    changed[one] = generator.randrange(lengths[one])
                self.part.activity.settle(changed)
                if changed != moved and self.allows(changed):
                    moved = changed
                    break
        return moved

    def _changed(self, places: list[int], number: int, values: Sequence[int]) -> list[int]:
        """A point with the first of some values that keeps it legal; as it is, if none does."""
        if places[number] == INACTIVE:
            return places
        for value in values:
            changed = [*places[:number], value, *places[number + 1 :]]
            self.part.activity.settle(changed)
            if self.allows(changed):
                return changed
        return places

    def _is_double(self, number: int, settled: Sequence[int]) -> bool:
        """Whether a point with a lower number means the same, found by changing what the engine cannot tell apart."""
        if not self._ambiguous:
            return False
        identity = self.part.identity(settled)
        ways = [alike[self.part.effect(writer, settled).identity] for writer, alike in self._ambiguous]
        for way in islice(product(*ways), _ALTERNATIVES_MAX):
            places = list(settled)
            for (writer, _), states in zip(self._ambiguous, way, strict=True):
                for one, state in zip(writer.reads, states, strict=True):
                    places[one] = state
            self.part.activity.settle(places)
            other = self.part.index(places)
            if other < number and self.part.identity(places) == identity and self.allows(places):
                return True
        return False

    def _estimate(self) -> tuple[Counted, bool]:
        """The points left after each step, and whether they are known exactly: only if there are none at all.

        A draw whose inactive dimensions could have had k values stands for 1/k of a canonical point.
        """
        part = self.part
        lost = [0.0] * (len(part.rules) + 1)
        reasons = [""] * len(part.rules)
        total = left = 0.0
        for places in _draws(part):
            weight = 1.0 / math.prod(part.lengths[one] for one in part.dimensions if places[one] == INACTIVE)
            total += weight
            refusing = part.refusing(places)
            if refusing is not None:
                lost[refusing] += weight
                rule = part.rules[refusing]
                reasons[refusing] = reasons[refusing] or rule.refusal(rule.states(places)) or ""
            elif self._is_double(part.index(places), places):
                lost[-1] += weight
            else:
                left += weight
                self._known.append(places)
        scale = part.volume / _SAMPLE
        least, empty = self._explore() if len(self._known) < _FEW else (0.0, False)
        # Added up from what is left, so that nothing left is exactly zero.
        after = [one * scale for one in accumulate(reversed(lost[1:]), initial=left)][:0:-1]
        remaining = tuple(max(one, least) for one in after)
        return Counted(max(total * scale, least), remaining, max(left * scale, least), tuple(reasons)), empty

    def _explore(self) -> tuple[float, bool]:
        """How many points there are at least, about; and whether it is known that there are none."""
        least, found = explored(self.part, lambda one: not self._is_double(self.part.index(one), one))
        self._known += found
        if not self._known:
            first, all_seen = _first_legal(self.part)
            if first is None:
                return 0.0, all_seen
            self._known.append(first)
            self.at_least = True
        generator = random.Random(0)
        while len(self._known) < _FEW:
            self._known.append(self._moved(self._known[-1], generator))
        return max(least, float(len({*map(tuple, self._known)}))), False


def _draws(part: Part) -> Iterator[list[int]]:
    """Settled places of points drawn from the part's product, always the same."""
    generator = np.random.default_rng(0)
    columns = [generator.integers(part.lengths[number], size=_SAMPLE) for number in part.dimensions]
    for drawn in zip(*(column.tolist() for column in columns), strict=True):
        places = [0] * len(part.lengths)
        for number, place in zip(part.dimensions, drawn, strict=True):
            places[number] = place
        part.activity.settle(places)
        yield places


def _alike(part: Part, writer: Writer) -> dict[str, list[States]]:
    """What a writer does -> the states of its dimensions that do it; empty if no two do the same.

    Words of so many combinations that they cannot all be looked at are taken for distinct; `Space.identity` knows.
    """
    switched = {switch.dimension for switch in part.activity.switches}
    choices = [[*range(part.lengths[one]), *([INACTIVE] if one in switched else [])] for one in writer.reads]
    if math.prod(map(len, choices)) > ASKED_MAX:
        return {}
    found: dict[str, list[States]] = {}
    for states in product(*choices):
        effect = part.effect(writer, dict(zip(writer.reads, states, strict=True)))
        found.setdefault(effect.identity, []).append(states)
    return found if any(len(states) > 1 for states in found.values()) else {}


def _first_legal(part: Part) -> tuple[list[int] | None, bool]:
    """Settled places that keep all rules, by depth-first search; if there are none, whether all were looked at."""
    order = part.dimensions
    decided = [[rule for rule in part.rules if part.activity.closure(rule.reads)[-1:] == (number,)] for number in order]
    places = [0] * len(part.lengths)
    visited = 0

    def descend(depth: int) -> list[int] | None:
        nonlocal visited
        settled = list(places)
        part.activity.settle(settled)
        if depth and any(rule.refusal(rule.states(settled)) for rule in decided[depth - 1]):
            return None
        if depth == len(order):
            return settled
        for place in range(part.lengths[order[depth]]):
            visited += 1
            if visited > _VISITED_MAX:
                return None
            places[order[depth]] = place
            found = descend(depth + 1)
            if found:
                return found
        return None

    return descend(0), visited <= _VISITED_MAX
