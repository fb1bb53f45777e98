"""Search spaces of random parameters, a few of which matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autotuner.api.parameters import Constraint, SearchParameter
from autotuner.search.space.assembly import Offer, assemble
from autotuner.search.space.cluster_facts import Facts
from autotuner.search.space.dimensions import Dimension, of_parameter
from autotuner.search.space.expressions import field_name
from autotuner.search.space.space import Space
from tests.benchmarks.search.surfaces import Floats

Bools = npt.NDArray[np.bool_]

_PARAMETERS, _ACTIVE = (4, 20), (3, 7)
_INERT_MOST = 15
_NUMBERS, _CATEGORIES = (3, 17), (2, 6)
_ROWS_LEAST, _ROWS_MOST = 200, (1_000, 40_000)
_SPACE_MOST = 10**9
_STEPS = (0.01, 0.05, 1, 2, 16, 512)


@dataclass(frozen=True)
class Axis:
    """One parameter.

    Attributes:
        parameter: as a task offers it.
        dimension: what the search makes of it.
        positions: where each place lies, 0 to 1; neighbours of a number need not be equally far apart.
    """

    parameter: SearchParameter
    dimension: Dimension
    positions: Floats

    @property
    def readable(self) -> bool:
        """Whether a condition can ask for its value: there always is one."""
        return self.dimension.unset is None and self.parameter.when is None


@dataclass(frozen=True)
class Grid:
    """A space, and all combinations of the values that matter: its rows, the last parameter fastest.

    Attributes:
        space: with all parameters.
        active: the dimensions that matter, ascending.
        ordered: whether they are numbers.
        places: (rows, active) on the dimensions' lists.
        positions: (rows, active) 0 to 1.
        on: (rows, active) whether the parameter's condition holds.
        listed: (rows,) whether the space has it, and no other row means the same.
        kinds: what the space has: inert, conditional, constraint.
    """

    space: Space
    active: tuple[int, ...]
    ordered: tuple[bool, ...]
    places: npt.NDArray[np.intp]
    positions: Floats
    on: Bools
    listed: Bools
    kinds: tuple[str, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(self.space.dimensions[one].values) for one in self.active)


def random_grid(generator: np.random.Generator) -> Grid:
    """A space of 4 to 20 parameters, 3 to 7 of which matter, and at most 40,000 combinations of these."""
    shapes, matters = _shapes(generator)
    axes = [_axis(generator, number, *shape) for number, shape in enumerate(shapes)]
    active = tuple(np.flatnonzero(matters).tolist())
    switched = _switch(generator, axes, active)
    rows = list(np.ndindex(*(len(axes[one].dimension.values) for one in active)))
    places = np.array(rows, dtype=np.intp)
    on = np.ones(places.shape, dtype=np.bool_)
    for target, (source, holds) in switched.items():
        on[:, active.index(target)] = holds[places[:, active.index(source)]]
    listed = (on | (places == 0)).all(axis=1)
    constraints, kept = _constrain(generator, axes, active, places)
    offer = Offer(tuple(one.parameter for one in axes), constraints)
    kinds = {"inert": len(axes) > len(active), "conditional": bool(switched), "constraint": bool(constraints)}
    return Grid(
        Space(assemble(offer, "Custom", (), Facts()), offer),
        active,
        tuple(axes[one].dimension.ordered for one in active),
        places,
        np.stack([axes[one].positions[places[:, column]] for column, one in enumerate(active)], axis=1),
        on,
        listed & kept,
        tuple(name for name, has in kinds.items() if has),
    )


def _shapes(generator: np.random.Generator) -> tuple[list[tuple[str, int]], Bools]:
    """Sort and number of values of each parameter, in random order, and which ones matter."""
    active = int(generator.integers(_ACTIVE[0], _ACTIVE[1] + 1))
    least = max(_PARAMETERS[0], active)
    plain = generator.random() < 0.25
    count = least if plain else int(generator.integers(least + 1, min(active + _INERT_MOST, _PARAMETERS[1]) + 1))
    kinds = generator.choice(["number", "category", "toggle"], size=count, p=[0.55, 0.25, 0.2]).tolist()
    kinds[:2] = ["number", "number"]
    ranges = {"number": _NUMBERS, "category": _CATEGORIES, "toggle": (2, 2)}
    sizes = [int(generator.integers(ranges[kind][0], ranges[kind][1] + 1)) for kind in kinds]
    floors = [ranges[kind][0] for kind in kinds]
    most = math.exp(generator.uniform(*np.log(_ROWS_MOST)))
    sizes[:active] = _shrunk(sizes[:active], floors[:active], most)
    while math.prod(sizes[:active]) < _ROWS_LEAST:
        sizes[0], sizes[1] = (sizes[0] + 1, sizes[1]) if sizes[0] < sizes[1] else (sizes[0], sizes[1] + 1)
    sizes[active:] = _shrunk(sizes[active:], floors[active:], _SPACE_MOST / math.prod(sizes[:active]))
    while math.prod(sizes) > _SPACE_MOST:
        sizes.pop()
    count = len(sizes)
    order = generator.permutation(count)
    return [(kinds[one], sizes[one]) for one in order], np.asarray(order < active)


def _shrunk(sizes: Sequence[int], floors: Sequence[int], most: float) -> list[int]:
    """Fewer values, until there are few enough combinations or none can have fewer."""
    found = list(sizes)
    while math.prod(found) > most:
        spare = [size - floor for size, floor in zip(found, floors, strict=True)]
        if max(spare) == 0:
            break
        found[int(np.argmax(spare))] -= 1
    return found


def _axis(generator: np.random.Generator, number: int, kind: str, size: int) -> Axis:
    if kind == "toggle":
        parameter = SearchParameter(name=f"with-{number}", toggle=True)
    elif kind == "category":
        unset = bool(size > 2 and generator.random() < 0.3)
        letters = "abcdef"[: size - unset]
        parameter = SearchParameter(
            name=f"mode-{number}", choices=[f"{letter}{number}" for letter in letters], allow_unset=unset
        )
    else:
        return _numbers(generator, f"size-{number}", size)
    return Axis(parameter, of_parameter(parameter), np.linspace(0, 1, size))


def _numbers(generator: np.random.Generator, name: str, size: int) -> Axis:
    """Doubled, in equal steps, or some of the doubled ones."""
    kind = int(generator.integers(3))
    if kind == 0:
        step = float(generator.choice(_STEPS))
        first = int(generator.integers(1, 5))
        values, rungs = [round(step * (first + one), 2) for one in range(size)], np.arange(size)
    else:
        rungs = np.arange(size) if kind == 1 else np.sort(generator.choice(size + size // 2 + 1, size, replace=False))
        values = [2.0 ** int(one) for one in rungs]
    parameter = SearchParameter(name=name, values=values)
    return Axis(parameter, of_parameter(parameter), np.asarray((rungs - rungs[0]) / (rungs[-1] - rungs[0])))


def _switch(generator: np.random.Generator, axes: list[Axis], active: Sequence[int]) -> dict[int, tuple[int, Bools]]:
    """Give some parameters conditions.

    Returns:
        For each one that matters and has a condition: what the condition asks for, and at which of its places it holds.
    """
    switched: dict[int, tuple[int, Bools]] = {}
    if generator.random() < 0.4:
        for target in generator.permutation(active)[: int(generator.integers(1, 3))].tolist():
            sources = [one for one in active if one != target and axes[one].readable]
            if not sources or any(target == source for source, _ in switched.values()):
                continue
            source = int(generator.choice(sources))
            text, holds = _condition(generator, axes[source])
            axes[target] = _with_condition(axes[target], text)
            switched[target] = (source, holds)
    for target in range(len(axes)):
        sources = [one for one in active if axes[one].readable]
        if target not in active and sources and generator.random() < 0.15:
            text, _ = _condition(generator, axes[int(generator.choice(sources))])
            axes[target] = _with_condition(axes[target], text)
    return switched


def _with_condition(axis: Axis, text: str) -> Axis:
    return Axis(axis.parameter.model_copy(update={"when": text}), axis.dimension, axis.positions)


def _condition(generator: np.random.Generator, axis: Axis) -> tuple[str, Bools]:
    """A condition in CEL about a parameter, and at which places it holds."""
    values = axis.dimension.values
    places, name = np.arange(len(values)), f"p.{field_name(axis.dimension.name)}"
    place = int(generator.integers(1, len(values)))
    if axis.dimension.ordered:
        return f"{name} >= {values[place]!r}", places >= place
    if axis.parameter.toggle:
        return name, places == 1
    return f'{name} == "{values[place]}"', places == place


def _constrain(
    generator: np.random.Generator, axes: Sequence[Axis], active: Sequence[int], places: npt.NDArray[np.intp]
) -> tuple[tuple[Constraint, ...], Bools]:
    """Perhaps a rule that two numbers must not both be high, and which rows keep it."""
    among = [column for column, one in enumerate(active) if axes[one].dimension.ordered and axes[one].readable]
    if len(among) < 2 or generator.random() > 0.3:
        return (), np.ones(len(places), dtype=np.bool_)
    parts, kept = [], np.zeros(len(places), dtype=np.bool_)
    for column in generator.permutation(among)[:2].tolist():
        dimension = axes[active[column]].dimension
        most = int(generator.integers(len(dimension.values) // 2, len(dimension.values) - 1))
        parts.append(f"p.{field_name(dimension.name)} <= {dimension.values[most]!r}")
        kept |= places[:, column] <= most
    return (Constraint(rule=" || ".join(parts), message="not both high"),), kept
