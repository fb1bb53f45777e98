"""Checks of the accelerators that engines ask for: do nodes have them, whose are they, can an engine use them?"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from autotuner import engines
from autotuner.api.parameters import SearchParameter
from autotuner.engines import Engine
from autotuner.engines.parallelism import neutral
from autotuner.policy.preflight.checked_task import Case
from autotuner.search.space.dimensions import DimensionError, of_parameter
from autotuner.serving import accelerators
from autotuner.serving.accelerators import NodeAccelerators
from autotuner.validation_messages import Finding, Kind

_RESOURCE = "placement.acceleratorResource"


def problems(case: Case) -> Iterator[Finding]:
    """What cannot run, or would measure what others do."""
    if not case.spec.placement.accelerator_resource:
        yield from _counting_nothing(case)
        return
    if not case.spec.placement.allow_shared:
        for one in case.around.fleet.open:
            if one.count and one.sharing is not None:
                details = {"node": one.node, "resource": case.around.fleet.resource, "sharing": one.sharing}
                yield Finding("placement.allowShared", Kind.ACCELERATORS_SHARED, details)
                break
    if profile := _mig_slice(case):
        yield from _spread(case, profile)
    yield from _uneven(case)


def _uneven(case: Case) -> Iterator[Finding]:
    """A baseline whose accelerators the pods of its engine cannot share."""
    if case.engine is None or case.pods == 1:
        return
    spec, engine = case.spec, engines.get(case.engine)
    baseline = spec.baseline.args if spec.baseline else []
    args = engine.merge(case.template.args, baseline, spec.runtime.extra_args or [])
    count = engine.accelerators(args, case.template.command)
    if count % case.pods:
        field = "baseline.args" if baseline else "runtime.extraArgs" if spec.runtime.extra_args else "runtime"
        yield Finding(field, Kind.ACCELERATORS_UNEVEN, {"count": count, "pods": case.pods})


def warnings(case: Case) -> Iterator[Finding]:
    """What is not known of the accelerators, or makes their figures doubtful."""
    fleet, placement = case.around.fleet, case.spec.placement
    if not placement.accelerator_resource:
        yield from _divided_by_nothing(case)
        return
    if fleet.looked and not fleet.offering:
        yield _nowhere(case)
    told: set[Kind] = set()
    for found in (found for one in fleet.open for found in _of_node(case, one)):
        if found.kind not in told:  # nodes of several kinds may lack the same
            told.add(found.kind)
            yield found


def _of_node(case: Case, one: NodeAccelerators) -> Iterator[Finding]:
    placement = case.spec.placement
    details = {"node": one.node, "resource": placement.accelerator_resource}
    if one.invalid:
        yield Finding(_RESOURCE, Kind.MIG_INVALID, {**details, "product": one.product})
    elif one.sharing is not None and placement.allow_shared:
        shared = {**details, "sharing": one.sharing}
        yield Finding("placement.allowShared", Kind.ACCELERATORS_SHARED_KNOWINGLY, shared)
        if case.spec.search.parallel_experiments > 1:
            yield Finding("search.parallelExperiments", Kind.EXPERIMENTS_SHARE_ACCELERATORS, shared)
    if one.models:
        yield Finding(_RESOURCE, Kind.ACCELERATORS_MIXED, {**details, "models": one.models})
    elif one.count and not one.product:
        label = placement.accelerator_label or accelerators.product_labels(placement.accelerator_resource)[0]
        yield Finding("placement.acceleratorLabel", Kind.ACCELERATORS_UNTOLD, {**details, "label": label})


def _nowhere(case: Case) -> Finding:
    fleet = case.around.fleet
    details = {"resource": fleet.resource, "known": list(fleet.elsewhere) or "no accelerators"}
    close = difflib.get_close_matches(fleet.resource, fleet.elsewhere, n=1, cutoff=0.8)
    if close:
        return Finding(_RESOURCE, Kind.RESOURCE_MISSPELT, {**details, "meant": close[0]})
    return Finding(_RESOURCE, Kind.RESOURCE_NOWHERE, details)


def _counting_nothing(case: Case) -> Iterator[Finding]:
    """Limits on GPUs of a task that asks for none."""
    budget = case.spec.budget
    if budget is not None and budget.max_gpu_hours is not None:
        yield Finding("budget.maxGPUHours", Kind.NO_GPU_HOURS)
    if case.spec.search.max_gpus is not None:
        yield Finding("search.maxGPUs", Kind.NO_GPUS)


def _divided_by_nothing(case: Case) -> Iterator[Finding]:
    for index, objective in enumerate(case.spec.objectives):
        if objective.metric in ("OutputThroughputPerGPU", "CostPerMillionTokens"):
            yield Finding(f"objectives[{index}].metric", Kind.FIGURE_PER_NO_GPU, {"metric": objective.metric})


def _mig_slice(case: Case) -> str:
    return accelerators.mig_slice(case.spec.placement.accelerator_resource) or case.around.fleet.mig_slice


def _spread(case: Case, profile: str) -> Iterator[Finding]:
    """Everything that spreads one engine over several slices."""
    if case.engine is None:
        return
    spec, engine = case.spec, engines.get(case.engine)
    fixed = engine.merge(case.template.args, spec.runtime.extra_args or [])
    lists = {
        "runtime": (fixed, case.template.command),
        "baseline.args": (spec.baseline.args if spec.baseline else [], ()),
        **{
            f"search.startPoints[{index}].args": (one.args, ())
            for index, one in enumerate(spec.search.start_points or ())
        },
    }
    for field, (args, command) in lists.items():
        if (count := engine.accelerators(args, command)) > 1:
            yield Finding(field, Kind.SPREAD_OVER_SLICES, {"what": f"{count} accelerators", "profile": profile})
    for parameter in spec.parameters:
        for part, what in _degrees(parameter, engine):
            details = {"what": what, "profile": profile}
            yield Finding(f"parameters[{parameter.name}].{part}", Kind.SPREAD_OVER_SLICES, details)
    offered = spec.parallelism.dump() if spec.parallelism else {}
    for word, flag in engine.parallelism.words.items():
        high = [value for value in offered.get(word, ()) if value != neutral(word)]
        if high and flag.name in engine.degrees:
            details = {"what": f"{word} {', '.join(map(str, high))}", "profile": profile}
            yield Finding(f"parallelism.{word}", Kind.SPREAD_OVER_SLICES, details)


def _degrees(parameter: SearchParameter, engine: Engine) -> Iterator[tuple[str, str]]:
    """The part of a parameter with degrees above 1, and these in words."""
    for index, variant in enumerate(parameter.variants or ()):
        if engine.accelerators(variant.args) > 1:
            yield f"variants[{index}].args", f"variant {variant.name}"
    if parameter.variants or engine.canonical(parameter.name) not in engine.degrees:
        return
    try:
        values = [value for value in of_parameter(parameter).values if isinstance(value, int | float) and value > 1]
    except DimensionError:
        return  # told as such
    part = "values" if parameter.values else "range" if parameter.range else "choices"
    if values:
        yield part, f"{parameter.name} {', '.join(f'{value:g}' for value in values)}"
