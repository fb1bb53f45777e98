"""What an engine is to the tuner: a few tables about its command line, and the questions they answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from autotuner.api.common import EngineName
from autotuner.api.parameters import SearchParameter
from autotuner.engines import arguments, checks, diagnosis
from autotuner.engines.arguments import Argument, Value
from autotuner.engines.diagnosis import Diagnosis


@dataclass(frozen=True)
class Engine:
    """An engine's command line. Flags are named without dashes and with `-` for `_` (`mem-fraction-static`).

    Attributes:
        name: as in the API.
        aliases: another spelling of a flag -> the flag.
        short: names that the engine knows with a single dash only.
        degrees: flags whose product is the number of accelerators.
        folded: a switch -> the degree that no longer multiplies while the switch is on.
        reserved: flags that users must not set -> what to do instead.
        negatable: a switch has a `--no-` form, and false is written as that.
        known: flags worth recognising in an error message.
    """

    name: EngineName
    aliases: Mapping[str, str]
    short: frozenset[str]
    degrees: tuple[str, ...]
    folded: Mapping[str, str]
    reserved: Mapping[str, str]
    negatable: bool
    known: frozenset[str]

    def canonical(self, name: str) -> str:
        """The one name for all spellings of a flag, given without leading dashes."""
        name = name.replace("_", "-")
        if self.negatable:
            name = name.removeprefix("no-")
        return self.aliases.get(name, name)

    def flag_of(self, token: str) -> str | None:
        """The canonical name of the flag that a token begins with; None for a value."""
        if not arguments.is_flag(token):
            return None
        return self.canonical(token.partition("=")[0].lstrip("-"))

    def render(self, configuration: Mapping[str, Value]) -> list[str]:
        """The configuration as arguments, in its order.

        True is the bare flag; False is the `--no-` form where the engine has one, else nothing.
        """
        return [token for name, value in configuration.items() for token in self._render_one(name, value)]

    def _render_one(self, name: str, value: Value) -> list[str]:
        if value is True or value == "":
            return [f"--{name}"]
        if value is not False:
            return [f"--{name}={arguments.text(value)}"]
        if not self.negatable:
            return []
        return [f"--{name.removeprefix('no-')}" if name.startswith("no-") else f"--no-{name}"]

    def merge(self, *lists: Sequence[str]) -> list[str]:
        """Merge argument lists flag by flag, later ones winning; all spellings of a flag count as that flag."""
        return arguments.merge(lists, self._identity)

    def compose(self, fixed: Sequence[str], configuration: Mapping[str, Value]) -> list[str]:
        """Fixed arguments under a configuration: merged, and a switch that is off is off although `fixed` has it on."""
        off = {self.canonical(name) for name, value in configuration.items() if value is False}
        kept = [
            token
            for argument in arguments.parse(self.merge(fixed))
            if self._identity(argument) not in off
            for token in arguments.tokens(argument)
        ]
        return self.merge(kept, self.render(configuration))

    def _identity(self, argument: Argument) -> str:
        return self.flag_of(argument.spelling) or ""

    def accelerators(self, args: Sequence[str], command: Sequence[str] = ()) -> int:
        """Accelerators of one engine with these arguments, at least 1: the product of its parallel degrees.

        A malformed degree counts as 1: the engine itself will refuse it. Arguments come after the command's own.
        """
        given = {self._identity(argument): argument for argument in arguments.parse([*command, *args])}
        folded = {degree for switch, degree in self.folded.items() if switch in given}
        count = 1
        for degree in self.degrees:
            if degree in given and degree not in folded:
                count *= _degree(given[degree])
        return count

    def problems(self, args: Sequence[str], where: str) -> list[str]:
        """What is wrong with arguments that a user wrote, one message each, beginning with `where[index]`."""
        return checks.argument_problems(args, where, self.flag_of, self.reserved)

    def parameter_problems(self, parameters: Sequence[SearchParameter], fixed: Sequence[str] = ()) -> list[str]:
        """What is wrong with the search parameters, one message each, beginning with `parameters[name]`.

        Args:
            parameters: of the task.
            fixed: its `runtime.extraArgs`, which must not set the same flags.
        """
        return checks.parameter_problems(parameters, fixed, self)

    def diagnose(self, log: str, exit_code: int | None) -> Diagnosis | None:
        """Why the engine ended, by its last words; None if nothing says so and it did not fail."""
        return diagnosis.diagnose(log, exit_code, self._spellings)

    @cached_property
    def _spellings(self) -> frozenset[str]:
        return self.known | frozenset(self.aliases) | frozenset(self.degrees) | frozenset(self.folded)


def _degree(argument: Argument) -> int:
    text = argument.values[0] if len(argument.values) == 1 else ""
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,5}", text) else 1
