"""What can be told wrong about flags before a GPU is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from autotuner.api.parameters import SearchParameter
from autotuner.engines import arguments
from autotuner.engines.arguments import Argument

_TEMPLATE = 'OME would expand "{{" as a template; write the value without it'


class Flags(Protocol):
    """What the checks ask of an engine."""

    @property
    def reserved(self) -> Mapping[str, str]:
        """Flags that users must not set -> what to do instead."""

    @property
    def short(self) -> frozenset[str]:
        """Names that the engine knows with a single dash only."""

    def canonical(self, name: str) -> str:
        """One name for all spellings of a flag."""

    def flag_of(self, token: str) -> str | None:
        """The flag that a token begins with."""


def argument_problems(
    args: Sequence[str], where: str, flag_of: Callable[[str], str | None], reserved: Mapping[str, str]
) -> list[str]:
    """Messages about a list of arguments; `where` names its field."""
    found = [f"{where}[{index}]: {_TEMPLATE}" for index, token in enumerate(args) if "{{" in token]
    for argument in arguments.parse(args):
        flag = flag_of(argument.spelling) if argument.spelling else None
        problem = reserved.get(flag or "") or _syntax_problem(argument)
        if problem:
            written = argument.spelling or argument.values[0]
            quoted = f"{written}=" if argument.joined and not argument.values[0] else written
            found.append(f'{where}[{argument.index}]: "{quoted}": {problem}')
    return found


def _syntax_problem(argument: Argument) -> str | None:
    if not argument.spelling:
        return "not a flag: an argument begins with a dash, for example --name=value"
    if any(character.isspace() for character in argument.spelling):
        return f"flag and value are one argument: write {'='.join(argument.spelling.split(maxsplit=1))}"
    if argument.joined and not argument.values[0]:
        return "a value is missing"
    return None


def parameter_problems(parameters: Sequence[SearchParameter], fixed: Sequence[str], flags: Flags) -> list[str]:
    """Messages about search parameters; see `Engine.parameter_problems`."""
    found: list[str] = []
    fixed_at = {flags.flag_of(token): index for index, token in enumerate(fixed)}
    seen: dict[str, str] = {}
    for parameter in parameters:
        flag = flags.canonical(parameter.name)
        where = f"parameters[{parameter.name}]"
        if flag in flags.reserved:
            found.append(f"{where}: {flags.reserved[flag]}")
        if parameter.name in flags.short:
            found.append(f"{where}: the engine knows this as -{parameter.name} only; write {flag}")
        if flag in seen:
            found.append(f"{where}: is the same flag as parameters[{seen[flag]}]; remove one of them")
        if flag in fixed_at:
            found.append(f"{where}: the flag is also in runtime.extraArgs[{fixed_at[flag]}]; remove one of them")
        if any("{{" in choice for choice in parameter.choices or []):
            found.append(f"{where}: {_TEMPLATE}")
        seen.setdefault(flag, parameter.name)
    return found
