"""Checks of flags: does the engine know them, and is each complete argument list well-formed?"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import TypeAdapter, ValidationError

from autotuner import engines
from autotuner.api.common import Arguments
from autotuner.api.parameters import Parallelism, Quantization, SearchParameter
from autotuner.api.task import TaskSpec
from autotuner.engines import EngineVersion
from autotuner.engines.arguments import Value
from autotuner.engines.flag_table import order
from autotuner.policy.preflight.checked_task import Case
from autotuner.search.space import parallelism_and_precision
from autotuner.search.space.cluster_facts import Facts
from autotuner.validation_messages import Finding, Kind

_SOURCES = {"engine": "the running engine's own word", "task": "runtime.version", "tag": "the image's tag"}
_ARGUMENTS: TypeAdapter[list[str]] = TypeAdapter(Arguments)


def problems(case: Case) -> Iterator[Finding]:
    """What is wrong with single flags."""
    if case.spec.runtime.probe and case.engine and (unasked := _cannot_be_asked(case)):
        yield Finding("runtime.probe", Kind.PROBE_IMPOSSIBLE, {"engine": unasked})
    yield from (one for one in _judged(case) if one.reason != "Valid")


def _cannot_be_asked(case: Case) -> str:
    """What has no parser that a probe could ask; empty if it has one."""
    if case.template.simulated:
        return "the simulated engine"
    if case.engine and engines.get(case.engine).package:
        return ""
    return f"an engine other than {' and '.join(one.name for one in engines.with_parsers())}"


def warnings(case: Case) -> Iterator[Finding]:
    """By which release the flags are judged where that is not the image's own, and what it doubts."""
    told = case.engine
    if told is None or told.probed or case.template.simulated or case.runtime_spec is None:
        return
    if case.awaits_probe:
        yield from (one for one in _judged(case) if one.reason == "Valid")
        return
    if case.around.probe_failure:
        yield Finding("runtime.probe", Kind.PROBE_FAILED, {"why": case.around.probe_failure})
    engine = engines.get(told)
    if engine.table is None or (told.version and engine.knows(told.version)):
        return
    known = {
        "engine": engine.label,
        "version": told.version,
        "table": engine.table,
        "source": _source(case, told),
    }
    field = "runtime.version" if told.source == "task" else "runtime.image"
    if not told.version:
        yield Finding(field, Kind.VERSION_UNTOLD, known)
    elif order(told.version) > order(engine.tables[-1].version):
        yield Finding(field, Kind.VERSION_NEWER, known)
    else:
        yield Finding(field, Kind.VERSION_BETWEEN, known)
    yield from (one for one in _judged(case) if one.reason == "Valid")


def _source(case: Case, told: EngineVersion) -> str | None:
    """What tells the version, for people."""
    if told.source == "task" and case.spec.target is not None:
        return "target.version"
    return _SOURCES.get(told.source)


def judged_by(case: Case) -> str:
    """By which release's flags a task is judged, and who told that; empty where that is a warning, or plays no part."""
    told = case.engine
    if told is not None and told.probed is not None:
        return f"flags as {case.image}'s own parser told (probe; {engines.get(told).table})"
    if told is not None and case.awaits_probe:
        return f"{case.image}'s own parser will be asked for its flags (probe)"
    if told is None or not told.version or not engines.get(told).knows(told.version):
        return ""
    return f"flags are judged by {engines.get(told).table} ({_source(case, told)})"


def _judged(case: Case) -> Iterator[Finding]:
    """What the flags' table says of single flags."""
    spec, told = case.spec, case.engine
    if told is None:
        return
    engine, template = engines.get(told), case.template
    checker = engine.checker(
        doubt=_doubt(case, told),
        allow_unknown=spec.runtime.allow_unknown_flags,
        simulated=template.simulated,
    )
    fixed = spec.runtime.extra_args or []
    lists = {
        "runtime.extraArgs": fixed,
        "baseline.args": spec.baseline.args if spec.baseline else [],
        **{f"search.startPoints[{index}].args": one.args for index, one in enumerate(spec.search.start_points or [])},
    }
    for where, args in lists.items():
        yield from checker.arguments(args, where)
        yield from engine.split_json(template.command, args, where)
    yield from checker.parameters(spec.parameters, fixed)
    for parameter in spec.parameters:
        for field, args in _written(parameter, engine):
            yield from engine.split_json(template.command, args, field)
    yield from engine.in_command(template.command, spec.parameters, _left_out(spec, engine))


def templates(case: Case) -> Iterator[Finding]:
    """Values of variables that the backend would take for templates; those of arguments are refused everywhere."""
    if not case.backend.capabilities.templates:
        return
    spec = case.spec
    given = {
        "runtime.env": spec.runtime.env,
        **{
            f"parameters[{parameter.name}].variants[{variant.name}].env": variant.env
            for parameter in spec.parameters
            for variant in parameter.variants or ()
        },
    }
    for field, variables in given.items():
        for index, variable in enumerate(variables or ()):
            if "{{" in variable.value:
                yield Finding(f"{field}[{index}].value", Kind.TEMPLATE_IN_VALUE)


def _doubt(case: Case, told: EngineVersion) -> Kind | None:
    """How to tell what the table refuses; None where it is that of the engine which runs."""
    if case.awaits_probe:
        return Kind.PROBE_DECIDES
    known = told.probed is not None or (told.version and engines.get(told).knows(told.version))
    return None if case.template.simulated or known else Kind.PERHAPS_WRONG


def complete(case: Case) -> Iterator[Finding]:
    """What is wrong with complete argument lists, although each part of them is right."""
    spec, name = case.spec, case.engine
    if name is None or case.runtime_spec is None:
        return
    engine, own, product = engines.get(name), case.template.args, case.backend.capabilities
    fixed = spec.runtime.extra_args or []
    tuned = {parameter.name: _longest(parameter) for parameter in spec.parameters}
    baseline = spec.baseline.args if spec.baseline else []
    for field, args in (
        ("baseline.args", engine.merge(own, baseline, fixed)),
        ("parameters", engine.compose(engine.merge(own, fixed), tuned)),
    ):
        try:
            _ARGUMENTS.validate_python(args)
        except ValidationError as problem:
            why = problem.errors(include_url=False)[0]["msg"]
            yield Finding(field, Kind.ARGUMENTS_MALFORMED, {"why": why})
    off = {parameter.name: False for parameter in spec.parameters if parameter.toggle}
    kept = engine.compose(engine.merge(own, fixed), off)
    if product.replaces_arguments and own and len(off) == len(spec.parameters) and not kept:
        yield Finding(f"parameters[{spec.parameters[0].name}]", Kind.NO_ARGUMENT_LEFT, {"product": product.name})


def _left_out(spec: TaskSpec, engine: engines.Engine) -> dict[str, frozenset[str]]:
    """The flags that the neutral combination of each section of words leaves out although the section sets them."""
    found: dict[str, frozenset[str]] = {}
    for section in (
        parallelism_and_precision.of_parallelism(spec.parallelism or Parallelism(), engine, Facts()),
        parallelism_and_precision.of_quantization(spec.quantization or Quantization(), engine, Facts()),
    ):
        neutral = {
            word: section.neutral(word)
            for word, dimension in zip(section.words, section.dimensions(), strict=True)
            if section.neutral(word) in dimension.values
        }
        touched = section.touched(neutral)
        found[section.name] = touched - section.flags(neutral, touched).keys()
    return found


def _written(parameter: SearchParameter, engine: engines.Engine) -> Iterator[tuple[str, list[str]]]:
    """The arguments of all choices of a parameter, and where they are written."""
    for variant in parameter.variants or []:
        yield f"parameters[{parameter.name}].variants[{variant.name}].args", list(variant.args)
    for part, offered in (("choices", parameter.choices), ("values", parameter.values)):
        words = [token for value in offered or [] for token in engine.render({parameter.name: value})]
        yield f"parameters[{parameter.name}].{part}", words


def _longest(parameter: SearchParameter) -> Value:
    return max(parameter.values or parameter.choices or [True], key=lambda value: len(str(value)))
