"""Which parameters are active: `when` conditions, asked in the order of their dependence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter

from autotuner.engines.arguments import Value
from autotuner.search.space.dimensions import Dimension
from autotuner.search.space.expressions import CompiledRule, RuleError, compiled, field_name
from autotuner.validation_messages import Finding, Kind

INACTIVE = -1
States = tuple[int, ...]  # a place on a dimension's list, or INACTIVE
_REMEMBERED = 1 << 16


class Question:
    """A compiled rule over some dimensions, each of its answers worked out once."""

    def __init__(self, condition: CompiledRule, reads: tuple[int, ...], dimensions: Sequence[Dimension]) -> None:
        self.reads = reads
        self.text = condition.text
        self._condition = condition
        self._values = [(field_name(dimensions[number].name), dimensions[number].values) for number in reads]
        self.holds: Callable[[States], bool] = lru_cache(maxsize=_REMEMBERED)(self._holds)

    def _holds(self, states: States) -> bool:
        p: dict[str, Value] = {}
        for (name, values), place in zip(self._values, states, strict=True):
            value = values[place] if place != INACTIVE else None
            if value is not None:
                p[name] = value
        return self._condition.holds(p)


def question(rule: str, dimensions: Sequence[Dimension]) -> Question:
    """The question that a rule's text asks.

    Raises:
        RuleError: it is no CEL, or reads what is no parameter.
    """
    condition = compiled(rule)
    fields = {field_name(dimension.name): number for number, dimension in enumerate(dimensions)}
    unknown = condition.unknown(fields)
    if unknown:
        raise RuleError(unknown)
    if condition.whole:
        return Question(condition, tuple(range(len(dimensions))), dimensions)
    return Question(condition, tuple(sorted(fields[name] for name in condition.names)), dimensions)


@dataclass(frozen=True)
class Switch:
    """A `when` condition.

    Attributes:
        dimension: that it switches.
        question: about other dimensions.
        complaints: why it could not be answered, the first time that this came to light. To be told once the space
            has been worked out; no answer depends on it.
    """

    dimension: int
    question: Question
    complaints: list[str]

    def is_on(self, places: Sequence[int]) -> bool:
        """Whether the dimension is active; it is not where the condition has no answer."""
        try:
            return self.question.holds(tuple([places[number] for number in self.question.reads]))
        except RuleError as error:
            if not self.complaints:
                self.complaints.append(str(error))
            return False


class Activity:
    """All conditions of a space, in the order in which they are asked."""

    def __init__(self, switches: Iterable[Switch]) -> None:
        """Sort the switches by their dependence.

        Args:
            switches: at most one for each dimension, and no cycles: see `without_cycles`.
        """
        self._by_dimension = {switch.dimension: switch for switch in switches}
        order = TopologicalSorter({one: switch.question.reads for one, switch in self._by_dimension.items()})
        self.switches = tuple(self._by_dimension[one] for one in order.static_order() if one in self._by_dimension)

    def closure(self, dimensions: Iterable[int]) -> tuple[int, ...]:
        """These dimensions and all that decides whether they are active, ascending."""
        found: set[int] = set()
        waiting = list(dimensions)
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                switch = self._by_dimension.get(number)
                waiting += switch.question.reads if switch else ()
        return tuple(sorted(found))

    def among(self, dimensions: Iterable[int]) -> Activity:
        """The conditions of these dimensions only, which must be closed."""
        return Activity(self._by_dimension[number] for number in dimensions if number in self._by_dimension)

    def settle(self, places: MutableSequence[int]) -> None:
        """Make INACTIVE what is not active, and give its first value to what is."""
        for switch in self.switches:
            if not switch.is_on(places):
                places[switch.dimension] = INACTIVE
            elif places[switch.dimension] == INACTIVE:
                places[switch.dimension] = 0

    def __bool__(self) -> bool:
        return bool(self.switches)


def switches(conditions: Mapping[int, str], dimensions: Sequence[Dimension]) -> tuple[list[Switch], list[Finding]]:
    """The switches of `when` conditions, and what is wrong with those that give none.

    Args:
        conditions: number of the dimension -> its condition.
        dimensions: of the space.
    """
    found: dict[int, Switch] = {}
    findings: list[Finding] = []
    for number, rule in conditions.items():
        try:
            asked = question(rule, dimensions)
        except RuleError as error:
            findings.append(Finding(_field(number, dimensions), Kind.RULE_WRONG, {"complaint": str(error)}))
            continue
        if number in asked.reads:
            findings.append(_on_itself(rule, dimensions[number], _field(number, dimensions)))
        else:
            found[number] = Switch(number, asked, [])
    return _without_cycle(found, dimensions, findings)


def _field(number: int, dimensions: Sequence[Dimension]) -> str:
    return f"parameters[{dimensions[number].name}].when"


def _on_itself(rule: str, dimension: Dimension, field: str) -> Finding:
    if compiled(rule).whole:
        return Finding(field, Kind.CONDITION_ON_ALL)
    return Finding(field, Kind.CONDITION_ON_ITSELF, {"name": field_name(dimension.name)})


def _without_cycle(
    found: dict[int, Switch], dimensions: Sequence[Dimension], findings: list[Finding]
) -> tuple[list[Switch], list[Finding]]:
    while True:
        try:
            TopologicalSorter({number: switch.question.reads for number, switch in found.items()}).prepare()
        except CycleError as error:
            cycle: list[int] = error.args[1][:-1]
            names = [dimensions[number].name for number in cycle]
            first = min(cycle)
            findings.append(Finding(_field(first, dimensions), Kind.CONDITIONS_IN_CIRCLE, {"names": names}))
            del found[first]
        else:
            return list(found.values()), findings
