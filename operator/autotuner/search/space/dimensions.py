"""One parameter with the values that the search may choose from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from autotuner.api.parameters import Range, SearchParameter
from autotuner.engines.arguments import Value, text

# Finer steps than sixteenths of a range are lost in the noise of a measurement, and cost the search experiments.
RANGE_VALUES = 17
STEPS_MAX = 64


class DimensionError(Exception):
    """A parameter that gives no values; the text begins with the field below it."""


@dataclass(frozen=True)
class Dimension:
    """One parameter with its values.

    Attributes:
        name: of the flag, without dashes; of a word, for example `parallelism.tensor`.
        values: without repetition; None means unset, and comes first. A toggle's are False, True.
        ordered: neighbouring values are alike: they are numbers, all rising or all falling.
    """

    name: str
    values: tuple[Value | None, ...]
    ordered: bool

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Written value -> its place."""
        return {text(value): place for place, value in enumerate(self.values) if value is not None}

    @cached_property
    def unset(self) -> int | None:
        """The place of the value None."""
        return self.values.index(None) if None in self.values else None

    def typed(self, value: Value | None) -> Value | None:
        """A value that may be given as it is written; itself if it is none of these."""
        place = self.positions.get(value) if isinstance(value, str) else None
        return value if place is None else self.values[place]

    def nearest(self, wanted: Value) -> int | None:
        """The place of a value, or of the nearest number; None if there is neither."""
        if not self.ordered or isinstance(wanted, str | bool):
            return self.positions.get(text(wanted))
        numbers = [(place, value) for place, value in enumerate(self.values) if isinstance(value, int | float)]
        return min(numbers, key=lambda pair: abs(pair[1] - wanted))[0] if numbers else None


def of_parameter(parameter: SearchParameter) -> Dimension:
    """The dimension of a parameter.

    Raises:
        DimensionError: its range has no values, or too many.
    """
    if parameter.values is not None:
        return of_numbers(parameter.name, parameter.values, unset=parameter.allow_unset)
    if parameter.range is not None:
        return of_numbers(parameter.name, _of_range(parameter.range), unset=parameter.allow_unset, alike=False)
    if parameter.choices is not None:
        return Dimension(parameter.name, (*_none(parameter.allow_unset), *dict.fromkeys(parameter.choices)), False)
    if parameter.variants is not None:
        return Dimension(parameter.name, tuple(variant.name for variant in parameter.variants), False)
    return Dimension(parameter.name, (False, True), False)


def of_numbers(name: str, numbers: Iterable[int | float], *, unset: bool = False, alike: bool = True) -> Dimension:
    """A dimension of numbers, sorted unless they already rise or fall.

    Args:
        name: of the dimension.
        numbers: its values.
        unset: whether None is one more.
        alike: make whole numbers int if all of them are whole (an API server gives 1.0 back as 1), else all float.
    """
    given = list({text(number): number for number in numbers}.values())
    if alike:
        whole = all(float(number).is_integer() for number in given)
        given = [int(number) if whole else float(number) for number in given]
    rising = sorted(given)
    ordered = given if given in (rising, rising[::-1]) else rising
    return Dimension(name, (*_none(unset), *ordered), True)


def _none(unset: bool) -> tuple[None, ...]:
    return (None,) if unset else ()


def _of_range(given: Range) -> Sequence[int | float]:
    """The values of a range: at most 17, or those of the step; both bounds included, the upper one if on a step."""
    _check_bounds(given)
    if given.step is not None:
        numbers = _steps(given, Decimal(repr(given.step)))
    elif given.scale == "Log":
        ratio = given.max / given.min
        numbers = _between(given, [given.min * ratio ** (k / (RANGE_VALUES - 1)) for k in range(1, RANGE_VALUES - 1)])
    else:
        width = given.max - given.min
        numbers = _between(given, [given.min + width * k / (RANGE_VALUES - 1) for k in range(1, RANGE_VALUES - 1)])
    if given.type == "Integer":
        return list(dict.fromkeys(round(number) for number in numbers))
    return list(dict.fromkeys(float(number) for number in numbers))


def _between(given: Range, inner: Sequence[float]) -> list[float]:
    """The bounds and what lies between them, floats at most six digits long: they are read by people."""
    short = [number if given.type == "Integer" else float(f"{number:.6g}") for number in inner]
    return [given.min, *(number for number in short if given.min < number < given.max), given.max]


def _steps(given: Range, step: Decimal) -> list[float]:
    low, high = Decimal(repr(given.min)), Decimal(repr(given.max))
    count = int((high - low) / step) + 1
    if count > STEPS_MAX:
        least = float((high - low) / (STEPS_MAX - 1))
        example = math.ceil(least) if given.type == "Integer" else float(f"{least * 1.01:.2g}")
        raise DimensionError(
            f"range.step: makes {count} values of which at most {STEPS_MAX} are searched; give a larger step, for"
            f" example {text(example)}, or none: then there are at most {RANGE_VALUES}"
        )
    return [float(low + k * step) for k in range(count)]


def _check_bounds(given: Range) -> None:
    """Check what the CRD's rules say too, for specs that never met an API server, and what whole numbers add."""
    if given.min >= given.max:
        raise DimensionError("range.max: max must be above min")
    if given.scale == "Log" and given.min <= 0:
        raise DimensionError("range.min: a Log scale begins above 0")
    if given.scale == "Log" and given.step is not None:
        raise DimensionError("range.step: goes with scale Linear only")
    if given.step is not None and given.step <= 0:
        raise DimensionError("range.step: must be above 0")
    if given.type == "Integer":
        for name, number in (("min", given.min), ("max", given.max), ("step", given.step)):
            if number is not None and not float(number).is_integer():
                raise DimensionError(
                    f"range.{name}: {text(number)} is not whole, as type Integer says; write {round(number)},"
                    " or type Float"
                )
