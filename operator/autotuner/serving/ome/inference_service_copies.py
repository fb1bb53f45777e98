"""The backend OMEInferenceService, which copies an InferenceService that serves already: the rest is as OME's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.api.experiment import Service
from autotuner.api.model_and_runtime import Target
from autotuner.api.task import TaskSpec
from autotuner.kubernetes_object import Object
from autotuner.presets import Presets
from autotuner.serving.backend import Capabilities, EngineTemplate, FoundTarget, TargetParts, Winner
from autotuner.serving.ome import copy_manifests, original_service, wanted_objects
from autotuner.serving.ome.adapter import Ome
from autotuner.serving.ome.resource_kinds import INFERENCE_SERVICE
from autotuner.serving.target import snapshots
from autotuner.serving.target.snapshots import CONTROLLER_REVISION

_CAPABILITIES = Capabilities(
    name="OMEInferenceService",
    rights="ome",
    root=INFERENCE_SERVICE,
    models=wanted_objects.MODELS,
    runtimes={"Cluster": CONTROLLER_REVISION, "Namespaced": CONTROLLER_REVISION},
    replaces_arguments=True,
    snapshots=True,
    templates=True,
)


class InferenceServiceCopies(Ome):
    """Serves copies of an InferenceService, with its model and its runtime."""

    @property
    def capabilities(self) -> Capabilities:
        """A copy's runtime is a snapshot, and its model the live one."""
        return _CAPABILITIES

    def container(self, service: Service) -> str:
        """The one of the snapshot."""
        return service.container or ""

    def render(self, experiment: Mapping[str, Any], service: Service, runtime: Mapping[str, Any]) -> Object:
        """The InferenceService."""
        return copy_manifests.inference_service(experiment, service, runtime["data"])

    def winner(
        self,
        experiment: Mapping[str, Any],
        service: Service,
        runtime: Mapping[str, Any],
        name: str,  # noqa: ARG002
    ) -> Winner:
        """A patch of the target."""
        return copy_manifests.winner(experiment, service, runtime["data"])

    def target_parts(self, target: Mapping[str, Any]) -> TargetParts:
        """Its runtime and its Deployment."""
        return original_service.parts(target)

    def read_target(self, target: Target, found: FoundTarget, known: Presets) -> Object:  # noqa: ARG002
        """Its engine, over that of its runtime."""
        return original_service.read(target, found)

    def wanted_runtime(
        self,
        spec: TaskSpec,
        known: Presets,  # noqa: ARG002
        live_model: Mapping[str, Any],  # noqa: ARG002
        namespace: str,
    ) -> Object | None:
        """The snapshot of the target."""
        custom = spec.runtime.custom
        return snapshots.snapshot(custom.name, namespace, custom.spec) if custom is not None else None

    def misshapen_runtime(self, runtime_spec: Mapping[str, Any]) -> Sequence[str]:  # noqa: ARG002
        """Nothing: it was read here."""
        return ()

    def engine_template(self, runtime_spec: Mapping[str, Any] | None) -> EngineTemplate:
        """The engine's container in the snapshot, whose command comes before the arguments."""
        data = runtime_spec or {}
        pod: Mapping[str, Any] = (data.get("template") or {}).get("spec") or {}
        named = [one for one in pod.get("containers") or () if one["name"] == data.get("container")]
        return EngineTemplate(named[0], pod) if named else EngineTemplate()

    def incompatible(self, model: Mapping[str, Any], runtime: Mapping[str, Any]) -> str | None:  # noqa: ARG002
        """The original serves this very model."""
        return None
