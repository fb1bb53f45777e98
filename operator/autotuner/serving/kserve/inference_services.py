"""The backend KServeInferenceService: each method is a function of the modules beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.api.experiment import Service
from autotuner.api.model_and_runtime import Target
from autotuner.kubernetes_object import Object, Resource
from autotuner.presets import Presets
from autotuner.serving.backend import (
    Capabilities,
    Endpoint,
    FoundTarget,
    Named,
    ServingEvent,
    State,
    TargetParts,
    Weights,
    Winner,
)
from autotuner.serving.kserve import copied_service, serving_state, stored_service
from autotuner.serving.kserve.resource_kinds import (
    DEPLOYMENT,
    FINALIZER,
    INFERENCE_SERVICE,
    SERVICE,
    predictor_name,
)
from autotuner.serving.pods import PodView
from autotuner.serving.target import weights_folder
from autotuner.serving.target.copy_backend import CopyBackend
from autotuner.serving.target.snapshots import CONTROLLER_REVISION

_CAPABILITIES = Capabilities(
    name="KServeInferenceService",
    rights="kserve",
    root=INFERENCE_SERVICE,
    models={},
    runtimes={"Cluster": CONTROLLER_REVISION, "Namespaced": CONTROLLER_REVISION},
    # Not the runtime's, which are a part of the command that comes before them.
    replaces_arguments=True,
    snapshots=True,
    templates=True,
)
_LONGEST = 63  # of the first label of the host name that KServe makes, even of what is local to the cluster


class KServeInferenceServices(CopyBackend):
    """Serves copies of an InferenceService, in KServe's mode Standard."""

    @property
    def capabilities(self) -> Capabilities:
        """A copy names the runtime of its original."""
        return _CAPABILITIES

    def root_name(self, experiment: Mapping[str, Any]) -> str:
        """The experiment's own name."""
        return str(experiment["metadata"]["name"])

    def unfit_name(self, name: str, namespace: str) -> str:
        """KServe makes a host name of the default domain template of every InferenceService."""
        label = f"{predictor_name(name)}-{namespace}"
        if len(label) <= _LONGEST:
            return ""
        return f"KServe makes a host name of {label}, which is {len(label) - _LONGEST} characters too long"

    def render(self, experiment: Mapping[str, Any], service: Service, runtime: Mapping[str, Any]) -> Object:
        """The InferenceService."""
        return copied_service.inference_service(experiment, service, runtime["data"])

    def companions(
        self, experiment: Mapping[str, Any], service: Service, root: Mapping[str, Any]
    ) -> Sequence[tuple[Resource, Object]]:
        """A Service with the engine's port."""
        return [(SERVICE, copied_service.engine_service(experiment, service, root))]

    def related(self, experiment: Mapping[str, Any]) -> Sequence[Named]:
        """The Deployment that KServe makes of the InferenceService."""
        return [Named(DEPLOYMENT, predictor_name(self.root_name(experiment)))]

    def observe(self, objects: Sequence[Object], pod: PodView | None, events: Sequence[ServingEvent]) -> State:
        """By pods, and by what KServe says for good."""
        return serving_state.state(objects, pod, events)

    def endpoint(self, experiment: Mapping[str, Any], pod: PodView) -> Endpoint:
        """Our Service."""
        meta = experiment["metadata"]
        return Endpoint("http", f"{copied_service.engine_service_name(meta['name'])}.{meta['namespace']}.svc", pod.port)

    def release_advice(self, service: Service, root: Mapping[str, Any], model: Object | None) -> str:  # noqa: ARG002
        """KServe's controller removes its finalizer within a second, unless it is away."""
        if FINALIZER not in (root["metadata"].get("finalizers") or ()):
            return ""
        return (
            f"KServe's controller has not removed its finalizer {FINALIZER}: is Deployment kserve-controller-manager in"
            " namespace kserve running?"
        )

    def winner(
        self,
        experiment: Mapping[str, Any],
        service: Service,
        runtime: Mapping[str, Any],
        name: str,  # noqa: ARG002
    ) -> Winner:
        """A patch of the target."""
        return copied_service.winner(experiment, service, runtime["data"])

    def weights(self, model_spec: Mapping[str, Any]) -> Weights:
        """Where a volume of the original's pod holds them; else KServe downloads them into each pod."""
        return weights_folder.weights(model_spec)._replace(downloaded=stored_service.downloaded(model_spec))

    def target_parts(self, target: Mapping[str, Any]) -> TargetParts:
        """Its runtime and its pods."""
        return stored_service.parts(target)

    def read_target(self, target: Target, found: FoundTarget, known: Presets) -> Object:
        """Its predictor, and what its pods run."""
        return stored_service.read(target, found, known)
