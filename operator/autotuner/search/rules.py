"""What forbids configurations: the user's constraints, the words' own sense, the engine, and the hardware."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from autotuner.api.parameters import Constraint
from autotuner.engines import Engine
from autotuner.search.activity import INACTIVE, States, question
from autotuner.search.conditions import RuleError
from autotuner.search.dimensions import Dimension
from autotuner.search.effects import CommandLine, Effect, Writer

_REMEMBERED = 1 << 16


class Rule:
    """One rule with the answers that it has given.

    Attributes:
        name: as the status tells it; beginning with a field where the user wrote it.
        reads: the dimensions that decide, by number, ascending.
        complaint: why it could not be answered, the first time that this came to light; empty if it always could.
        refusal: why it forbids states of these dimensions, or None. One that cannot be answered forbids.
        example: the first reason that it gave.
    """

    def __init__(self, name: str, reads: Iterable[int], refuse: Callable[[States], str | None]) -> None:
        self.name = name
        self.reads = tuple(sorted(set(reads)))
        self.complaint = ""
        self.example = ""
        self._refuse = refuse
        self.refusal: Callable[[States], str | None] = lru_cache(maxsize=_REMEMBERED)(self._refusal)

    def states(self, places: Sequence[int]) -> States:
        """Of the dimensions that it reads."""
        return tuple([places[number] for number in self.reads])

    def _refusal(self, states: States) -> str | None:
        try:
            reason = self._refuse(states)
        except RuleError as error:
            reason = str(error)
            self.complaint = self.complaint or reason
        self.example = self.example or reason or ""
        return reason


def of_constraints(constraints: Sequence[Constraint], dimensions: Sequence[Dimension]) -> tuple[list[Rule], list[str]]:
    """The user's constraints, and what is wrong with those that are no rules."""
    found: list[Rule] = []
    problems: list[str] = []
    for index, constraint in enumerate(constraints):
        try:
            found.append(_of_constraint(f"constraints[{index}]", constraint, dimensions))
        except RuleError as error:
            problems.append(f"constraints[{index}].rule: {error}")
    return found, problems


def _of_constraint(name: str, constraint: Constraint, dimensions: Sequence[Dimension]) -> Rule:
    asked = question(constraint.rule, dimensions)
    why = f"{constraint.message} ({constraint.rule})" if constraint.message else constraint.rule
    return Rule(name, asked.reads, lambda states: None if asked.holds(states) else why)


class FlagRules:
    """Makes rules about the flags of complete argument lists."""

    def __init__(self, line: CommandLine, writers: Sequence[Writer], dimensions: Sequence[Dimension]) -> None:
        self._line = line
        self._writers = writers
        self._dimensions = dimensions

    def rule(
        self, name: str, flags: Iterable[str], check: Callable[[Mapping[str, tuple[str, ...]]], str | None]
    ) -> Rule:
        """A rule that reads some flags.

        Args:
            name: of the rule.
            flags: canonical names of all that it reads.
            check: why these flags cannot run: canonical flag -> its arguments as they are written.
        """
        read = frozenset(flags)
        writers = [writer for writer in self._writers if writer.touches & read]
        reads = tuple(sorted({number for writer in writers for number in writer.reads}))

        def refuse(states: States) -> str | None:
            places = dict(zip(reads, states, strict=True))
            given = self._line.flags(self._effect(writer, places) for writer in writers)
            return check({flag: args for flag, args in given.items() if flag in read})

        return Rule(name, reads, refuse)

    def _effect(self, writer: Writer, places: Mapping[int, int]) -> Effect:
        values = (
            self._dimensions[number].values[places[number]] if places[number] != INACTIVE else None
            for number in writer.reads
        )
        return writer.effect(tuple(values))


def accelerators(engine: Engine, rules: FlagRules, most: int) -> Rule:
    """No engine with more accelerators than any node could ever hold."""

    def check(flags: Mapping[str, tuple[str, ...]]) -> str | None:
        count = engine.accelerators([token for args in flags.values() for token in args])
        if count <= most:
            return None
        return f"{count} accelerators are needed, and no node has more than {most}"

    return rules.rule("accelerators per node", {*engine.degrees, *engine.folded}, check)
