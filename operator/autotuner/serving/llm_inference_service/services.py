"""The backend KServeLLMInferenceService: each method is a function of the modules beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.api.experiment import Service
from autotuner.api.model_and_runtime import Target
from autotuner.kube import DEPLOYMENT
from autotuner.kubernetes_object import Object, Resource
from autotuner.presets import Presets
from autotuner.serving.backend import (
    Capabilities,
    Endpoint,
    EngineTemplate,
    FoundTarget,
    Named,
    ServingEvent,
    State,
    TargetParts,
    Weights,
    Winner,
)
from autotuner.serving.llm_inference_service import copies, original, service_state
from autotuner.serving.pods import PodView
from autotuner.serving.target import weights_folder
from autotuner.serving.target.copy_backend import CopyBackend
from autotuner.serving.target.snapshots import CONTROLLER_REVISION

_CAPABILITIES = Capabilities(
    name="KServeLLMInferenceService",
    rights="kserve",
    root=original.ROOT,
    models={},
    runtimes={"Cluster": CONTROLLER_REVISION, "Namespaced": CONTROLLER_REVISION},
    replaces_arguments=True,
    snapshots=True,
    templates=True,
)
_FINALIZER = "serving.kserve.io/llmisvc-finalizer"


class LlmInferenceServices(CopyBackend):
    """Serves an engine by a copy of an LLMInferenceService that serves already, without its router."""

    @property
    def capabilities(self) -> Capabilities:
        """A list of arguments replaces that of a base reference; an empty one keeps it."""
        return _CAPABILITIES

    def root_name(self, experiment: Mapping[str, Any]) -> str:
        """As much of the experiment's own name as its children's leave room for."""
        return copies.root_name(experiment)

    def render(self, experiment: Mapping[str, Any], service: Service, runtime: Mapping[str, Any]) -> Object:
        """The LLMInferenceService."""
        return copies.llm_inference_service(experiment, service, runtime["data"])

    def companions(
        self,
        experiment: Mapping[str, Any],  # noqa: ARG002
        service: Service,  # noqa: ARG002
        root: Mapping[str, Any],  # noqa: ARG002
    ) -> Sequence[tuple[Resource, Object]]:
        """None: KServe makes the Service."""
        return ()

    def related(self, experiment: Mapping[str, Any]) -> Sequence[Named]:
        """The Deployment that KServe makes of it."""
        return [Named(DEPLOYMENT, copies.deployment_name(self.root_name(experiment)))]

    def observe(self, objects: Sequence[Object], pod: PodView | None, events: Sequence[ServingEvent]) -> State:
        """By its conditions, Ready apart, and by the pod."""
        return service_state.state(objects, pod, events)

    def endpoint(self, experiment: Mapping[str, Any], pod: PodView) -> Endpoint:  # noqa: ARG002
        """The Service that KServe makes of it; without a router there is no other way in."""
        host = copies.service_host(self.root_name(experiment), experiment["metadata"]["namespace"])
        return Endpoint("http", host, copies.PORT)

    def release_advice(self, service: Service, root: Mapping[str, Any], model: Object | None) -> str:  # noqa: ARG002
        """Only its own controller takes its finalizer off."""
        if _FINALIZER not in (root["metadata"].get("finalizers") or ()):
            return ""
        return (
            f"KServe's controller has not removed its finalizer {_FINALIZER}: is Deployment llmisvc-controller-manager"
            " in namespace kserve running?"
        )

    def winner(
        self,
        experiment: Mapping[str, Any],
        service: Service,
        runtime: Mapping[str, Any],
        name: str,  # noqa: ARG002
    ) -> Winner:
        """A patch of the target."""
        return copies.winner(experiment, service, runtime["data"])

    def target_parts(self, target: Mapping[str, Any]) -> TargetParts:
        """The presets and base references of which it is made, and its engines' pods."""
        return original.parts(target)

    def read_target(self, target: Target, found: FoundTarget, known: Presets) -> Object:
        """What its pod runs, and of what it is made."""
        return original.read(target, found, known)

    def weights(self, model_spec: Mapping[str, Any]) -> Weights:
        """By its address: each pod downloads them anew, unless they are on a claim."""
        return weights_folder.weights(model_spec)._replace(downloaded=original.downloaded(model_spec))

    def engine_template(self, runtime_spec: Mapping[str, Any] | None) -> EngineTemplate:
        """The engine in a snapshot, with its command and arguments as it is given them."""
        if not runtime_spec or "template" not in runtime_spec:
            return EngineTemplate()
        start, pod = copies.start_of(runtime_spec), runtime_spec["template"]["spec"]
        container = {**pod["containers"][0], "command": list(start.head), "args": list(start.flags)}
        return EngineTemplate(container, pod)
