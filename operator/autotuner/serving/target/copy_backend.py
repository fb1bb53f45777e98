"""What all backends have in common that only copy what serves already: model and runtime are those of its snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.api.experiment import ModelRef, Service
from autotuner.api.model_and_runtime import TaskModel
from autotuner.api.task import TaskSpec
from autotuner.kubernetes_object import Object
from autotuner.presets import Presets
from autotuner.serving.backend import NOWHERE, Backend, EngineTemplate, ModelState, Weights
from autotuner.serving.target import snapshots


class CopyBackend(Backend):
    """A backend without presets, models and runtimes of its own."""

    def container(self, service: Service) -> str:
        """The one of the snapshot."""
        return service.container or ""

    def wanted_model(self, spec: TaskModel, known: Presets, namespace: str) -> Object | None:  # noqa: ARG002
        """What was read of the target's model; no object is made of it."""
        if spec.custom is None:
            return None
        return {"kind": "Model", "metadata": {"name": spec.custom.name}, "spec": dict(spec.custom.spec)}

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

    def model_state(self, model: Object | None) -> ModelState:
        """The copy finds its model as the original does."""
        return ModelState("Ready" if model is not None else "Waiting")

    def weights(self, model_spec: Mapping[str, Any]) -> Weights:  # noqa: ARG002
        """Only the copied pod knows."""
        return NOWHERE

    def node_label(self, model: ModelRef, namespace: str) -> str:  # noqa: ARG002
        """No node is known to have a model."""
        return ""

    def engine_template(self, runtime_spec: Mapping[str, Any] | None) -> EngineTemplate:
        """The engine in a snapshot."""
        return snapshots.engine_of(runtime_spec or {})

    def incomplete(self, model_spec: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Nothing: the original serves it."""
        return ""

    def misshapen_model(self, model_spec: Mapping[str, Any]) -> Sequence[str]:  # noqa: ARG002
        """Nothing: it was read here."""
        return ()

    def misshapen_runtime(self, runtime_spec: Mapping[str, Any]) -> Sequence[str]:  # noqa: ARG002
        """Nothing: a snapshot was a good pod before."""
        return ()

    def lacking_format(self, model: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Nobody compares formats."""
        return ""

    def incompatible(self, model: Mapping[str, Any], runtime: Mapping[str, Any]) -> str | None:  # noqa: ARG002
        """The original serves this very model."""
        return None
