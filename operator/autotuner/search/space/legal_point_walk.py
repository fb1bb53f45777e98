"""Legal points of a product where they are rare: one dimension after the other, looking ahead.

A value is followed if every rule could still be kept: a rule that is not decided yet is asked with the rest taken from
one of its witnesses, points that it is known to allow. For the usual limits on sums and products, the corner with the
smallest values is a witness for whatever can be completed at all. A rule of another kind may have points that no
witness leads to: they are not found here, and not counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, product

from autotuner.search.space.activity import INACTIVE
from autotuner.search.space.joined_dimensions import Part
from autotuner.search.space.rules import Rule

# Values that are looked at, each for some ten to a hundred microseconds; and ways that are followed in any case.
_LOOKED_AT, _WIDTH_MIN = 1 << 14, 16
# Points among which a rule's witnesses are sought, how many are compared and after
# which parts of them, and how many are asked.
_TRIED, _COMPARED, _CUTS, _WITNESSES = 512, 24, 4, 3


def explored(part: Part, counts: Callable[[Sequence[int]], bool]) -> tuple[float, list[list[int]]]:
    """The estimated number of legal points, or a lower one, and some of them, all equally likely.

    A bounded number of ways is followed at once. Where there are k times as many, some of them are drawn and each
    stands for k (stochastic enumeration: Vaisman and Kroese, "Stochastic enumeration method for counting trees", 2017).

    Args:
        part: of a space.
        counts: whether settled places of a legal point are to be counted.
    """
    generator = random.Random(0)
    walk = _Walk(part)
    width = max(_WIDTH_MIN, _LOOKED_AT // sum(part.shape))
    ways = [[0] * len(part.lengths)]
    each = 1.0
    for depth in range(len(walk.order)):
        ways = [further for way in ways for further in walk.further(depth, way)]
        if len(ways) > width:
            each *= len(ways) / width
            ways = generator.sample(ways, width)
    for way in ways:
        part.activity.settle(way)
    found = [way for way in ways if counts(way)]
    return each * len(found), found


class _Walk:
    """All ways down through the dimensions.

    Attributes:
        order: of the dimensions: what is switched comes after what decides about it, so that it has one value where it
            is inactive.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        switched = [switch.dimension for switch in part.activity.switches]
        self.order = [*(number for number in part.dimensions if number not in switched), *switched]
        self._first_switched = len(self.order) - len(switched)
        closures = [(rule, set(part.activity.closure(rule.reads)), _witnesses(rule, part)) for rule in part.rules]
        # For each depth: the rules that it concerns, and what is still open then with what it could be.
        self._asked = [
            [
                (rule, sorted(closure.intersection(self.order[depth + 1 :])), witnesses)
                for rule, closure, witnesses in closures
                if number in closure
            ]
            for depth, number in enumerate(self.order)
        ]

    def further(self, depth: int, way: Sequence[int]) -> Iterator[list[int]]:
        """Places with one more dimension chosen, such that all rules can be kept as far as is known."""
        number = self.order[depth]
        for place in range(1 if self._is_inactive(depth, way) else self._part.lengths[number]):
            places = list(way)
            places[number] = place
            if all(self._may_keep(places, *asked) for asked in self._asked[depth]):
                yield places

    def _is_inactive(self, depth: int, way: Sequence[int]) -> bool:
        if depth < self._first_switched:
            return False
        settled = list(way)
        self._part.activity.settle(settled)
        return settled[self.order[depth]] == INACTIVE

    def _may_keep(
        self, places: Sequence[int], rule: Rule, still_open: Sequence[int], witnesses: Sequence[Sequence[int]]
    ) -> bool:
        if not still_open:
            return _allows(rule, self._part, places)
        completed = list(places)
        for witness in witnesses:
            for number in still_open:
                completed[number] = witness[number]
            if _allows(rule, self._part, completed):
                return True
        return not witnesses


def _allows(rule: Rule, part: Part, places: Sequence[int]) -> bool:
    settled = list(places)
    part.activity.settle(settled)
    return rule.refusal(rule.states(settled)) is None


def _witnesses(rule: Rule, part: Part) -> list[list[int]]:
    """A few points that a rule allows; each completes as many beginnings as possible that the ones before do not."""
    reads = part.activity.closure(rule.reads)
    allowed = [places for places in islice(_anywhere(reads, part), _TRIED) if _allows(rule, part, places)][:_COMPARED]
    cuts = sorted({len(reads) * number // _CUTS for number in range(1, _CUTS)} - {0})
    completed = [
        {
            (other, cut)
            for other, cut in product(range(len(allowed)), cuts)
            if _allows(rule, part, _joined(allowed[other], point, reads[cut:]))
        }
        for point in allowed
    ]
    found: list[list[int]] = []
    left = set(product(range(len(allowed)), cuts))
    while left and len(found) < _WITNESSES:
        best = max(range(len(allowed)), key=lambda number: len(left & completed[number]))
        found.append(allowed[best])
        left -= completed[best]
    return found


def _joined(first: Sequence[int], then: Sequence[int], taken: Iterable[int]) -> list[int]:
    places = list(first)
    for number in taken:
        places[number] = then[number]
    return places


def _anywhere(reads: Sequence[int], part: Part) -> Iterator[list[int]]:
    """Places to look at: the corners with all smallest and all largest values, then in turn a corner and any point."""
    generator = random.Random(0)
    ends = [(0, part.lengths[number] - 1) for number in reads]
    yield _laid(reads, [first for first, _ in ends], part)
    yield _laid(reads, [last for _, last in ends], part)
    while True:
        yield _laid(reads, [generator.choice(pair) for pair in ends], part)
        yield _laid(reads, [generator.randrange(part.lengths[number]) for number in reads], part)


def _laid(reads: Sequence[int], chosen: Iterable[int], part: Part) -> list[int]:
    places = [0] * len(part.lengths)
    for number, place in zip(reads, chosen, strict=True):
        places[number] = place
    return places
