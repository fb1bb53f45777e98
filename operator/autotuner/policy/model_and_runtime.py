"""Which model and which runtime a task's words mean: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autotuner import engines, presets, yaml_text
from autotuner.api.common import EnvironmentVariable
from autotuner.api.model_and_runtime import TaskModel, TaskRuntime
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import TaskStatus
from autotuner.engines import EngineVersion
from autotuner.presets import Presets
from autotuner.serving.backend import Backend, Backends, EngineTemplate
from autotuner.serving.target import variables

_NUMBER = re.compile(r"-?[0-9]+([.][0-9]+)?")


@dataclass(frozen=True)
class Reference:
    """A model or a runtime.

    Attributes:
        kind: of the object.
        name: of the object.
        field: the words of the task that mean it, for messages.
        clusterwide: the object belongs to no namespace.
    """

    kind: str
    name: str
    field: str
    clusterwide: bool

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def reference_to(kind: str, name: str, field: str, backend: Backend) -> Reference:
    """The reference to a model or a runtime of the backend."""
    return Reference(kind, name, field, not backend.capabilities.references[kind].namespaced)


def chosen_backend(spec: TaskSpec, status: TaskStatus, backends: Backends) -> str:
    """The name of the backend that serves a task's engines; a task that has begun keeps its own."""
    if status.resolved is not None:
        return status.resolved.backend
    if spec.target is not None:
        return backends.of_kind(spec.target.api_version, spec.target.kind).capabilities.name
    return backends.usual if spec.backend == "Auto" else spec.backend


def model(spec: TaskModel, known: Presets, namespace: str, backend: Backend) -> Reference | None:
    """The model that the task means; None if its preset is unknown."""
    if not backend.capabilities.models:
        return _without_object(spec, known, namespace, backend)
    if spec.name is not None:
        return reference_to(spec.kind, spec.name, "model.name", backend)
    wanted = backend.wanted_model(spec, known, namespace)
    if wanted is None:
        return None
    field = f"model.{'custom' if spec.custom else 'preset'}"
    return reference_to(wanted["kind"], wanted["metadata"]["name"], field, backend)


def _without_object(spec: TaskModel, known: Presets, namespace: str, backend: Backend) -> Reference | None:
    """The model where no object stands for it."""
    wanted = backend.wanted_model(spec, known, namespace)
    if wanted is None:
        return None
    field = f"model.{'custom' if spec.custom else 'preset'}"
    return Reference(wanted["kind"], wanted["metadata"]["name"], field, clusterwide=False)


def runtime_kind(spec: TaskRuntime, backend: Backend) -> str:
    """The kind of the runtime that a task means, whatever its name."""
    if spec.name is not None:
        return spec.kind
    return backend.capabilities.runtimes[spec.scope if spec.custom or spec.overrides else "Cluster"].kind


def runtime_spec(spec: TaskRuntime, known: Presets) -> Mapping[str, Any] | None:
    """The runtime's spec as far as it can be told without the model; None for an existing or unknown one."""
    if spec.custom is not None:
        return spec.custom.spec
    preset = known.runtimes.get(spec.preset or "")
    return presets.deep_merge(preset.spec, spec.overrides or {}) if preset else None


def engine_template(
    backend: Backend, spec: Mapping[str, Any] | None, env: Iterable[EnvironmentVariable] | None
) -> EngineTemplate:
    """The engine in a runtime, with a number where its words name a variable that stands for one.

    Args:
        backend: whose runtime it is.
        spec: of the runtime.
        env: that the task gives the engine besides; of two variables of one name this is the one that counts.
    """
    found = backend.engine_template(spec)
    own = [variable for variable in found.container.get("env") or () if variable.get("name")]
    given = [*own, *(variable.dump() for variable in env or ())]
    numbers = {name: value for name, value in variables.written_out(given).items() if _NUMBER.fullmatch(value)}
    if not numbers:
        return found
    words = {
        part: [variables.expanded(word, numbers) for word in found.container[part]]
        for part in ("command", "args")
        if found.container.get(part)
    }
    return replace(found, container={**found.container, **words})


def fixed_arguments(engine: EngineVersion, spec: TaskSpec, own: Sequence[str]) -> list[str]:
    """What every configuration starts from: the runtime's own arguments and, stronger, the task's fixed ones."""
    return engines.get(engine).merge(own, spec.runtime.extra_args or [])


def difference(live: Any, wanted: Any, path: str = "") -> list[str]:
    """The fields in which a live object differs from the wanted one, each with both values as YAML.

    What only the live one has is no difference.
    """
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        parts = [(f"{path}.{key}" if path else key, live.get(key), value) for key, value in wanted.items()]
    elif isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        parts = [(f"{path}[{index}]", *both) for index, both in enumerate(zip(live, wanted, strict=True))]
    else:
        return [] if live == wanted else [f"{path} ({_short(live)} instead of {_short(wanted)})"]
    return [found for where, there, value in parts for found in difference(there, value, where)]


def _short(value: Any) -> str:
    text = "nothing" if value is None else yaml_text.in_one_line(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
