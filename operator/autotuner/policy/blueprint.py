"""The TuningExperiment that a task creates: fully resolved, so that no later edit of anything changes its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from autotuner import engines
from autotuner.api.common import API_VERSION, GROUP, TASK_LABEL, EngineName, Parameter, Toleration
from autotuner.api.experiment import (
    ACCELERATORS_MAX,
    Accelerator,
    Benchmark,
    ExperimentSpec,
    ModelRef,
    Purpose,
    RuntimeRef,
    Service,
    Stop,
)
from autotuner.api.task import TaskSpec
from autotuner.presets import runner
from autotuner.search import Configuration
from autotuner.serving.ome import owner_reference

Object = dict[str, Any]
CREATED_FOR = f"{GROUP}/created-for"


def mark_created_for(body: Object, task: Mapping[str, Any]) -> Object:
    """Write into a shared object for whom it was made; it has no owner and stays when the task goes."""
    annotations = {**body["metadata"].get("annotations", {}), CREATED_FOR: task["metadata"]["uid"]}
    return {**body, "metadata": {**body["metadata"], "annotations": annotations}}


def created_by(live: Mapping[str, Any], task: Mapping[str, Any]) -> bool:
    """Whether this very task made the object."""
    annotations = live["metadata"].get("annotations") or {}
    return bool(annotations.get(CREATED_FOR) == task["metadata"]["uid"])


def arguments(
    engine_name: EngineName,
    spec: TaskSpec,
    runtime: Mapping[str, Any],
    configuration: Mapping[str, engines.Value] | None,
) -> list[str]:
    """The complete argument list: the runtime's own, then fixed ones, then what is tuned (or the baseline's)."""
    engine = engines.get(engine_name)
    own = list(runner(runtime.get("spec") or {}).get("args") or [])
    extra = spec.runtime.extra_args or []
    if configuration is None:
        return engine.merge(own, spec.baseline.args if spec.baseline else [], extra)
    return engine.compose(engine.merge(own, extra), configuration)


def experiment(
    task: Mapping[str, Any],
    spec: TaskSpec,
    *,
    index: int,
    purpose: str,
    configuration: Mapping[str, engines.Value] | None,
    engine: EngineName,
    model: Mapping[str, Any],
    runtime: Mapping[str, Any],
    product: str | None,
    benchmark_image: str,
) -> Object:
    """The object to create."""
    args = arguments(engine, spec, runtime, configuration)
    placement = spec.placement
    service = Service(
        model=ModelRef(kind=model["kind"], name=model["metadata"]["name"]),
        runtime=RuntimeRef(kind=runtime["kind"], name=runtime["metadata"]["name"]),
        engine=engine,
        args=args,
        accelerator=Accelerator(
            resource=placement.accelerator_resource,
            count=min(engines.get(engine).accelerators(args), ACCELERATORS_MAX),
            product=product,
        ),
        node_selector=placement.node_selector or None,
        tolerations=_tolerations(spec, runtime),
    )
    body = ExperimentSpec(
        purpose=cast(Purpose, purpose),
        parameters=_parameters(configuration),
        service=service,
        benchmark=Benchmark(
            **spec.benchmark.model_dump(exclude_none=True), seed=task["metadata"]["uid"], image=benchmark_image
        ),
        stop=Stop(slos=list(spec.slos)) if spec.slos else None,
        timeouts=spec.timeouts,
    )
    name = f"{task['metadata']['name']}-{index}"
    return {
        "apiVersion": API_VERSION,
        "kind": "TuningExperiment",
        "metadata": {
            "name": name,
            "namespace": task["metadata"]["namespace"],
            "labels": {TASK_LABEL: task["metadata"]["name"]},
            "ownerReferences": [owner_reference(task)],
        },
        "spec": body.dump(),
    }


def _parameters(configuration: Mapping[str, engines.Value] | None) -> list[Parameter] | None:
    return configuration.parameters() if isinstance(configuration, Configuration) else None


def _tolerations(spec: TaskSpec, runtime: Mapping[str, Any]) -> list[Toleration] | None:
    """The user's and the runtime's: OME replaces the list whole."""
    if not spec.placement.tolerations:
        return None
    own = ((runtime.get("spec") or {}).get("engineConfig") or {}).get("tolerations") or []
    return [*(Toleration.model_validate(item) for item in own), *spec.placement.tolerations]
