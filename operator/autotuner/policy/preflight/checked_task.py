"""A task before it starts, with what of the cluster it refers to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotuner import engines
from autotuner.api.common import EngineName
from autotuner.api.task import TaskSpec
from autotuner.engines import EngineVersion
from autotuner.engines.probed_flags import ProbedFlags
from autotuner.kubernetes_object import content
from autotuner.policy import model_and_runtime
from autotuner.policy.model_and_runtime import Reference
from autotuner.policy.queueing import ObservedQueue
from autotuner.policy.volume_claims import Storage
from autotuner.presets import Presets
from autotuner.serving.accelerators import UNKNOWN, Fleet
from autotuner.serving.backend import Backend, EngineTemplate, Weights
from autotuner.validation_messages import Finding


@dataclass(frozen=True)
class Surroundings:
    """The cluster, as far as a task refers to it."""

    backend: Backend
    model: Mapping[str, Any] | None  # live: the one meant
    runtime: Mapping[str, Any] | None  # live: the one meant, if that is known already
    shadow: Finding | None = None  # a namespaced object that the backend would prefer to the one chosen
    may_create: bool = True
    fleet: Fleet = UNKNOWN  # what the nodes that engines may run on say of their accelerators
    most_accelerators: int | None = None  # that the experiments of all tasks may hold together
    storage: Storage | None = None  # None: nothing is known of namespace and claim
    queue: ObservedQueue | None = None  # None: the task names none, or nothing is known
    running: str = ""  # the version that the engine of experiment 0 told
    probed: ProbedFlags | None = None  # what the image's own parser told
    probe_failure: str = ""  # why it could not be asked
    absent: Mapping[str, str] = field(default_factory=dict)  # backends that cannot serve -> why
    target_fault: str = ""  # why the target cannot be copied
    name: str = ""  # of the task; empty if it is not known
    namespace: str = ""  # of the task; empty if it is not known


def engine_of(spec: TaskSpec, presets: Presets) -> EngineName | None:
    """The engine whose flags the parameters are; None if the preset is unknown."""
    if spec.runtime.preset is None:
        return spec.runtime.engine
    preset = presets.runtimes.get(spec.runtime.preset)
    return preset.engine if preset else None


@dataclass(frozen=True)
class Case:
    """A task and its surroundings: the input of every check."""

    spec: TaskSpec
    presets: Presets
    around: Surroundings

    @property
    def backend(self) -> Backend:
        """The backend that would serve the engines."""
        return self.around.backend

    @property
    def engine(self) -> EngineVersion | None:
        """The engine whose flags the parameters are; None if the preset is unknown."""
        name = engine_of(self.spec, self.presets)
        if name is None:
            return None
        if self.template.simulated:  # it has no version, and plays the newest
            return EngineVersion(name)
        said, running = self.spec.runtime.version, self.around.running
        return engines.version_of(name, image=self.image, said=said, running=running, probed=self.around.probed)

    @property
    def image(self) -> str:
        """The engine's image; empty if nothing says which."""
        return self.spec.runtime.image or self.template.image

    @property
    def awaits_probe(self) -> bool:
        """Whether the image's own parser will tell which flags are right."""
        return self.spec.runtime.probe and self.around.probed is None and not self.around.probe_failure

    @property
    def runtime_spec(self) -> Mapping[str, Any] | None:
        """The runtime's spec, live or as it would be created; None if there is none, or none that can be read."""
        written = self._written_runtime
        return None if written is None or self.backend.misshapen_runtime(written) else written

    @property
    def misshapen_runtime(self) -> Sequence[str]:
        """What of the runtime's spec has no shape that can be read, in words."""
        return () if self._written_runtime is None else self.backend.misshapen_runtime(self._written_runtime)

    @property
    def _written_runtime(self) -> Mapping[str, Any] | None:
        if self.around.runtime is not None:
            return content(self.around.runtime)
        return model_and_runtime.runtime_spec(self.spec.runtime, self.presets)

    @property
    def template(self) -> EngineTemplate:
        """The engine in that runtime."""
        return model_and_runtime.engine_template(self.backend, self.runtime_spec, self.spec.runtime.env)

    @property
    def pods(self) -> int:
        """Over how many pods the accelerators of one engine are spread."""
        return self.template.pods if self.spec.placement.accelerator_resource else 1

    @property
    def model_spec(self) -> Mapping[str, Any]:
        """The model's spec, live or as it would be created; empty if there is none, or none that can be read."""
        written = self._written_model
        return {} if self.backend.misshapen_model(written) else written

    @property
    def knows_model(self) -> bool:
        """Whether the model's spec can be read: of one that is not found, or not looked for, nothing is known."""
        return bool(self.model_spec)

    @property
    def misshapen_model(self) -> Sequence[str]:
        """What of the model's spec has no shape that can be read, in words."""
        return self.backend.misshapen_model(self._written_model)

    @property
    def _written_model(self) -> Mapping[str, Any]:
        if self.around.model is not None:
            found: Mapping[str, Any] = self.around.model["spec"]
            return found
        wanted = self.backend.wanted_model(self.spec.model, self.presets, "")
        return wanted["spec"] if wanted else {}

    @property
    def model_reference(self) -> Reference | None:
        """The model that the task means; None if its preset is unknown."""
        return model_and_runtime.model(self.spec.model, self.presets, "", self.backend)

    @property
    def weights(self) -> Weights:
        """Where its files lie by its own spec."""
        return self.backend.weights(self.model_spec)
