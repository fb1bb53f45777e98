"""What a reconcile of an experiment observed: plain data, the input of every decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from autotuner.api.experiment import ExperimentSpec, ExperimentStatus
from autotuner.kubernetes_object import Object
from autotuner.policy.queueing import ObservedQueue
from autotuner.policy.volume_claims import Storage
from autotuner.serving import accelerators, engine_group
from autotuner.serving.accelerators import NodeAccelerators
from autotuner.serving.backend import Backend, ModelState, ServingEvent, State
from autotuner.serving.kueue import Workload
from autotuner.serving.pods import PodView
from autotuner.serving.refusals import Refusal


@dataclass(frozen=True)
class ObservedExperiment:
    """A TuningExperiment and everything around it, as read in one reconcile."""

    object: Object
    spec: ExperimentSpec
    status: ExperimentStatus
    backend: Backend
    model: Object | None  # live
    runtime: Object | None  # live
    storage: Storage | None = None  # read only until the root is there
    queue: ObservedQueue | None = None  # read only until the root is there
    turn: str = ""  # why it may not start just now, because of what others hold
    root: Object | None = None  # of our name, whoever owns it
    owns_root: bool = False
    events: tuple[ServingEvent, ...] = ()  # about the root, while it has no pod
    related: tuple[Object, ...] = ()  # what explains why the root has no pod
    node: Object | None = None  # the engine's
    engine_pods: tuple[PodView, ...] = ()
    # Read only when the engine's container or the benchmark has ended, or the start takes too long.
    engine_log: str = ""
    job: Object | None = None
    owns_job: bool = False
    benchmark_pods: tuple[PodView, ...] = ()
    benchmark_log: str = ""  # read only when the benchmark failed, takes too long, or told no whole result
    silent_nodes: frozenset[str] = frozenset()  # gone or NotReady while the experiment needs them
    lost_nodes: frozenset[str] = frozenset()  # gone or NotReady; looked up only while pods linger
    rejection: str = ""  # the API server's answer when it refused to create the root just now
    namespace_goes: bool = False  # it is being deleted; looked up only when the experiment would end for another cause
    unanswered: str = ""  # the API server's answer when it could not create something just now
    job_refusal: Refusal | None = None  # of the benchmark's Job or its pod, tried before the root is made or afterwards
    no_place: str = ""  # why no node could take the benchmark's pod; looked for before the root is made
    workloads: Mapping[str, Workload] = field(default_factory=dict)  # by uid of pods and Job that Kueue does not admit
    stopped: str = ""  # Kueue's words when it took the engine's pod or the Job out of the cluster; read once one misses
    failing_webhook: str = ""  # the API server's words about it; looked for while a release takes too long
    serving_seconds: int = 60

    @property
    def name(self) -> str:
        """The experiment's name, and that of its Job."""
        return str(self.object["metadata"]["name"])

    @property
    def root_name(self) -> str:
        """The name of the object that serves its engine."""
        return self.backend.root_name(self.object)

    @property
    def root_kind(self) -> str:
        """The kind of that object."""
        return self.backend.capabilities.root.kind

    @property
    def model_name(self) -> str:
        """The kind and name of the model's object, for messages."""
        model = self.spec.service.model
        return f"{model.kind} {model.name}" if model else "the model"

    @property
    def of_task(self) -> bool:
        """Whether a task made the experiment; it also makes models and runtimes again that somebody deletes."""
        return any(owner.get("controller") for owner in self.object["metadata"].get("ownerReferences") or ())

    @cached_property
    def model_state(self) -> ModelState:
        """How far the model is; one that no object stands for is always Ready."""
        return self.backend.model_state(self.model) if self.spec.service.model else ModelState("Ready")

    @cached_property
    def serving(self) -> State | None:
        """How far the engine is; None while there is no root of ours."""
        if self.root is None or not self.owns_root:
            return None
        return self.backend.observe((self.root, *self.related), self.engine, self.events)

    @property
    def generation(self) -> int:
        """The generation of the spec that was read."""
        return int(self.object["metadata"].get("generation", 0))

    @cached_property
    def accelerators(self) -> NodeAccelerators:
        """What the engine's node says of its accelerators: as it was when the engine came there."""
        asked, known = self.spec.service.accelerator, self.status.accelerator_product
        found = accelerators.read(self.node, asked.resource, asked.label or "") if self.node else NodeAccelerators()
        if known is None:
            return found
        return replace(found, product=known, label=self.status.accelerator_label or "")

    @property
    def sharing(self) -> str | None:
        """How other pods may use the engine's accelerators too; None if they are its own, or nobody says."""
        found = self.accelerators.sharing
        return self.status.accelerator_sharing or (str(found) if found else None)

    @cached_property
    def engine_group(self) -> tuple[PodView, ...]:
        """The pods that are the engine, the leader first: of one pod the one that was measured, else the newest."""
        known = self.status.engine_pod.uid if self.status.engine_pod else None
        return engine_group.members(self.engine_pods, known)

    @cached_property
    def engine(self) -> PodView | None:
        """The engine's pod, or its whole group as one; None while any is missing."""
        return engine_group.as_one(self.engine_group)

    @property
    def engine_teller(self) -> PodView | None:
        """The pod whose log explains the engine's state."""
        return engine_group.teller(self.engine_group) if self.engine_group else None

    @property
    def benchmark(self) -> PodView | None:
        """The benchmark's pod."""
        return max(self.benchmark_pods, key=lambda pod: pod.created, default=None)

    @property
    def job_suspended(self) -> bool:
        """Whether the Job is the experiment's own and must not run, as Kueue has it until it admits it."""
        return self.job is not None and self.owns_job and bool(self.job["spec"].get("suspend"))

    @property
    def job_workload(self) -> Workload | None:
        """What Kueue says of the Job while it does not admit it."""
        return self.workloads.get(self.job["metadata"]["uid"]) if self.job is not None else None

    @property
    def engine_queued_again(self) -> bool:
        """Whether the engine had a node, and its pod waits for Kueue once more: it is another pod."""
        had = self.status.times is not None and self.status.times.scheduled is not None
        return had and self.engine is not None and self.engine.queued

    @property
    def job_queued_again(self) -> bool:
        """Whether the benchmark's pod had a node, and Kueue suspended its Job."""
        had = self.status.times is not None and self.status.times.benchmark_scheduled is not None
        evicted = self.job_workload is not None and bool(self.job_workload.evicted)
        return self.job_suspended and (had or evicted)

    @property
    def pods(self) -> tuple[PodView, ...]:
        """All pods with the experiment's label."""
        return self.engine_pods + self.benchmark_pods
