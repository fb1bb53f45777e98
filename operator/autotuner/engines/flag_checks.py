"""What can be told wrong about flags before a GPU is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from autotuner.api.parameters import SearchParameter, Variant
from autotuner.engines import arguments
from autotuner.engines.arguments import Argument, Value
from autotuner.engines.flag_table import Flag, FlagTable

_FIXED = "the flag is also in runtime.extraArgs[{}]; remove one of them"
_SIMULATED = "sim-"  # the names of the simulated engine's own flags begin so (docs/simulator.md)
_TEMPLATE = '"{{" would be expanded as a template; write the value without it'


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; the message begins with the field."""

    reason: Literal["InvalidSpec", "ReservedFlag", "UnknownFlag"]
    message: str


class Flags(Protocol):
    """What the checks ask of an engine."""

    @property
    def reserved(self) -> Mapping[str, str]:
        """Flags that users must not set -> what to do instead."""

    @property
    def aliases(self) -> Mapping[str, str]:
        """Spellings that the engine takes besides those of its package -> the canonical name."""

    def canonical(self, name: str) -> str:
        """One name for all spellings of a flag."""

    def flag_of(self, token: str) -> str | None:
        """The flag that a token begins with."""


@dataclass(frozen=True)
class Checker:
    """Judges what a user wrote.

    Attributes:
        engine: whose flags they are.
        table: the flags that its version knows; None if nothing is known.
        allow_unknown: the user says that the engine knows more.
        simulated: it is the simulated engine, which has flags of its own beside those of the engine that it plays.
    """

    engine: Flags
    table: FlagTable | None
    allow_unknown: bool
    simulated: bool = False

    def arguments(self, args: Sequence[str], where: str) -> Iterator[Finding]:
        """What is wrong with a list of arguments, each message beginning with `where[index]`."""
        for index, token in enumerate(args):
            if "{{" in token:
                yield Finding("InvalidSpec", f"{where}[{index}]: {_TEMPLATE}")
        for argument in arguments.parse(args):
            finding = self._argument(argument)
            if finding:
                written = argument.spelling or argument.values[0]
                quoted = f"{written}=" if argument.joined and not argument.values[0] else written
                yield Finding(finding.reason, f'{where}[{argument.index}]: "{quoted}": {finding.message}')

    def _argument(self, argument: Argument) -> Finding | None:
        flag = self.engine.flag_of(argument.spelling) if argument.spelling else None
        if flag is not None and flag in self.engine.reserved:
            return Finding("ReservedFlag", self.engine.reserved[flag])
        if problem := _syntax_problem(argument):
            return Finding("InvalidSpec", problem)
        known = self._known(argument.spelling)
        if not isinstance(known, Flag):
            return known
        problem = _value_problem(known, argument)
        return Finding("InvalidSpec", problem) if problem else None

    def _known(self, spelling: str, dashes: str = "--") -> Flag | Finding | None:
        """The flag of a spelling; what is wrong if there is none; None if that cannot be told.

        Args:
            spelling: with its dashes.
            dashes: before the names that a message tells.
        """
        if self.table is None or self.table.says_all(spelling):
            return None
        name = spelling.lstrip("-")
        found = self.table.find(name) or self.table.find(self.engine.aliases.get(name, name))
        if found is not None:
            if self.table.takes(spelling) or spelling.removeprefix("--") in self.engine.aliases:
                return found
            return Finding("InvalidSpec", f"{self.table} does not know this spelling; write {dashes}{found.name}")
        if self.allow_unknown or (self.simulated and name.startswith(_SIMULATED)):
            return None
        meant = self.table.closest(name)
        hint = f"; did you mean {dashes}{meant}?" if meant else ""
        return Finding(
            "UnknownFlag",
            f"{self.table} has no such flag{hint} (if your image's engine has it, set runtime.allowUnknownFlags: true)",
        )

    def parameters(self, parameters: Sequence[SearchParameter], fixed: Sequence[str]) -> Iterator[Finding]:
        """What is wrong with search parameters, each message beginning with `parameters[name]`.

        Args:
            parameters: of the task.
            fixed: its `runtime.extraArgs`, which must not set the same flags.
        """
        fixed_at = {flag: index for index, token in enumerate(fixed) if (flag := self.engine.flag_of(token))}
        seen: dict[str, str] = {}
        for parameter in parameters:
            where = f"parameters[{parameter.name}]"
            if parameter.variants is not None:
                yield from self._variants(parameter.variants, where, fixed_at)
                continue
            yield from self._parameter(parameter, where)
            flag = self.engine.canonical(parameter.name)
            if flag in seen:
                yield _wrong(where, f"is the same flag as parameters[{seen[flag]}]; remove one of them")
            if flag in fixed_at:
                yield _wrong(where, _FIXED.format(fixed_at[flag]))
            seen.setdefault(flag, parameter.name)

    def _variants(self, variants: Sequence[Variant], where: str, fixed_at: Mapping[str, int]) -> Iterator[Finding]:
        for variant in variants:
            inside = f"{where}.variants[{variant.name}].args"
            yield from self.arguments(variant.args, inside)
            for index, token in enumerate(variant.args):
                at = fixed_at.get(self.engine.flag_of(token) or "")
                if at is not None:
                    yield _wrong(f"{inside}[{index}]", _FIXED.format(at))

    def _parameter(self, parameter: SearchParameter, where: str) -> Iterator[Finding]:
        flag = self.engine.canonical(parameter.name)
        if flag in self.engine.reserved:
            yield Finding("ReservedFlag", f"{where}: {self.engine.reserved[flag]}")
            return
        known = self._known(f"--{parameter.name}", dashes="")
        if isinstance(known, Finding):
            yield Finding(known.reason, f"{where}: {known.message}")
        elif known is not None:
            yield from (_wrong(where, problem) for problem in _parameter_problems(known, parameter))
        if any("{{" in choice for choice in parameter.choices or []):
            yield _wrong(where, _TEMPLATE)


def _wrong(where: str, words: str) -> Finding:
    return Finding("InvalidSpec", f"{where}: {words}")


def _syntax_problem(argument: Argument) -> str | None:
    if not argument.spelling:
        return "not a flag: an argument begins with a dash, for example --name=value"
    if any(character.isspace() for character in argument.spelling):
        return f"flag and value are one argument: write {'='.join(argument.spelling.split(maxsplit=1))}"
    if argument.joined and not argument.values[0]:
        return "a value is missing"
    return None


def _value_problem(flag: Flag, argument: Argument) -> str | None:
    if not flag.takes_value:
        return "it is a switch and takes no value" if argument.values else None
    if not argument.values:
        return None if flag.kind == "list" else "a value is missing"
    if flag.kind == "list":
        return next((problem for value in argument.values if (problem := flag.refuses(value))), None)
    if len(argument.values) > 1:
        return f"it takes one value, not {len(argument.values)}"
    return flag.refuses(argument.values[0])


def _parameter_problems(flag: Flag, parameter: SearchParameter) -> Iterator[str]:
    if parameter.toggle:
        if flag.takes_value:
            yield "the flag takes a value and cannot be toggled; use values or choices"
        return
    if not flag.takes_value:
        yield "the flag is a switch and takes no value; use toggle: true"
        return
    if parameter.range is not None:
        if parameter.range.type == "Float" and flag.kind == "int":
            yield "the flag takes whole numbers; write range.type: Integer"
            return
        offered: dict[str, Sequence[Value]] = {"range.min": [parameter.range.min], "range.max": [parameter.range.max]}
    else:
        offered = {"values": parameter.values or [], "choices": parameter.choices or []}
    for part, values in offered.items():
        for value in values:
            if problem := flag.refuses(arguments.text(value)):
                yield f"{part}: {problem}"
