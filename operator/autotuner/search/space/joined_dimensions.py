"""Dimensions that rules join, as a product of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from functools import cached_property

from autotuner.search.space.activity import Activity
from autotuner.search.space.command_line import Effect, Writer
from autotuner.search.space.rules import Rule

# Points for which one rule is asked; a question takes up to 10 microseconds.
ASKED_MAX = 4096


@dataclass(frozen=True)
class Part:
    """Dimensions that rules join, with their writers, rules and switches.

    Attributes:
        dimensions: their numbers, ascending.
        lengths: of every dimension of the space, by number.
        effect: what a writer does at settled places.
        rules: about these dimensions, in the order of the space's rules.
        activity: the conditions of these dimensions.
        writers: of these dimensions.
    """

    dimensions: tuple[int, ...]
    lengths: Sequence[int]
    effect: Callable[[Writer, Sequence[int] | Mapping[int, int]], Effect]
    rules: tuple[Rule, ...]
    activity: Activity
    writers: tuple[Writer, ...]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of the part's product."""
        return tuple(self.lengths[number] for number in self.dimensions)

    @cached_property
    def volume(self) -> int:
        """How many points the product has."""
        return math.prod(self.shape)

    @cached_property
    def strides(self) -> tuple[tuple[int, int], ...]:
        """Each dimension with the distance of its neighbouring values in the product; the last one is fastest."""
        found = []
        stride = 1
        for number in reversed(self.dimensions):
            found.append((number, stride))
            stride *= self.lengths[number]
        return tuple(reversed(found))

    def index(self, places: Sequence[int]) -> int:
        """The number of a point in the product; what is inactive counts as its first value."""
        return sum(max(places[number], 0) * stride for number, stride in self.strides)

    def spread(self, index: int, places: MutableSequence[int]) -> None:
        """Write a point of the product into the places of the whole space."""
        for number, stride in self.strides:
            places[number], index = divmod(index, stride)

    def settled(self, index: int) -> list[int]:
        """The places of a point of the product, INACTIVE where they do not count; zero outside this part."""
        places = [0] * len(self.lengths)
        self.spread(index, places)
        self.activity.settle(places)
        return places

    def refusing(self, places: Sequence[int]) -> int | None:
        """The first rule that forbids settled places, by its number in this part."""
        return next((number for number, rule in enumerate(self.rules) if rule.refusal(rule.states(places))), None)

    def identity(self, places: Sequence[int]) -> tuple[str, ...]:
        """A text that is equal exactly when settled places mean the same to the engine."""
        return tuple(self.effect(writer, places).identity for writer in self.writers)


@dataclass(frozen=True)
class Counted:
    """The points of a part that are left after each step.

    Attributes:
        before: its points, those that differ in inactive dimensions only counted as one.
        after_rules: of these after each rule.
        left: of these without doubles.
        reasons: why each rule forbids something that was left until then; empty if it forbids nothing.
    """

    before: float
    after_rules: tuple[float, ...]
    left: float
    reasons: tuple[str, ...]
