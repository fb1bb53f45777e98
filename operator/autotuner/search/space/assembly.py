"""From a task's spec to the pieces of its space: dimensions, what they write, and what forbids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotuner import engines
from autotuner.api.common import EngineName
from autotuner.api.parameters import Constraint, Parallelism, Quantization, SearchParameter, StartPoint
from autotuner.engines.arguments import Value
from autotuner.search.space import command_line, parallelism_and_precision, rules
from autotuner.search.space.activity import INACTIVE, Activity, switches
from autotuner.search.space.cluster_facts import Facts
from autotuner.search.space.command_line import CommandLine, Effect, Values, Writer
from autotuner.search.space.dimensions import Dimension, DimensionError, of_parameter
from autotuner.search.space.expressions import field_name
from autotuner.search.space.parallelism_and_precision import Section
from autotuner.search.space.rules import Rule
from autotuner.validation_messages import Finding, Kind


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
        """The offer as JSON."""
        models = {
            "parameters": self.parameters,
            "constraints": self.constraints,
            "parallelism": [self.parallelism] if self.parallelism else [],
            "quantization": [self.quantization] if self.quantization else [],
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
        usual: flag -> about what the engine takes when nobody sets it.
        findings: what is wrong with the task's words; what they concern is left out.
    """

    engine: engines.Engine
    dimensions: tuple[Dimension, ...]
    writers: tuple[Writer, ...]
    activity: Activity
    rules: tuple[Rule, ...]
    line: CommandLine
    usual: Mapping[str, Value]
    findings: tuple[Finding, ...]

    def effect(self, writer: Writer, places: Sequence[int] | Mapping[int, int]) -> Effect:
        """The effect of a writer at settled places."""
        return writer.effect(self.values(writer, places))

    def values(self, writer: Writer, places: Sequence[int] | Mapping[int, int]) -> Values:
        """The values that a writer is asked for at settled places: None for what is unset or inactive."""
        return tuple([self._value(number, places[number]) for number in writer.reads])

    def _value(self, number: int, place: int) -> Value | None:
        return None if place == INACTIVE else self.dimensions[number].values[place]

    def complaints(self) -> Iterable[Finding]:
        """The findings about rules that could not be answered somewhere; known once the space has been worked out."""
        for switch in self.activity.switches:
            field = f"parameters[{self.dimensions[switch.dimension].name}].when"
            yield from (Finding(field, Kind.RULE_WRONG, {"complaint": each}) for each in switch.complaints)
        for rule in self.rules:
            if rule.complaint:
                yield Finding(f"{rule.name}.rule", Kind.RULE_WRONG, {"complaint": rule.complaint})


@dataclass
class _Pieces:
    """The pieces of a space while they are collected."""

    dimensions: list[Dimension] = field(default_factory=list)
    writers: list[Writer] = field(default_factory=list)
    conditions: dict[int, str] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def assemble(offer: Offer, which: EngineName | engines.EngineVersion, fixed: Sequence[str], facts: Facts) -> Assembly:
    """The pieces of the space of an offer.

    Args:
        offer: of the task.
        which: engine.
        fixed: arguments of every configuration: the runtime's own, and the task's.
        facts: about model and cluster.
    """
    engine = engines.get(which)
    line = CommandLine(engine, fixed, facts.command)
    pieces = _Pieces()
    _add_parameters(pieces, offer.parameters, engine)
    if offer.parallelism is not None:
        section = parallelism_and_precision.of_parallelism(offer.parallelism, engine, facts)
        _add_section(pieces, section, engine, line, offer.extra_args)
    if offer.quantization is not None:
        section = parallelism_and_precision.of_quantization(offer.quantization, engine, facts)
        _add_section(pieces, section, engine, line, offer.extra_args)
    if not pieces.dimensions and not pieces.findings:
        pieces.findings.append(Finding("parameters", Kind.NOTHING_TO_SEARCH))
    if pieces.conditions or offer.constraints:
        pieces.findings += _names_alike(pieces.dimensions)
    on_and_off, wrong = switches(pieces.conditions, pieces.dimensions)
    constraints, wrong_too = rules.of_constraints(offer.constraints, pieces.dimensions)
    writers = command_line.separated(pieces.writers)
    flag_rules = rules.CommandLineRules(line, writers, pieces.dimensions)
    return Assembly(
        engine,
        tuple(pieces.dimensions),
        tuple(writers),
        Activity(on_and_off),
        (*pieces.rules, *constraints, *(_of_command_lines(engine, flag_rules, facts) if facts.arguments_known else ())),
        line,
        engine.usual(engines.Accelerator(facts.memory_mib, facts.product)),
        (*pieces.findings, *wrong, *wrong_too),
    )


def _of_command_lines(engine: engines.Engine, flag_rules: rules.CommandLineRules, facts: Facts) -> Iterator[Rule]:
    """The rules about complete command lines."""
    yield from rules.of_engine(engine, flag_rules)
    yield from rules.of_model(engine, flag_rules, facts)
    yield from rules.of_traffic(engine, flag_rules, facts)
    yield from rules.of_hardware(engine, flag_rules, facts)


def _add_parameters(pieces: _Pieces, parameters: Sequence[SearchParameter], engine: engines.Engine) -> None:
    for parameter in parameters:
        try:
            dimension = of_parameter(parameter)
        except DimensionError as error:
            part, _, mistake = str(error).partition(": ")
            pieces.findings.append(
                Finding(f"parameters[{parameter.name}].{part}", Kind.RANGE_WRONG, {"mistake": mistake})
            )
            continue
        number = len(pieces.dimensions)
        if parameter.when is not None:
            pieces.conditions[number] = parameter.when
        pieces.writers.append(command_line.of_parameter(number, parameter, engine))
        pieces.dimensions.append(dimension)


def _add_section(
    pieces: _Pieces, section: Section, engine: engines.Engine, line: CommandLine, extra_args: Sequence[str]
) -> None:
    """Add the words' dimensions; they must not set what a parameter or the task's fixed arguments set."""
    if (reason := section.illegal({})) is not None:  # the engine has no flags for any of these words
        pieces.findings.append(Finding(section.name, Kind.WORDS_WITHOUT_FLAGS, {"explanation": reason}))
        return
    dimensions = section.dimensions()
    if not dimensions:
        return
    twice = {one.name for one in pieces.dimensions} & {one.name for one in dimensions}
    if twice:
        details = {"section": section.name}
        pieces.findings += [Finding(f"parameters[{name}]", Kind.WORD_AND_PARAMETER, details) for name in twice]
        return
    first = len(pieces.dimensions)
    writer = section.writer(first, engine, line.known.keys())
    for other in pieces.writers:
        for flag in sorted(other.touches & writer.touches):
            field = f"parameters[{pieces.dimensions[other.reads[0]].name}]"
            pieces.findings.append(Finding(field, Kind.FLAG_OF_WORDS, {"flag": flag, "section": section.name}))
    for index, token in enumerate(extra_args):
        if engine.flag_of(token) in writer.touches:
            details = {"argument": token, "section": section.name}
            pieces.findings.append(Finding(f"runtime.extraArgs[{index}]", Kind.ARGUMENT_OF_WORDS, details))
    pieces.dimensions += dimensions
    pieces.writers.append(writer)
    pieces.rules += section.rules(first, pieces.dimensions)


def _names_alike(dimensions: Sequence[Dimension]) -> list[Finding]:
    seen: dict[str, str] = {}
    findings = []
    for dimension in dimensions:
        name = field_name(dimension.name)
        if name in seen:
            details = {"other": seen[name], "name": name}
            findings.append(Finding(f"parameters[{dimension.name}]", Kind.NAMES_ALIKE, details))
        seen.setdefault(name, dimension.name)
    return findings
