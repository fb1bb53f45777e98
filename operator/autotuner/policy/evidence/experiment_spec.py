"""The TuningExperiment that a task creates: fully resolved, so that no later edit of anything changes its meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotuner import engines, scoring
from autotuner.api import quantity
from autotuner.api.benchmark import BenchmarkPod
from autotuner.api.common import API_VERSION, GROUP, TASK_LABEL, EngineName, EnvironmentVariable, Toleration
from autotuner.api.experiment import (
    ACCELERATORS_MAX,
    Accelerator,
    Benchmark,
    ExperimentSpec,
    ModelRef,
    Purpose,
    RequestLimit,
    RuntimeRef,
    Service,
)
from autotuner.api.task import TaskSpec
from autotuner.engines import EngineVersion
from autotuner.kubernetes_object import Object, content
from autotuner.ownership import owner_reference
from autotuner.policy import model_and_runtime
from autotuner.scoring import slos
from autotuner.search.space.configuration import Configuration, Rendered
from autotuner.search.space.space import Space
from autotuner.serving.backend import Backend, EngineTemplate

# By which an engine is kept on one node; its value need not be the node's name.
HOST_LABEL = "kubernetes.io/hostname"
CREATED_FOR = f"{GROUP}/created-for"


def mark_created_for(body: Object, task: Mapping[str, Any]) -> Object:
    """Write into a shared object for which task it was made; it has no owner and stays when the task goes."""
    annotations = {**body["metadata"].get("annotations", {}), CREATED_FOR: task["metadata"]["uid"]}
    return {**body, "metadata": {**body["metadata"], "annotations": annotations}}


def own_snapshot(body: Object, task: Mapping[str, Any]) -> Object:
    """Make a snapshot the task's own: it goes with the task, and no other uses it."""
    name = f"{task['metadata']['name']}-{body['metadata']['name'].rpartition('-')[2]}"
    own = {"name": name, "labels": {TASK_LABEL: task["metadata"]["name"]}, "ownerReferences": [owner_reference(task)]}
    return {**body, "metadata": {**body["metadata"], **own}}


def created_by(live: Mapping[str, Any], task: Mapping[str, Any]) -> bool:
    """Whether this very task made the object."""
    annotations = live["metadata"].get("annotations") or {}
    return bool(annotations.get(CREATED_FOR) == task["metadata"]["uid"])


@dataclass(frozen=True)
class Pinned:
    """The accelerators on which all experiments of a task run.

    Attributes:
        product: the model; None while it is not known.
        label: of nodes that says the model; None for the resource's own.
    """

    product: str | None = None
    label: str | None = None

    @property
    def selector(self) -> dict[str, str]:
        """The label that a node must have; empty while the model is not known."""
        return {self.label: self.product} if self.label and self.product else {}


@dataclass(frozen=True)
class Ingredients:
    """What all experiments of a task have in common.

    Attributes:
        task: the TuningTask.
        spec: its spec.
        backend: that serves the engines.
        engine: whose arguments they are.
        model: live, or as it would be created.
        runtime: live, or as it would be created.
        space: the search space, which renders configurations.
        pinned: label and model of the accelerator, once experiment 0 has fixed them; else what the user says of them.
        benchmark_image: the operator's own.
    """

    task: Mapping[str, Any]
    spec: TaskSpec
    backend: Backend
    engine: EngineName | EngineVersion
    model: Mapping[str, Any]
    runtime: Mapping[str, Any]
    space: Space
    pinned: Pinned
    benchmark_image: str

    @property
    def container(self) -> str | None:
        """The engine's container in a snapshot; None where the backend has a name for it."""
        return str(self.template.container["name"]) if self.backend.capabilities.snapshots else None

    @property
    def template(self) -> EngineTemplate:
        """The engine in the runtime."""
        return model_and_runtime.engine_template(self.backend, content(self.runtime), self.spec.runtime.env)


def _rendered(common: Ingredients, configuration: Configuration | None) -> Rendered:
    """The complete argument list and environment of a configuration; of the baseline if there is none."""
    spec = common.spec
    if configuration is not None:
        return common.space.render(configuration)
    baseline = spec.baseline.args if spec.baseline else []
    args = engines.get(common.engine).merge(common.template.args, baseline, spec.runtime.extra_args or [])
    return Rendered(tuple(args), ())


def arguments(
    common: Ingredients, configuration: Configuration | None
) -> tuple[list[str], list[EnvironmentVariable] | None]:
    """The complete arguments and environment of an experiment; of the baseline's without a configuration."""
    rendered = _rendered(common, configuration)
    return list(rendered.args), _environment(common.spec.runtime.env or [], rendered.env)


def held(common: Ingredients, configuration: Configuration | None) -> int:
    """The accelerators that one engine of a configuration takes away from others: none where it requests none."""
    return accelerators(common, configuration) if common.spec.placement.accelerator_resource else 0


def accelerators(common: Ingredients, configuration: Configuration | None) -> int:
    """The accelerators by which figures per GPU of a configuration are divided, at least 1."""
    count = engines.get(common.engine).accelerators(_rendered(common, configuration).args, common.template.command)
    return min(count, ACCELERATORS_MAX)


def experiment(
    common: Ingredients,
    *,
    index: int,
    purpose: Purpose,
    configuration: Configuration | None,
    best: float | None = None,
    at: float | None = None,
) -> Object:
    """The TuningExperiment to create; given the worth of the best so far, its ladder ends when it cannot reach that.

    A search for the boundary begins at the level of the best so far, `at`.
    """
    return _object(common.task, index, specification(common, purpose, configuration, best, at))


def specification(
    common: Ingredients,
    purpose: Purpose,
    configuration: Configuration | None,
    best: float | None = None,
    at: float | None = None,
) -> ExperimentSpec:
    """The spec of the TuningExperiment that measures a configuration."""
    spec = common.spec
    return ExperimentSpec(
        purpose=purpose,
        parameters=configuration.parameters() if configuration is not None else None,
        service=_service(common, configuration),
        benchmark=_benchmark(common),
        stop=scoring.stop(scoring.Goal.of(spec), best, at),
        timeouts=spec.timeouts,
    )


def repeat(
    common: Ingredients,
    original: ExperimentSpec,
    *,
    index: int,
    block: int,
    ladder: Sequence[float],
    host: str | None = None,
) -> Object:
    """The TuningExperiment that measures another again at some levels: the same engine, whatever changed since.

    Args:
        common: what the experiments of its task have in common.
        original: spec of the one of the search.
        index: of the new one.
        block: that the run belongs to.
        ladder: the levels.
        host: value of the label by which it is kept on one node; None for any node.
    """
    spec = common.spec
    changed: dict[str, Any] = {"accelerator": _pinned(original.service.accelerator, common.pinned)}
    if host is not None:
        changed["node_selector"] = {**(original.service.node_selector or {}), HOST_LABEL: host}
    body = original.model_copy(
        update={
            "cancel": False,
            "purpose": "Confirm",
            "block": block,
            "retry_of": None,  # its own tries are counted, not those of the search
            "service": original.service.model_copy(update=changed),
            "benchmark": original.benchmark.on(ladder),
            "stop": scoring.stop(scoring.Goal.of(spec), None),
            "timeouts": spec.timeouts,
        }
    )
    return _object(common.task, index, body)


def retry(common: Ingredients, original: ExperimentSpec, *, index: int, of: str) -> Object:
    """The TuningExperiment that measures another again whose end is not believed.

    Args:
        common: what the experiments of its task have in common.
        original: spec of the one that ended.
        index: of the new one.
        of: name of the experiment that measured the same first.
    """
    accelerator = _pinned(original.service.accelerator, common.pinned)
    body = original.model_copy(
        update={
            "cancel": False,
            "retry_of": of,
            "service": original.service.model_copy(update={"accelerator": accelerator}),
            "timeouts": common.spec.timeouts,
        }
    )
    return _object(common.task, index, body)


def _pinned(accelerator: Accelerator, pinned: Pinned) -> Accelerator:
    return accelerator.model_copy(update={"product": pinned.product, "label": pinned.label})


def _object(task: Mapping[str, Any], index: int, body: ExperimentSpec) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": "TuningExperiment",
        "metadata": {
            "name": f"{task['metadata']['name']}-{index}",
            "namespace": task["metadata"]["namespace"],
            "labels": {TASK_LABEL: task["metadata"]["name"]},
            "ownerReferences": [owner_reference(task)],
        },
        "spec": body.dump(),
    }


def _benchmark(common: Ingredients) -> Benchmark:
    traffic = common.spec.benchmark
    pod = traffic.pod or BenchmarkPod()
    if not pod.image:
        pod = pod.model_copy(update={"image": common.benchmark_image})
    given = traffic.model_dump(exclude_none=True) | {"pod": pod.model_dump(exclude_none=True)}
    return Benchmark(**given, seed=common.task["metadata"]["uid"], request_limits=_request_limits(common.spec))


def _request_limits(spec: TaskSpec) -> list[RequestLimit] | None:
    """What each request must keep; of several limits of one latency the smallest."""
    limits = sorted(slos.of_requests(spec.slos or ()), key=lambda slo: -quantity.parse(slo.max or ""))
    found = {slo.metric: slo.max for slo in limits}
    return [RequestLimit.model_validate({"metric": name, "max": found[name]}) for name in sorted(found)] or None


def _service(common: Ingredients, configuration: Configuration | None) -> Service:
    spec, placement = common.spec, common.spec.placement
    args, env = arguments(common, configuration)
    return Service(
        backend=common.backend.capabilities.name,
        model=_model_reference(common),
        runtime=RuntimeRef(kind=common.runtime["kind"], name=common.runtime["metadata"]["name"]),
        container=common.container,
        engine=engines.get(common.engine).name,
        args=args,
        env=env,
        image=spec.runtime.image,
        accelerator=Accelerator(
            resource=placement.accelerator_resource,
            count=accelerators(common, configuration),
            product=common.pinned.product,
            label=common.pinned.label,
            allow_shared=placement.allow_shared,
        ),
        volume=spec.model.volume if spec.model.volume and not spec.model.volume.cache else None,
        node_selector=placement.node_selector or None,
        tolerations=_tolerations(spec, common.template),
        queue_name=placement.queue_name,
        priority_class_name=placement.priority_class_name,
        workload_priority_class_name=placement.workload_priority_class_name,
        labels=placement.labels or None,
        annotations=placement.annotations or None,
        api_key_secret=spec.runtime.api_key_secret,
        served_model_name=spec.runtime.served_model_name,
    )


def _model_reference(common: Ingredients) -> ModelRef | None:
    """The model's object; None where the engine finds its own."""
    if not common.backend.capabilities.models:
        return None
    return ModelRef(kind=common.model["kind"], name=common.model["metadata"]["name"])


def _environment(
    fixed: Sequence[EnvironmentVariable], tuned: Sequence[EnvironmentVariable]
) -> list[EnvironmentVariable] | None:
    """The environment with one value for each name; what is tuned is stronger."""
    return list({variable.name: variable for variable in (*fixed, *tuned)}.values()) or None


def _tolerations(spec: TaskSpec, template: EngineTemplate) -> list[Toleration] | None:
    """The tolerations of both user and runtime, for an experiment's list replaces the runtime's."""
    if not spec.placement.tolerations:
        return None
    own = template.pod.get("tolerations") or []
    return [*(Toleration.model_validate(item) for item in own), *spec.placement.tolerations]
