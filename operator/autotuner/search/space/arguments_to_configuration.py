"""From a person's arguments to the configurations that they may mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product

from autotuner.engines import Engine
from autotuner.engines.arguments import text
from autotuner.search.space.activity import INACTIVE, States
from autotuner.search.space.assembly import Assembly
from autotuner.search.space.command_line import Args, Effect, Writer, by_flag, flag_value_written
from autotuner.search.space.split_components import Component

Arguments = Mapping[str, Args]  # canonical flag -> its arguments

# What one writer can say; nobody writes a start point for the words' remotest combination.
_COMBINATIONS_MAX = 1 << 14
# Ways to complete one within a component until one keeps all rules.
_COMPLETIONS_MAX = 4096


class _WrongError(Exception):
    """What is wrong with the arguments, to be told."""


@dataclass(frozen=True)
class _Saying:
    """What arguments say about one writer's dimensions.

    Attributes:
        writer: whose flags they are.
        named: those of its flags that they name.
        choices: of its values that say this, those first that say least besides.
    """

    writer: Writer
    named: Arguments
    choices: Sequence[States]


def locate(
    args: Sequence[str], pieces: Assembly, components: Sequence[Component]
) -> tuple[list[int] | None, str | None]:
    """The settled places that a person's arguments mean, or None and what is wrong with them.

    Args:
        args: as written.
        pieces: of the space.
        components: of the space.
    """
    places = [0] * len(pieces.dimensions)
    try:
        sayings = _sayings(args, pieces)
        for component in components:
            _complete(
                [one for one in sayings if one.writer.reads[0] in component.part.dimensions], component, pieces, places
            )
    except _WrongError as wrong:
        return None, str(wrong)
    pieces.activity.settle(places)
    return places, None


def _sayings(args: Sequence[str], pieces: Assembly) -> list[_Saying]:
    named = by_flag(args, pieces.engine)
    touched = {flag for writer in pieces.writers for flag in writer.touches if not flag.startswith("$")}
    for flag in sorted(named.keys() - touched):
        _check_untouched(flag, named[flag], touched, pieces)
    found = []
    for writer in pieces.writers:
        mine = {flag: named[flag] for flag in named if flag in writer.touches}
        choices = _choices(writer, mine, pieces)
        if not choices:
            raise _WrongError(_not_offered(writer, mine, pieces))
        found.append(_Saying(writer, mine, choices))
    return found


def _check_untouched(flag: str, args: Args, touched: set[str], pieces: Assembly) -> None:
    """Check a flag that is not searched: it may be said as it is, for people paste whole argument lists.

    Raises:
        _WrongError: it is said otherwise.
    """
    fixed = pieces.line.fixed.get(flag, ())
    if fixed and _values(fixed, pieces.engine) == _values(args, pieces.engine):
        return
    there_are = ", ".join(f"--{one}" for one in sorted(touched))
    but = f"; it is fixed as {_written(fixed)}" if fixed else ""
    raise _WrongError(f"{_written(args)} is no parameter of this search, which has {there_are}{but}; leave it out")


def _complete(sayings: Sequence[_Saying], component: Component, pieces: Assembly, places: list[int]) -> None:
    """Write the first combination of choices that keeps all rules into the places.

    Raises:
        _WrongError: there is none.
    """
    refusals: list[str] = []
    for combination in islice(product(*(saying.choices for saying in sayings)), _COMPLETIONS_MAX):
        for saying, states in zip(sayings, combination, strict=True):
            for number, state in zip(saying.writer.reads, states, strict=True):
                places[number] = state
        settled = list(places)
        pieces.activity.settle(settled)
        idle = next((one for one in sayings if _cost_at(settled, one.writer, one.named, pieces) is None), None)
        if idle is None and component.allows(settled):
            return
        if not refusals:
            refusals.append(_why_not(idle, settled, component, pieces))
    raise _WrongError(refusals[0])


def _why_not(idle: _Saying | None, settled: Sequence[int], component: Component, pieces: Assembly) -> str:
    if idle is not None:
        off = [pieces.dimensions[number].name for number in idle.writer.reads if settled[number] == INACTIVE]
        return f"{_said(idle.named)} does not count here: parameters[{off[0]}].when is false; leave it out"
    for rule in pieces.rules:
        reason = rule.refusal(rule.states(settled)) if set(rule.reads) <= set(component.part.dimensions) else None
        if reason:
            return f"this configuration is forbidden by {rule.name}: {reason}; change it"
    return "this configuration is forbidden; change it"


def _choices(writer: Writer, named: Arguments, pieces: Assembly) -> list[States]:
    lengths = [len(pieces.dimensions[one].values) for one in writer.reads]
    costs: dict[States, int] = {}
    for states in islice(product(*map(range, lengths)), _COMBINATIONS_MAX):
        cost = _cost_at(dict(zip(writer.reads, states, strict=True)), writer, named, pieces)
        if cost is not None:
            costs[states] = cost
    return sorted(costs, key=costs.__getitem__)


def _cost_at(
    places: Sequence[int] | Mapping[int, int], writer: Writer, named: Arguments, pieces: Assembly
) -> int | None:
    """None if a named flag is said otherwise; else 1 for one that the fixed arguments say too, 2 for others."""
    values = pieces.values(writer, places)
    spelled_out = writer.spelled_out(values, frozenset(named)) if writer.spelled_out else None
    return _cost(spelled_out or writer.effect(values), named, pieces)


def _cost(effect: Effect, named: Arguments, pieces: Assembly) -> int | None:
    engine, fixed = pieces.engine, pieces.line.fixed
    if any(_values(effect.flags.get(flag, ()), engine) != _values(args, engine) for flag, args in named.items()):
        return None
    unasked = [(flag, args) for flag, args in effect.flags.items() if args and flag not in named]
    return sum(1 if _values(fixed.get(flag, ()), engine) == _values(args, engine) else 2 for flag, args in unasked)


def _values(args: Args, engine: Engine) -> list[str]:
    """What arguments say of one flag, whichever of its spellings they use; numbers as we write them."""
    return flag_value_written(args, engine).split(" ") if args else []


def _not_offered(writer: Writer, named: Arguments, pieces: Assembly) -> str:
    offers = "; ".join(
        f"{dimension.name} has {', '.join('unset' if value is None else text(value) for value in dimension.values)}"
        for dimension in (pieces.dimensions[number] for number in writer.reads)
    )
    return f"{_said(named)} is not offered: {offers}"


def _said(named: Arguments) -> str:
    return _written([token for args in named.values() for token in args])


def _written(args: Sequence[str]) -> str:
    return " ".join(args)
