"""Values that a rule takes away altogether: offered by the task, and in no configuration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from autotuner.engines.arguments import text
from autotuner.search.space.dimensions import Dimension
from autotuner.search.space.rules import Rule

# A rule over more combinations is left out: to ask them all would take seconds.
_STATES_MAX = 2048


class Lost(NamedTuple):
    """A value that no configuration has.

    Attributes:
        rule: the first that forbids it with whatever else, by its name.
        dimension: the parameter or word.
        value: as it is written; `unset` for leaving the flag out.
        reason: what the rule says of it.
    """

    rule: str
    dimension: str
    value: str
    reason: str


def find(rules: Iterable[Rule], dimensions: Sequence[Dimension]) -> list[Lost]:
    """The values that single rules take away, each told of the first of them."""
    found: dict[tuple[str, str], Lost] = {}
    for rule in rules:
        if rule.reads and math.prod(len(dimensions[number].values) for number in rule.reads) <= _STATES_MAX:
            for lost in _by(rule, dimensions):
                found.setdefault((lost.dimension, lost.value), lost)
    return list(found.values())


def _by(rule: Rule, dimensions: Sequence[Dimension]) -> Iterator[Lost]:
    """What one rule takes away; an inactive parameter has no value that could be lost."""
    places = [range(len(dimensions[number].values)) for number in rule.reads]
    reasons = {states: rule.refusal(states) for states in itertools.product(*places)}
    for index, number in enumerate(rule.reads):
        for place in places[index]:
            here = [reason for states, reason in reasons.items() if states[index] == place]
            if here and all(here):
                value = dimensions[number].values[place]
                written = "unset" if value is None else text(value)
                yield Lost(rule.name, dimensions[number].name, written, here[0] or "")
