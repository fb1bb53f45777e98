"""One point of the search space, and what it means on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from autotuner.api.common import EnvironmentVariable, Parameter
from autotuner.engines.arguments import Value, text


@dataclass(frozen=True, eq=False)
class Configuration(Mapping[str, Value]):
    """One value for each parameter that is active and set, in the order of the space.

    Two are equal when they are written alike: an API server may give back 1.0 as 1.
    """

    pairs: tuple[tuple[str, Value], ...]

    @cached_property
    def _values(self) -> Mapping[str, Value]:
        return dict(self.pairs)

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self.pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Configuration) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def key(self) -> str:
        """The unambiguous text of a configuration."""
        return self._key

    @cached_property
    def _key(self) -> str:
        return json.dumps([[name, text(value)] for name, value in self.pairs], separators=(",", ":"))

    def parameters(self) -> list[Parameter]:
        """The configuration as an experiment's `spec.parameters`; `Space.read` is the way back."""
        return [Parameter(name=name, value=text(value)) for name, value in self.pairs]


@dataclass(frozen=True)
class Rendered:
    """A configuration as the engine gets it.

    Attributes:
        args: the complete argument list, fixed arguments included.
        env: what the configuration itself sets; stronger than fixed variables of the same name.
    """

    args: tuple[str, ...]
    env: tuple[EnvironmentVariable, ...] = ()
