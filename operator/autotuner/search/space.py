"""The search space: every combination of the parameters' values, numbered but never listed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from autotuner.api.common import Parameter
from autotuner.api.parameters import SearchParameter
from autotuner.engines.arguments import Value, text


@dataclass(frozen=True, eq=False)
class Configuration(Mapping[str, Value]):
    """One value for each parameter, in the order of the task.

    Two are equal when they are written alike: an API server may give back 1.0 as 1.
    """

    pairs: tuple[tuple[str, Value], ...]

    def __getitem__(self, name: str) -> Value:
        return dict(self.pairs)[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Configuration) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def key(self) -> str:
        """Its unambiguous text."""
        return json.dumps([[name, text(value)] for name, value in self.pairs], separators=(",", ":"))

    def parameters(self) -> list[Parameter]:
        """As an experiment's `spec.parameters`; `Space.read` is the way back."""
        return [Parameter(name=name, value=text(value)) for name, value in self.pairs]


@dataclass(frozen=True)
class Dimension:
    """One parameter with its values in the user's order.

    Attributes:
        name: of the flag, without dashes.
        values: without repetition; a toggle's are False, True.
        ordered: whether neighbouring values are alike (numbers), or just different.
    """

    name: str
    values: tuple[Value, ...]
    ordered: bool

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Written value -> its place."""
        return {text(value): place for place, value in enumerate(self.values)}


@dataclass(frozen=True)
class Space:
    """All configurations, numbered in mixed radix with the last parameter fastest."""

    dimensions: tuple[Dimension, ...]

    @classmethod
    def of(cls, parameters: Sequence[SearchParameter]) -> Space:
        """The space of a task's parameters."""
        return cls(tuple(_dimension(parameter) for parameter in parameters))

    @cached_property
    def size(self) -> int:
        """Number of configurations."""
        return math.prod(len(dimension.values) for dimension in self.dimensions)

    def at(self, index: int) -> Configuration:
        """The configuration of a number.

        Raises:
            IndexError: not in 0 .. size - 1.
        """
        if not 0 <= index < self.size:
            raise IndexError(f"{index} is not below {self.size}, the number of configurations")
        pairs: list[tuple[str, Value]] = []
        for dimension in reversed(self.dimensions):
            index, place = divmod(index, len(dimension.values))
            pairs.append((dimension.name, dimension.values[place]))
        return Configuration(tuple(reversed(pairs)))

    def index(self, configuration: Mapping[str, Value]) -> int:
        """The number of a configuration.

        Raises:
            ValueError: it is not one of this space.
        """
        number = self._number({name: text(value) for name, value in configuration.items()})
        if number is None:
            raise ValueError(f"not a configuration of this space: {dict(configuration)}")
        return number

    def __contains__(self, configuration: Mapping[str, Value]) -> bool:
        return self._number({name: text(value) for name, value in configuration.items()}) is not None

    def read(self, parameters: Iterable[Parameter]) -> Configuration | None:
        """The configuration that an experiment's `spec.parameters` name, whatever their order; None if of no such."""
        number = self._number({parameter.name: parameter.value for parameter in parameters})
        return None if number is None else self.at(number)

    def _number(self, written: Mapping[str, str]) -> int | None:
        if written.keys() != {dimension.name for dimension in self.dimensions}:
            return None
        number = 0
        for dimension in self.dimensions:
            place = dimension.positions.get(written[dimension.name])
            if place is None:
                return None
            number = number * len(dimension.values) + place
        return number


def _dimension(parameter: SearchParameter) -> Dimension:
    if parameter.values is not None:
        return Dimension(parameter.name, tuple(parameter.values), ordered=True)
    if parameter.choices is not None:
        return Dimension(parameter.name, tuple(parameter.choices), ordered=False)
    return Dimension(parameter.name, (False, True), ordered=False)
