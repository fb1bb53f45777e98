"""The backend for OME, the Open Model Engine: each method is a function of the modules beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.api.experiment import ModelRef, Service
from autotuner.api.model_and_runtime import Target, TaskModel
from autotuner.api.task import TaskSpec
from autotuner.kube import DEPLOYMENT
from autotuner.kubernetes_object import Object, Resource
from autotuner.presets import Presets
from autotuner.serving import preset_shapes
from autotuner.serving.backend import (
    Backend,
    Capabilities,
    Endpoint,
    EngineTemplate,
    FoundTarget,
    ModelState,
    Named,
    ServingEvent,
    State,
    TargetParts,
    UnusableTargetError,
    Weights,
    Winner,
)
from autotuner.serving.ome import engine_state, inference_service, models, runtimes, wanted_objects
from autotuner.serving.ome.resource_kinds import INFERENCE_SERVICE
from autotuner.serving.pods import PodView

_CAPABILITIES = Capabilities(
    name="OME",
    rights="ome",
    root=INFERENCE_SERVICE,
    models=wanted_objects.MODELS,
    runtimes=wanted_objects.RUNTIMES,
    replaces_arguments=True,
    templates=True,
)


class Ome(Backend):
    """Serves an engine by an InferenceService in its mode RawDeployment."""

    @property
    def capabilities(self) -> Capabilities:
        """An InferenceService replaces its runtime's arguments, and prefers models and runtimes of its namespace."""
        return _CAPABILITIES

    def root_name(self, experiment: Mapping[str, Any]) -> str:
        """The experiment's own name."""
        return str(experiment["metadata"]["name"])

    def container(self, service: Service) -> str:  # noqa: ARG002
        """The name that OME demands of a runner."""
        return inference_service.CONTAINER

    def render(self, experiment: Mapping[str, Any], service: Service, runtime: Mapping[str, Any]) -> Object:  # noqa: ARG002
        """The InferenceService."""
        return inference_service.inference_service(experiment, service)

    def companions(
        self,
        experiment: Mapping[str, Any],  # noqa: ARG002
        service: Service,  # noqa: ARG002
        root: Mapping[str, Any],  # noqa: ARG002
    ) -> Sequence[tuple[Resource, Object]]:
        """None: OME makes what an InferenceService needs."""
        return ()

    def related(self, experiment: Mapping[str, Any]) -> Sequence[Named]:
        """The Deployment that OME makes of the InferenceService."""
        return [Named(DEPLOYMENT, inference_service.engine_name(self.root_name(experiment)))]

    def observe(self, objects: Sequence[Object], pod: PodView | None, events: Sequence[ServingEvent]) -> State:
        """By pods and events: OME's own status stays empty on most failures and stays Ready through some."""
        return engine_state.state(objects, pod, events)

    def endpoint(self, experiment: Mapping[str, Any], pod: PodView) -> Endpoint:
        """The Service that OME makes for the engine."""
        name, namespace = inference_service.engine_name(self.root_name(experiment)), experiment["metadata"]["namespace"]
        # Without the cluster's domain, which pods find by themselves.
        return Endpoint("http", f"{name}.{namespace}.svc", pod.port)

    def release_advice(self, service: Service, root: Mapping[str, Any], model: Object | None) -> str:
        """OME's controller removes its finalizer at once, unless it is away or the model is missing."""
        if inference_service.FINALIZER not in (root["metadata"].get("finalizers") or ()):
            return ""
        if model is None and service.model is not None:
            return (
                f"{service.model.kind} {service.model.name} was deleted, and OME cannot let go of an InferenceService"
                " without its model: re-create it"
            )
        return (
            f"OME's controller has not removed its finalizer {inference_service.FINALIZER}: is Deployment"
            " ome-controller-manager in namespace ome running?"
        )

    def winner(
        self,
        experiment: Mapping[str, Any],
        service: Service,
        runtime: Mapping[str, Any],  # noqa: ARG002
        name: str,
    ) -> Winner:
        """The InferenceService without what only an experiment needs."""
        return inference_service.winner(experiment, service, name)

    def target_parts(self, target: Mapping[str, Any]) -> TargetParts:  # noqa: ARG002
        """Nothing: copies have a backend of their own."""
        return TargetParts()

    def read_target(self, target: Target, found: FoundTarget, known: Presets) -> Object:  # noqa: ARG002
        """Copies have a backend of their own."""
        raise UnusableTargetError(f"{target.kind} {target.name} is copied by another backend")

    def wanted_model(self, spec: TaskModel, known: Presets, namespace: str) -> Object | None:
        """A ClusterBaseModel or BaseModel."""
        return wanted_objects.wanted_model(spec, known, namespace)

    def wanted_runtime(
        self, spec: TaskSpec, known: Presets, live_model: Mapping[str, Any], namespace: str
    ) -> Object | None:
        """A ClusterServingRuntime or ServingRuntime."""
        return wanted_objects.wanted_runtime(spec.runtime, known, live_model, namespace)

    def model_state(self, model: Object | None) -> ModelState:
        """By the state that OME's model agents write."""
        return models.model_state(model)

    def weights(self, model_spec: Mapping[str, Any]) -> Weights:
        """By the model's storage."""
        return models.weights(model_spec)

    def node_label(self, model: ModelRef, namespace: str) -> str:
        """The label that OME's model agent sets."""
        return models.node_label(model, namespace)

    def misshapen_model(self, model_spec: Mapping[str, Any]) -> Sequence[str]:
        """By the fields that are read here."""
        return list(preset_shapes.wrong(model_spec, preset_shapes.MODEL))

    def misshapen_runtime(self, runtime_spec: Mapping[str, Any]) -> Sequence[str]:
        """By the fields that are read here."""
        return list(preset_shapes.wrong(runtime_spec, preset_shapes.RUNTIME))

    def engine_template(self, runtime_spec: Mapping[str, Any] | None) -> EngineTemplate:
        """The runtime's engineConfig and its runner."""
        return runtimes.engine_template(runtime_spec)

    def incomplete(self, model_spec: Mapping[str, Any]) -> str:
        """OME's schema wants an address of the weights."""
        if (model_spec.get("storage") or {}).get("storageUri"):
            return ""
        return "the spec has no storage.storageUri; OME demands one"

    def lacking_format(self, model: Mapping[str, Any]) -> str:
        """OME compares format and framework by name."""
        return runtimes.lacking_format(model)

    def incompatible(self, model: Mapping[str, Any], runtime: Mapping[str, Any]) -> str | None:
        """By OME's own rules for a runtime that is named."""
        return runtimes.incompatible(model, runtime)
