"""Checks of a task before anything is created: what is wrong with it, and what may mislead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from autotuner.api.task import TaskSpec
from autotuner.engines import EngineVersion
from autotuner.policy.model_and_runtime import fixed_arguments
from autotuner.policy.preflight import (
    accelerators,
    benchmark,
    context,
    flags,
    goals,
    model_files,
    objects,
    serving_backend,
    side_by_side,
    stopping,
)
from autotuner.policy.preflight.checked_task import Case, Surroundings, engine_of
from autotuner.presets import Presets
from autotuner.search.space.cluster_facts import Facts, Held
from autotuner.search.space.space import Space
from autotuner.serving.backend import EngineTemplate
from autotuner.validation_messages import Finding, Kind

# Of CUDA and ROCm; what they name is numbers or identifiers, or words such as all.
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
_DEVICES = re.compile(r"([0-9]+|GPU-[0-9a-f-]+)(,([0-9]+|GPU-[0-9a-f-]+))*")

# What a target has where nobody can change it stands for a runtime's command.
_OF_TARGETS = {
    Kind.FLAG_IN_COMMAND: Kind.FLAG_IN_TARGET,
    Kind.JSON_IN_COMMAND: Kind.JSON_IN_TARGET,
    Kind.LIST_IN_COMMAND: Kind.LIST_IN_TARGET,
}

__all__ = [
    "Surroundings",
    "check",
    "engine",
    "engine_of",
    "judged_by",
    "never_tried",
    "refused_flags",
    "space",
    "template",
    "warnings",
]


def check(spec: TaskSpec, presets: Presets, around: Surroundings) -> list[Finding]:
    """Everything that is wrong, most basic first; empty if the task can start."""
    case = Case(spec, presets, around)
    if unserved := list(serving_backend.problems(case)):
        return unserved
    return [_as_written(spec, one) for one in _check(case)]


def _check(case: Case) -> list[Finding]:
    spec = case.spec
    found = [
        *objects.problems(case),
        *model_files.problems(case, spec.search.parallel_experiments),
        *flags.problems(case),
        *flags.templates(case),
        *flags.complete(case),
        *benchmark.problems(case),
        *context.problems(case),
        *goals.problems(case),
        *stopping.problems(case),
        *accelerators.problems(case),
    ]
    return found or [*side_by_side.problems(case), *_space(case)]


def refused_flags(spec: TaskSpec, presets: Presets, around: Surroundings) -> list[Finding]:
    """What is wrong with flags, and with the space that they span; for a task whose objects were checked before."""
    case = Case(spec, presets, around)
    found = [*flags.problems(case), *flags.complete(case)] or list(_space(case))
    return [_as_written(spec, one) for one in found]


def warnings(spec: TaskSpec, presets: Presets, around: Surroundings) -> list[Finding]:
    """What works but may mislead; the condition Valid tells it."""
    case = Case(spec, presets, around)
    found = [
        *serving_backend.warnings(case),
        *flags.warnings(case),
        *model_files.warnings(case),
        *benchmark.warnings(case),
        *context.warnings(case),
        *side_by_side.warnings(case),
        *accelerators.warnings(case),
    ]
    return [_as_written(spec, one) for one in found]


def _as_written(spec: TaskSpec, finding: Finding) -> Finding:
    """The finding with the field that the user wrote: what is read of a target stands for a model and a runtime."""
    if spec.target is None:
        return finding
    finding = replace(finding, kind=_OF_TARGETS.get(finding.kind, finding.kind))
    for read_from in ("runtime.custom.spec", "model.custom.spec", "runtime.custom", "model.custom", "runtime", "model"):
        if finding.field == read_from or finding.field.startswith((f"{read_from}.", f"{read_from}[")):
            return replace(finding, field=f"target{finding.field.removeprefix(read_from)}", of_target=True)
    return replace(finding, of_target=True)


def never_tried(spec: TaskSpec, presets: Presets, around: Surroundings) -> list[Finding]:
    """The values of a valid task that a rule takes away altogether; the condition Valid tells them too."""
    case = Case(spec, presets, around)
    if case.engine is None or case.runtime_spec is None:
        return []
    parameters = {parameter.name for parameter in spec.parameters}
    return [
        Finding(
            f"parameters[{lost.dimension}]" if lost.dimension in parameters else lost.dimension,
            Kind.VALUE_NEVER_TRIED,
            {"value": lost.value, "rule": lost.rule, "reason": lost.reason},
        )
        for lost in space(spec, presets, around, case.engine).lost
    ]


def judged_by(spec: TaskSpec, presets: Presets, around: Surroundings) -> str:
    """By which release's flags the task is judged, for people; empty where a warning tells that, or there is none."""
    return flags.judged_by(Case(spec, presets, around))


def engine(spec: TaskSpec, presets: Presets, around: Surroundings) -> EngineVersion | None:
    """The engine whose flags the parameters are, and which release of it; None if the preset is unknown."""
    return Case(spec, presets, around).engine


def template(spec: TaskSpec, presets: Presets, around: Surroundings) -> EngineTemplate:
    """The engine in the task's runtime, live or as it would be created."""
    return Case(spec, presets, around).template


def space(spec: TaskSpec, presets: Presets, around: Surroundings, engine: EngineVersion) -> Space:
    """The search space as far as the cluster can hold it; cheap when it was built before."""
    case = Case(spec, presets, around)
    template = case.template
    facts = Facts(
        model=case.model_spec,
        command=tuple(template.command),
        accelerators=around.fleet.accelerators,
        memory_mib=around.fleet.memory_mib,
        allow_large_weights=spec.model.allow_large_weights,
        product=around.fleet.product,
        mig_slice=around.fleet.mig_slice,
        visible=_visible(case),
        pods=case.pods,
        held=_held(case),
        longest_request=context.longest_request(spec),
        arguments_known=case.runtime_spec is not None,
    )
    return Space.of(spec, engine, fixed=fixed_arguments(engine, spec, template.args), facts=facts)


def _held(case: Case) -> Held | None:
    """How many accelerators running experiments may hold: what the task says, or less if all tasks may not."""
    own, all_tasks = case.spec.search.max_gpus, case.around.most_accelerators
    if not case.spec.placement.accelerator_resource:
        return None
    if own is None and all_tasks is None:
        return None
    if own is None or (all_tasks is not None and all_tasks < own):
        assert all_tasks is not None, "asked before"
        return Held(all_tasks, "limits.maxGPUs of the operator")
    return Held(own, "search.maxGPUs")


def _visible(case: Case) -> int | None:
    """The accelerators that the engine's environment names; None if it names none, or says all."""
    own = {str(one.get("name")): str(one.get("value", "")) for one in case.template.container.get("env") or []}
    given = own | {variable.name: variable.value for variable in case.spec.runtime.env or []}
    counts = [len(given[name].split(",")) for name in _VISIBLE if _DEVICES.fullmatch(given.get(name, ""))]
    return min(counts, default=None)


def _space(case: Case) -> Iterator[Finding]:
    """What is wrong with the space once its flags are right."""
    assert case.engine is not None
    found = space(case.spec, case.presets, case.around, case.engine)
    yield from found.findings
    if not found.findings and found.size == 0:
        yield Finding("parameters", Kind.SPACE_EMPTY, {"why": found.emptiness})
