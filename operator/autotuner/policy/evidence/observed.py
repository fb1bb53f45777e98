"""What a reconcile of a task observed: plain data, the input of every decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from autotuner import clock
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import TaskStatus
from autotuner.engines import EngineVersion
from autotuner.engines.probed_flags import ProbedFlags
from autotuner.kubernetes_object import Object, content
from autotuner.policy import model_and_runtime, preflight
from autotuner.policy.evidence import baseline_point, measurements, retries, reuse
from autotuner.policy.evidence.experiment_spec import Ingredients, Pinned
from autotuner.policy.evidence.measurements import Measured, Readings, Settled
from autotuner.policy.evidence.probe import ObservedProbe
from autotuner.policy.model_and_runtime import Reference
from autotuner.policy.queueing import ObservedQueue
from autotuner.policy.volume_claims import Storage
from autotuner.presets import Presets
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from autotuner.serving import accelerators
from autotuner.serving.accelerators import Fleet
from autotuner.serving.backend import Backend, EngineTemplate, ModelState
from autotuner.validation_messages import Finding


@dataclass(frozen=True)
class ObservedTask:
    """A TuningTask and everything around it, as read in one reconcile."""

    object: Object
    spec: TaskSpec
    status: TaskStatus
    presets: Presets
    backend: Backend
    experiments: tuple[Object, ...] = ()  # those that this very task owns
    foreign: tuple[Object, ...] = ()  # all finished ones of the namespace, once any could answer for this task
    model: Object | None = None  # live
    runtime: Object | None = None  # live
    wanted_model: Object | None = None  # of the preset
    wanted_runtime: Object | None = None  # of the preset for the live model
    nodes: tuple[Object, ...] = ()
    storage: Storage | None = None
    queue: ObservedQueue | None = None  # read until the task starts
    readings: Readings = field(default_factory=Readings, repr=False)  # what earlier reconciles read
    preview: Object | None = None  # the live ConfigMap, while the task is suspended before its start
    probe: ObservedProbe | None = None  # from the start on, where the task wants one that has not failed
    shadow: Finding | None = None
    may_create: bool = True
    most_accelerators: int | None = None  # that the experiments of all tasks may hold together
    benchmark_image: str = ""
    defaults: Object = field(default_factory=dict)  # those of the operator that the spec takes
    defaults_problem: Finding | None = None  # why the spec cannot take them
    obstacle: str = ""  # whose the name of the next experiment is, if it could not be created just now
    recommendation_obstacle: str = ""  # why the recommendation could not be written just now
    rejection: tuple[str, str] | None = None  # kind and the API server's words, when it refused to create it just now
    absent: Mapping[str, str] = field(default_factory=dict)  # backends that cannot serve -> why
    target_fault: str = ""  # why the target cannot be copied
    target_changed: bool = False  # since the task began
    turn: str = ""  # why no experiment may start just now although the task's own limits let it, in words
    unanswered: tuple[str, str] | None = None  # the same when it could not do it: it failed, or a webhook did

    @property
    def generation(self) -> int:
        """The generation of the spec that was read."""
        return int(self.object["metadata"].get("generation", 0))

    @property
    def namespace(self) -> str:
        """The namespace of the task and of all that it creates."""
        return str(self.object["metadata"]["namespace"])

    @cached_property
    def model_reference(self) -> Reference | None:
        """The model that the task means; None if its preset is unknown."""
        return model_and_runtime.model(self.spec.model, self.presets, self.namespace, self.backend)

    @cached_property
    def model_state(self) -> ModelState:
        """How far the model is."""
        return self.backend.model_state(self.model)

    @cached_property
    def runtime_reference(self) -> Reference | None:
        """The runtime that the task means; None while that depends on a model which is not Ready."""
        spec, resolved, wanted = self.spec.runtime, self.status.resolved, self.wanted_runtime
        if spec.name is not None:
            return model_and_runtime.reference_to(spec.kind, spec.name, "runtime.name", self.backend)
        field = "runtime.custom" if spec.custom else "runtime.preset"
        # The name is fixed by the start: an upgrade that changes a preset must not split a task.
        fixed = resolved.runtime if resolved and self.status.start_time else ""
        name = fixed or (wanted["metadata"]["name"] if wanted else "")
        if spec.custom is not None and not self.backend.capabilities.snapshots:
            name = spec.custom.name
        kind = model_and_runtime.runtime_kind(spec, self.backend)
        return model_and_runtime.reference_to(kind, name, field, self.backend) if name else None

    @property
    def answer(self) -> str:
        """Why the API server could not create something just now, as a sentence; empty if it could."""
        return "the API server cannot create the {}: {}".format(*self.unanswered) if self.unanswered else ""

    def may_make(self, reference: Reference) -> bool:
        """Whether this operator may create such an object if it is missing."""
        return self.may_create or not reference.clusterwide

    @cached_property
    def space(self) -> Space:
        """The search space, once the spec is known to be valid."""
        follows_from = (self.spec, self.presets, self.surroundings, self.engine)
        return self.readings.answer("space", follows_from, lambda: preflight.space(*follows_from))

    @property
    def surroundings(self) -> preflight.Surroundings:
        """What of the cluster the spec refers to."""
        return preflight.Surroundings(
            self.backend,
            self.model,
            self.runtime,
            self.shadow,
            self.may_create,
            fleet=self.fleet,
            most_accelerators=self.most_accelerators,
            storage=self.storage,
            queue=self.queue,
            running=(self.settled.status.engine_version or "") if self.settled else "",
            probed=self.probed,
            probe_failure=(self.status.probe.failure or "") if self.status.probe else "",
            absent=self.absent,
            target_fault=self.target_fault,
            name=self.object["metadata"]["name"],
            namespace=self.namespace,
        )

    @cached_property
    def fleet(self) -> Fleet:
        """What the nodes that its engines may run on say of their accelerators."""
        asked, runtime = self.spec.placement, self.runtime or self.wanted_runtime
        said = content(runtime)
        readable = said is not None and not self.backend.misshapen_runtime(said)
        own = self.backend.engine_template(said).pod.get("tolerations") if readable else None
        return accelerators.fleet(
            self.nodes,
            asked.accelerator_resource,
            asked.node_selector or {},
            label=asked.accelerator_label or "",
            pinned=self.pinned.selector,
            tolerations=[*(own or ()), *(one.dump() for one in asked.tolerations or ())],
        )

    @cached_property
    def probed(self) -> ProbedFlags | None:
        """The flags that the image told; None before, and where they are others than the status says."""
        found = self.probe.flags if self.probe else None
        known = self.status.probe.digest if self.status.probe else None
        return found if found and known in (None, found.digest) else None

    @property
    def engine_template(self) -> EngineTemplate:
        """The engine in the task's runtime."""
        return preflight.template(self.spec, self.presets, self.surroundings)

    @property
    def engine_image(self) -> str:
        """The image that the engine runs in."""
        return self.spec.runtime.image or self.engine_template.image

    def ingredients(self, model: Mapping[str, Any], runtime: Mapping[str, Any]) -> Ingredients:
        """What the experiments have in common, with this model and runtime."""
        return Ingredients(
            task=self.object,
            spec=self.spec,
            backend=self.backend,
            engine=self.engine,
            model=model,
            runtime=runtime,
            space=self.space,
            pinned=self.pinned,
            benchmark_image=self.benchmark_image,
        )

    @property
    def pinned(self) -> Pinned:
        """The accelerator that experiment 0 has fixed; read before anything is scored, for the space depends on it."""
        wanted = self.spec.placement
        if self.settled is None or self.settled.status.accelerator_product is None:
            return Pinned(label=wanted.accelerator_label)
        status = self.settled.status
        # An experiment of an older release did not tell the label: it was the resource's own.
        own = next(iter(accelerators.product_labels(wanted.accelerator_resource)), None)
        return Pinned(status.accelerator_product, status.accelerator_label or wanted.accelerator_label or own)

    @cached_property
    def settled(self) -> Settled | None:
        """The baseline that counts, with what it has fixed; known before anything is scored."""
        return measurements.settled(self.experiments)

    @cached_property
    def measured(self) -> list[Measured]:
        """What others have measured (`reused`), then the task's own experiments by index."""
        own = self.readings.read(self.experiments, self.spec, self.space, self.today)
        return [*self._reused, *retries.judged(own)]

    @cached_property
    def today(self) -> Configuration | None:
        """The configuration that the baseline is to the engine; None before it counts, or if it is none of the space.

        It is never measured for the search: the baseline's record is its own.
        """
        common = self._common
        if self.settled is None or common is None:
            return None
        service = self.settled.spec.service
        follows_from = (service, common.space, common.spec, common.engine, common.model, common.runtime)
        return self.readings.answer("today", follows_from, lambda: baseline_point.same_configuration(service, common))

    @cached_property
    def beside_today(self) -> list[Configuration]:
        """Where something is known although nothing was measured: nearest to a baseline that is no configuration."""
        common = self._common
        if self.settled is None or common is None or self.today is not None:
            return []
        found = baseline_point.nearest_configuration(self.settled.spec.service, common)
        return [found] if found is not None else []

    @property
    def _common(self) -> Ingredients | None:
        """What the experiments have in common; None while model or runtime is missing."""
        return self.ingredients(self.model, self.runtime) if self.model and self.runtime else None

    @property
    def _reused(self) -> list[Measured]:
        start, common = self.status.start_time, self._common
        if not self.foreign or self.settled is None or start is None or common is None:
            return []
        return reuse.read(self.foreign, common, self.settled, clock.parse(start))

    @property
    def tried(self) -> list[Measured]:
        """Experiments that answer for configurations: neither baselines nor repeats nor withdrawn nor replaced."""
        tried = [one for one in self.measured if not (one.is_baseline or one.is_repeat or one.withdrawn)]
        return [one for one in tried if one.retry != "made"]

    @cached_property
    def search(self) -> list[Measured]:
        """The task's own experiments that count as measured; what the surroundings spoiled does not."""
        return [one for one in self.tried if not one.reused and one.outcome != "environment"]

    @property
    def reused(self) -> int:
        """How many experiments of others answer for this task."""
        return sum(one.reused for one in self.measured)

    @property
    def running(self) -> list[Measured]:
        """Experiments that are not over."""
        return [one for one in self.measured if not one.finished]

    @cached_property
    def baseline(self) -> Measured | None:
        """The baseline's experiment that counts: the last one that was not cancelled or spoiled by the environment."""
        settled = [one for one in self.measured if one.is_baseline and one.outcome not in measurements.REPEATED]
        return settled[-1] if settled else None

    @property
    def engine(self) -> EngineVersion:
        """The engine whose flags the parameters are."""
        engine = preflight.engine(self.spec, self.presets, self.surroundings)
        if self.status.resolved:
            return EngineVersion(self.status.resolved.engine, *(engine or ())[1:])
        assert engine is not None, "checked by preflight"
        return engine
