"""The backend Deployment: each method is a function of the modules beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotuner import presets
from autotuner.api.experiment import ModelRef, Service
from autotuner.api.model_and_runtime import Target, TaskModel
from autotuner.api.task import TaskSpec
from autotuner.kube import DEPLOYMENT
from autotuner.kubernetes_object import Object, Resource
from autotuner.presets import Presets
from autotuner.serving import preset_shapes, refusals
from autotuner.serving.backend import (
    Backend,
    Capabilities,
    Endpoint,
    EngineTemplate,
    FoundTarget,
    ModelState,
    Named,
    NotCreated,
    Serving,
    ServingEvent,
    Starting,
    State,
    TargetParts,
    Weights,
    Winner,
)
from autotuner.serving.deployment import manifests, model_source, runtime_snapshots
from autotuner.serving.pods import PodView
from autotuner.serving.target import engine_port, reading, snapshots, weights_folder
from autotuner.serving.target.snapshots import CONTROLLER_REVISION

_CAPABILITIES = Capabilities(
    name="Deployment",
    rights="deployment",
    root=DEPLOYMENT,
    models={},
    runtimes={"Cluster": CONTROLLER_REVISION, "Namespaced": CONTROLLER_REVISION},
    replaces_arguments=True,
    snapshots=True,
    selector=manifests.MARK,
)
SERVICE = Resource("", "v1", "services", "Service")


class Deployments(Backend):
    """Serves an engine by a Deployment of a snapshot of its pod."""

    @property
    def capabilities(self) -> Capabilities:
        """There are no models: the engine finds its own."""
        return _CAPABILITIES

    def root_name(self, experiment: Mapping[str, Any]) -> str:
        """The experiment's own name."""
        return str(experiment["metadata"]["name"])

    def container(self, service: Service) -> str:
        """The one of the snapshot."""
        return service.container or ""

    def render(self, experiment: Mapping[str, Any], service: Service, runtime: Mapping[str, Any]) -> Object:
        """The Deployment."""
        return manifests.deployment(experiment, service, runtime["data"])

    def companions(
        self, experiment: Mapping[str, Any], service: Service, root: Mapping[str, Any]
    ) -> Sequence[tuple[Resource, Object]]:
        """The Service."""
        return [(SERVICE, manifests.engine_service(experiment, service, root))]

    def related(self, experiment: Mapping[str, Any]) -> Sequence[Named]:  # noqa: ARG002
        """Nothing: a Deployment says itself what keeps its pod away."""
        return ()

    def observe(self, objects: Sequence[Object], pod: PodView | None, events: Sequence[ServingEvent]) -> State:  # noqa: ARG002
        """By the pod, and before there is one, by the Deployment's condition ReplicaFailure."""
        if pod is not None:
            return Serving() if pod.ready else Starting()
        for found in objects:
            if words := refusals.replica_failure(found):
                return NotCreated(words, refusals.read(words))
        return NotCreated("kube-controller-manager has not made it yet")

    def endpoint(self, experiment: Mapping[str, Any], pod: PodView) -> Endpoint:  # noqa: ARG002
        """The Service."""
        meta = experiment["metadata"]
        return Endpoint("http", f"{meta['name']}.{meta['namespace']}.svc", engine_port.SERVICE_PORT)

    def release_advice(self, service: Service, root: Mapping[str, Any], model: Object | None) -> str:  # noqa: ARG002
        """Nothing of ours holds a Deployment up."""
        return ""

    def winner(self, experiment: Mapping[str, Any], service: Service, runtime: Mapping[str, Any], name: str) -> Winner:
        """A Deployment that stays."""
        return manifests.winner(experiment, service, runtime["data"], name)

    def target_parts(self, target: Mapping[str, Any]) -> TargetParts:  # noqa: ARG002
        """A Deployment says all of its pods itself."""
        return TargetParts()

    def read_target(self, target: Target, found: FoundTarget, known: Presets) -> Object:
        """Its pod template."""
        return reading.of_pod(target, reading.usable(target, found.object)["spec"]["template"], known)

    def wanted_model(self, spec: TaskModel, known: Presets, namespace: str) -> Object | None:  # noqa: ARG002
        """What is known of the model; no object is made of it."""
        name = spec.custom.name if spec.custom else spec.preset
        found = spec.custom.spec if spec.custom else known.models.get(spec.preset or "")
        if name is None or found is None:
            return None
        known_of = model_source.known_of(spec, presets.deep_merge(found, spec.overrides or {}))
        return {"kind": "Model", "metadata": {"name": name}, "spec": known_of}

    def wanted_runtime(
        self, spec: TaskSpec, known: Presets, live_model: Mapping[str, Any], namespace: str
    ) -> Object | None:
        """A snapshot of the engine's pod."""
        wanted, found = spec.runtime, spec.runtime.custom.spec if spec.runtime.custom else None
        if found is None and (preset := known.runtimes.get(wanted.preset or "")) is not None:
            found = presets.deep_merge(preset.spec, wanted.overrides or {})
        if found is None:
            return None
        if "template" in found:  # of what runs already
            return snapshots.snapshot(wanted.custom.name if wanted.custom else "", namespace, found)
        simulated = self.engine_template(found).simulated
        source = model_source.of_task(spec.model, live_model["spec"], simulated=simulated)
        name = wanted.custom.name if wanted.custom else str(wanted.preset)
        return runtime_snapshots.of_runtime(name, namespace, found, source, live_model["spec"])

    def model_state(self, model: Object | None) -> ModelState:
        """The engine finds its model by itself."""
        return ModelState("Ready" if model is not None else "Waiting")

    def weights(self, model_spec: Mapping[str, Any]) -> Weights:
        """In the folder that the task names, or where a target has them; else the engine loads them from the hub."""
        return weights_folder.weights(model_spec)

    def node_label(self, model: ModelRef, namespace: str) -> str:  # noqa: ARG002
        """No node is known to have a model."""
        return ""

    def engine_template(self, runtime_spec: Mapping[str, Any] | None) -> EngineTemplate:
        """The engine in a snapshot, or in a runtime that one will be made of."""
        found = runtime_spec or {}
        return snapshots.engine_of(found) if "template" in found else runtime_snapshots.engine_of_runtime(found)

    def incomplete(self, model_spec: Mapping[str, Any]) -> str:
        """An address, or the engine has nothing to load."""
        if (model_spec.get("storage") or {}).get("storageUri"):
            return ""
        return "the spec has no storage.storageUri, from which the engine could load it"

    def misshapen_model(self, model_spec: Mapping[str, Any]) -> Sequence[str]:
        """By the fields that are read here."""
        return list(preset_shapes.wrong(model_spec, preset_shapes.MODEL))

    def misshapen_runtime(self, runtime_spec: Mapping[str, Any]) -> Sequence[str]:
        """As a preset has it; a snapshot was a good pod before."""
        form: preset_shapes.Form = {} if "template" in runtime_spec else preset_shapes.RUNTIME
        return list(preset_shapes.wrong(runtime_spec, form))

    def lacking_format(self, model: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Nobody compares formats."""
        return ""

    def incompatible(self, model: Mapping[str, Any], runtime: Mapping[str, Any]) -> str | None:  # noqa: ARG002
        """Only the engine knows."""
        return None
