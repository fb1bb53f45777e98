"""From a task's words to the pieces of its space: dimensions, what they write, and what forbids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotuner import engines
from autotuner.api.common import EngineName
from autotuner.api.parameters import Constraint, Parallelism, Quantization, SearchParameter, StartPoint
from autotuner.search import effects, rules
from autotuner.search.activity import INACTIVE, Activity, switches
from autotuner.search.conditions import field_name
from autotuner.search.dimensions import Dimension, DimensionError, of_parameter
from autotuner.search.effects import CommandLine, Effect, Values, Writer
from autotuner.search.rules import FlagRules, Rule


@dataclass(frozen=True)
class Facts:
    """What is known about model and cluster, as far as it rules configurations out.

    Attributes:
        model: the spec of the OME model; empty if unknown.
        memory_mib: of the largest GPU that experiments may get; None if unknown.
        accelerators: the most that one node could ever give; None if unknown.
        longest_prompt: of the benchmark, in tokens; None if unknown.
        command: of the runtime's container, which may hold flags too.
    """

    model: Mapping[str, Any] = field(default_factory=dict)
    memory_mib: float | None = None
    accelerators: int | None = None
    longest_prompt: int | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Offer:
    """What a task offers to the search."""

    parameters: tuple[SearchParameter, ...]
    constraints: tuple[Constraint, ...] = ()
    parallelism: Parallelism | None = None
    quantization: Quantization | None = None
    start_points: tuple[StartPoint, ...] = ()
    extra_args: tuple[str, ...] = ()

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        models = {
            "parameters": self.parameters,
            "constraints": self.constraints,
            "words": [one for one in (self.parallelism, self.quantization) if one],
            "startPoints": self.start_points,
        }
        return {name: [one.dump() for one in given] for name, given in models.items()} | {"extra": self.extra_args}


@dataclass(frozen=True)
class Assembly:
    """The pieces of a space.

    Attributes:
        engine: whose flags they are.
        dimensions: all of them.
        writers: of the dimensions; no two touch the same flag.
        activity: the `when` conditions.
        rules: all that forbids, in the order in which they are asked.
        line: the fixed arguments.
        problems: what is wrong with the task's words; what they concern is left out.
    """

    engine: engines.Engine
    dimensions: tuple[Dimension, ...]
    writers: tuple[Writer, ...]
    activity: Activity
    rules: tuple[Rule, ...]
    line: CommandLine
    problems: tuple[str, ...]

    def effect(self, writer: Writer, places: Sequence[int] | Mapping[int, int]) -> Effect:
        """What a writer does at settled places."""
        return writer.effect(self.values(writer, places))

    def values(self, writer: Writer, places: Sequence[int] | Mapping[int, int]) -> Values:
        """What a writer is asked at settled places: None for what is unset or inactive."""
        return tuple([self._value(number, places[number]) for number in writer.reads])

    def _value(self, number: int, place: int) -> engines.Value | None:
        return None if place == INACTIVE else self.dimensions[number].values[place]

    def complaints(self) -> Iterable[str]:
        """Rules that could not be answered somewhere; known once the space has been worked out."""
        for switch in self.activity.switches:
            yield from (
                f"parameters[{self.dimensions[switch.dimension].name}].when: {one}" for one in switch.complaints
            )
        yield from (f"{rule.name}.rule: {rule.complaint}" for rule in self.rules if rule.complaint)


def assemble(offer: Offer, name: EngineName, fixed: Sequence[str], facts: Facts) -> Assembly:
    """Read a task's words.

    Args:
        offer: of the task.
        name: of the engine.
        fixed: arguments of every configuration: the runtime's own, and the task's.
        facts: about model and cluster.
    """
    engine = engines.get(name)
    problems: list[str] = []
    dimensions: list[Dimension] = []
    writers: list[Writer] = []
    conditions: dict[int, str] = {}
    for parameter in offer.parameters:
        try:
            dimension = of_parameter(parameter)
        except DimensionError as error:
            problems.append(f"parameters[{parameter.name}].{error}")
            continue
        if parameter.when is not None:
            conditions[len(dimensions)] = parameter.when
        writers.append(effects.of_parameter(len(dimensions), parameter, engine))
        dimensions.append(dimension)
    line = CommandLine(engine, fixed)
    problems += _names_alike(dimensions) if conditions or offer.constraints else []
    separate = effects.separated(writers)
    flag_rules = FlagRules(line, separate, dimensions)
    constraints, wrong = rules.of_constraints(offer.constraints, dimensions)
    on_and_off, wrong_conditions = switches(conditions, dimensions)
    return Assembly(
        engine,
        tuple(dimensions),
        tuple(separate),
        Activity(on_and_off),
        (*constraints, *_of_hardware(engine, flag_rules, facts)),
        line,
        (*problems, *wrong_conditions, *wrong),
    )


def _names_alike(dimensions: Sequence[Dimension]) -> list[str]:
    seen: dict[str, str] = {}
    problems = []
    for dimension in dimensions:
        name = field_name(dimension.name)
        if name in seen:
            problems.append(
                f"parameters[{dimension.name}]: rules cannot tell it from {seen[name]}, both are p.{name}; write rules"
                " without them, or search only one of them"
            )
        seen.setdefault(name, dimension.name)
    return problems


def _of_hardware(engine: engines.Engine, flag_rules: FlagRules, facts: Facts) -> list[Rule]:
    found = []
    if facts.accelerators is not None:
        found.append(rules.accelerators(engine, flag_rules, facts.accelerators))
    return found
