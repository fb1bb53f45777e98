"""What an engine refuses although each of its flags is right: rules over complete argument lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autotuner.engines.arguments import with_unit

Flags = Mapping[str, str]


@dataclass(frozen=True)
class FlagRule:
    """One rule of an engine about flags that it takes one by one.

    Attributes:
        name: as a status tells it.
        reads: canonical flags that decide.
        check: why these flags cannot run together, or None; canonical flag -> value, `true` for a bare switch and
            `false` for its `--no-` form.
    """

    name: str
    reads: frozenset[str]
    check: Callable[[Flags], str | None]


def rule(name: str, check: Callable[[Flags], str | None], *reads: str) -> FlagRule:
    """Make a rule that reads the canonical flags named."""
    return FlagRule(name, frozenset(reads), check)


def number(flags: Flags, flag: str) -> float | None:
    """The number that a flag says, also one with a unit (4k); None if it is not there or says none."""
    try:
        return float(flags[flag])
    except KeyError:
        return None
    except ValueError:
        return with_unit(flags[flag])


def is_on(flags: Flags, flag: str) -> bool:
    """Whether a switch is on."""
    return flags.get(flag) == "true"
