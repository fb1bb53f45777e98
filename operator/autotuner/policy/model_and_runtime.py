"""Which objects of OME a task's words mean, and what they would be if they had to be made: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autotuner import engines, presets
from autotuner.api.common import EngineName
from autotuner.api.model_and_runtime import CustomObject, Scope, TaskModel, TaskRuntime
from autotuner.api.task import TaskSpec
from autotuner.objects import Object
from autotuner.presets import Presets, runner

_MODEL_KINDS: Mapping[Scope, str] = {"Cluster": "ClusterBaseModel", "Namespaced": "BaseModel"}
_RUNTIME_KINDS: Mapping[Scope, str] = {"Cluster": "ClusterServingRuntime", "Namespaced": "ServingRuntime"}


@dataclass(frozen=True)
class Reference:
    """One object of OME.

    Attributes:
        kind: of the object.
        name: of the object.
        field: the words of the task that mean it, for messages.
    """

    kind: str
    name: str
    field: str

    @property
    def clusterwide(self) -> bool:
        """Whether the object belongs to no namespace."""
        return self.kind.startswith("Cluster")

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def reference_to(body: Mapping[str, Any], field: str) -> Reference:
    """The reference to an object that is wanted."""
    return Reference(body["kind"], body["metadata"]["name"], field)


def wanted_model(spec: TaskModel, known: Presets, namespace: str) -> Object | None:
    """The model to create if it is missing; None for an existing one, or a preset that is unknown."""
    kind = _MODEL_KINDS[spec.scope]
    if spec.custom is not None:
        return _custom(kind, spec.custom, namespace)
    if spec.preset is None or spec.preset not in known.models:
        return None
    body = known.models[spec.preset]
    if spec.volume is not None:
        # Nothing to download, and no host path to mount: such a model is Ready wherever OME's agent runs.
        body = {**body, "storage": {"storageUri": f"vendor://autotuner/volume/{spec.preset}"}}
    elif not spec.overrides:
        return presets.model_object(spec.preset, body)
    merged = presets.deep_merge(body, spec.overrides or {})
    return _placed(presets.model_object(presets.content_name(spec.preset, merged), merged), kind, namespace)


def model(spec: TaskModel, known: Presets, namespace: str) -> Reference | None:
    """The model that the task means; None if its preset is unknown."""
    if spec.name is not None:
        return Reference(spec.kind, spec.name, "model.name")
    wanted = wanted_model(spec, known, namespace)
    return reference_to(wanted, f"model.{'custom' if spec.custom else 'preset'}") if wanted else None


def wanted_runtime(spec: TaskRuntime, known: Presets, live_model: Mapping[str, Any], namespace: str) -> Object | None:
    """The runtime to create if it is missing, fitting a live model; None for an existing one, or an unknown preset."""
    kind = _RUNTIME_KINDS[spec.scope]
    if spec.custom is not None:
        return _custom(kind, spec.custom, namespace)
    preset = known.runtimes.get(spec.preset or "")
    if preset is None:
        return None
    if not spec.overrides:
        return presets.runtime_object(preset, live_model)
    changed = presets.RuntimePreset(preset.name, preset.engine, presets.deep_merge(preset.spec, spec.overrides))
    return _placed(presets.runtime_object(changed, live_model), kind, namespace)


def runtime_kind(spec: TaskRuntime) -> str:
    """The kind of the runtime that a task means, whatever its name."""
    if spec.name is not None:
        return spec.kind
    return _RUNTIME_KINDS[spec.scope if spec.custom or spec.overrides else "Cluster"]


def runtime_spec(spec: TaskRuntime, known: Presets) -> Mapping[str, Any] | None:
    """The runtime's spec as far as it can be told without the model; None for an existing or unknown one."""
    if spec.custom is not None:
        return spec.custom.spec
    preset = known.runtimes.get(spec.preset or "")
    return presets.deep_merge(preset.spec, spec.overrides or {}) if preset else None


def _custom(kind: str, custom: CustomObject, namespace: str) -> Object:
    body: Object = {
        "apiVersion": "ome.io/v1beta1",
        "kind": kind,
        "metadata": {
            "name": custom.name,
            "labels": {**(custom.labels or {}), **presets.MANAGED_BY},
            **({"annotations": dict(custom.annotations)} if custom.annotations else {}),
        },
        "spec": dict(custom.spec),
    }
    return _placed(body, kind, namespace)


def _placed(body: Object, kind: str, namespace: str) -> Object:
    """The body as an object of this kind, in the namespace if the kind has one."""
    where = {} if kind.startswith("Cluster") else {"namespace": namespace}
    return {**body, "kind": kind, "metadata": {**body["metadata"], **where}}


def fixed_arguments(engine: EngineName, spec: TaskSpec, runtime_spec: Mapping[str, Any]) -> list[str]:
    """What every configuration starts from: the runtime's own arguments and, stronger, the task's fixed ones."""
    own = list(runner(runtime_spec).get("args") or [])
    return engines.get(engine).merge(own, spec.runtime.extra_args or [])
