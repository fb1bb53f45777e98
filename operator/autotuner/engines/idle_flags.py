"""Flags that have no effect while others say so: what an engine reads and then never asks for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from autotuner.engines.combination_rules import Flags


@dataclass(frozen=True)
class IdleFlags:
    """Flags of an engine with the condition under which they do nothing.

    Attributes:
        names: canonical; one that ends with a dash means all flags that begin so.
        reads: canonical flags that decide.
        idle: whether they do nothing; canonical flag -> value, `true` for a bare switch and `false` for its `--no-`
            form, of all that is set.
    """

    names: tuple[str, ...]
    reads: frozenset[str]
    idle: Callable[[Flags], bool]

    def concerns(self, flag: str) -> bool:
        """Whether a flag is one of them."""
        return any(flag == name or (name.endswith("-") and flag.startswith(name)) for name in self.names)


def idle_while(condition: Callable[[Flags], bool], reads: Sequence[str], *names: str) -> IdleFlags:
    """The flags named, which do nothing while a condition on the flags that it reads is true."""
    return IdleFlags(names, frozenset(reads), condition)


class EffectiveFlags:
    """Which of the flags that are searched have an effect: those neither at their known default nor idle.

    Attributes:
        all_have: whether all have in any case.
    """

    def __init__(self, table: Sequence[IdleFlags], defaults: Flags, searched: Collection[str]) -> None:
        """Look up what concerns some flags.

        Args:
            table: of the engine.
            defaults: those that are known for certain, as they are written.
            searched: canonical flags.
        """
        concerned = [(one.idle, frozenset(filter(one.concerns, searched))) for one in table]
        self._idle = [(idle, flags) for idle, flags in concerned if flags]
        self._defaults = {flag: value for flag, value in defaults.items() if flag in searched}
        self._searched = tuple(sorted(searched))
        self.all_have = not self._idle and not self._defaults

    def of(self, flags: Flags) -> dict[str, str]:
        """The searched flags that have an effect.

        Args:
            flags: canonical flag -> its value as it is written, of all that is set.
        """
        off: set[str] = set()
        for idle, concerned in self._idle:
            if not concerned.isdisjoint(flags) and idle(flags):
                off |= concerned
        defaults = self._defaults
        return {
            flag: flags[flag]
            for flag in self._searched
            if flag in flags and flag not in off and defaults.get(flag) != flags[flag]
        }
