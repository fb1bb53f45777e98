"""The search space: every combination of the parameters' values, numbered but never listed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from typing import Any

from autotuner import engines
from autotuner.api.common import EngineName, EnvironmentVariable, Parameter
from autotuner.api.parameters import SearchParameter
from autotuner.api.task import TaskSpec
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
class Facts:
    """What is known around a space; None where nothing is.

    Attributes:
        model: spec of the model.
        command: the runtime's command, which configurations do not change.
        accelerators: the most that a node holds.
        memory_mib: of one accelerator.
    """

    model: Mapping[str, Any]
    command: tuple[str, ...] = ()
    accelerators: int | None = None
    memory_mib: int | None = None


@dataclass(frozen=True)
class Rendered:
    """A configuration as the engine gets it."""

    args: tuple[str, ...]
    env: tuple[EnvironmentVariable, ...]


@dataclass(frozen=True)
class Space:
    """All configurations, numbered in mixed radix with the last parameter fastest."""

    dimensions: tuple[Dimension, ...]

    engine: EngineName = "Custom"
    fixed: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: TaskSpec, engine: EngineName, *, fixed: Sequence[str], facts: Facts) -> Space:  # noqa: ARG003
        """The space of a task."""
        return cls(tuple(_dimension(parameter) for parameter in spec.parameters), engine, tuple(fixed))

    @property
    def exact(self) -> bool:
        """Whether the size is counted."""
        return True

    @property
    def numbers(self) -> int:
        """Numbers that `at` accepts."""
        return self.size

    @property
    def removed(self) -> tuple[tuple[str, int], ...]:
        """What each rule removed."""
        return ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the space."""
        return ()

    def render(self, configuration: Configuration) -> Rendered:
        """The complete argument list and environment of a configuration."""
        return Rendered(tuple(engines.get(self.engine).compose(self.fixed, configuration)), ())

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
