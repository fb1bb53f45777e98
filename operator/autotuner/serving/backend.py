"""What a backend is: everything the operator knows of the product that serves an engine.

An experiment has one *root*, an object of the backend's kind, owned by the experiment; the pods come from it and carry
the experiment's labels. A release deletes the root in the foreground and waits until it and the pods are gone. All of
a backend is pure: it reads and writes objects as data, and the controllers talk to the API server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, get_args

from autotuner.api.common import EXPERIMENT_UID_LABEL, PresetBackend, Volume
from autotuner.api.experiment import ModelRef, Service
from autotuner.api.model_and_runtime import Scope, Target, TaskModel
from autotuner.api.task import TaskSpec
from autotuner.kubernetes_object import Object, Resource
from autotuner.presets import SIMULATOR_MODULE, Presets
from autotuner.serving import pods
from autotuner.serving.pods import PodView
from autotuner.serving.refusals import Refusal

# By which the engine is told where the weights are, where a runtime's command reads it.
MODEL_PATH = "MODEL_PATH"


@dataclass(frozen=True)
class Capabilities:
    """What a backend needs and how its objects behave.

    Attributes:
        name: of the product, in messages; tasks and experiments choose by it.
        rights: the key of its rights, in the chart's value `backends`.
        root: kind of the object that serves one engine; must be served, and changes of it wake its experiment.
        models: kinds of model; of two of one name the namespaced one is used. None: the engine finds its own.
        runtimes: kinds of runtime; of two of one name the namespaced one is used.
        snapshots: runtimes are snapshots, each made by the task that uses it.
        templates: it takes what stands in an object's strings in double braces for templates.
        selector: of the labels that only its roots have, among all objects of their kind.
        replaces_arguments: an experiment's arguments replace the runtime's own, which an empty list keeps.
    """

    name: str
    rights: str
    root: Resource
    models: Mapping[Scope, Resource]
    runtimes: Mapping[Scope, Resource]
    replaces_arguments: bool
    snapshots: bool = False
    templates: bool = False
    selector: str = EXPERIMENT_UID_LABEL

    @property
    def references(self) -> dict[str, Resource]:
        """The kinds of model and runtime by their name."""
        return {resource.kind: resource for kinds in (self.models, self.runtimes) for resource in kinds.values()}


class Named(NamedTuple):
    """An object by kind and name.

    Attributes:
        resource: its kind.
        name: its own.
        events: the events about it matter too.
        namespace: empty for that of the experiment or the task, or for an object of the cluster.
    """

    resource: Resource
    name: str
    events: bool = False
    namespace: str = ""


class TargetParts(NamedTuple):
    """What is read besides a target before it can be copied.

    Attributes:
        named: other objects, in this order.
        pods: selector of its own pods' labels; empty where the object says all.
    """

    named: Sequence[Named] = ()
    pods: str = ""


class FoundTarget(NamedTuple):
    """A target as it was read.

    Attributes:
        object: itself; None if there is none.
        parts: what `TargetParts.named` names, as far as it exists.
        pods: its own, those that are being deleted apart.
    """

    object: Object | None
    parts: Sequence[Object] = ()
    pods: Sequence[Object] = ()


class UnusableTargetError(Exception):
    """What a task names cannot be copied; the message says why and what to do."""


class Endpoint(NamedTuple):
    """Where an engine answers inside the cluster.

    Attributes:
        scheme: http or https.
        host: name of the service.
        port: of the service.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True)
class ServingEvent:
    """A Kubernetes event about a root."""

    kind: str  # Normal | Warning
    reason: str
    message: str
    count: int


def read_events(events: Iterable[Mapping[str, Any]]) -> list[ServingEvent]:
    """Events as decisions use them, oldest first."""
    ordered = sorted(events, key=lambda e: e.get("lastTimestamp") or e.get("eventTime") or "")
    return [
        ServingEvent(e.get("type", ""), e.get("reason", ""), e.get("message", ""), e.get("count") or 1) for e in ordered
    ]


@dataclass(frozen=True)
class NotCreated:
    """There is no engine's pod yet.

    Attributes:
        why: the best explanation of its absence.
        refusal: of the API server, if that is why.
    """

    why: str
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Starting:
    """The engine's pod is there, and does not serve yet."""


@dataclass(frozen=True)
class Serving:
    """The engine serves."""


@dataclass(frozen=True)
class Doomed:
    """It can never serve: the reason that ends the experiment, and words for people."""

    reason: Literal["RuntimeIncompatible"]
    message: str


State = NotCreated | Starting | Serving | Doomed


class Patched(NamedTuple):
    """The object of the user that a patch changes, and how.

    Attributes:
        resource: its kind.
        name: its own.
        type: of the patch, as kubectl calls it. Kubernetes knows strategic merges of its own kinds alone; a merge
            replaces lists as a whole; JSON is a list of operations.
    """

    resource: Resource
    name: str
    type: Literal["strategic", "merge", "json"]

    @property
    def command_target(self) -> str:
        """The object as kubectl finds it, where several products may have a kind of that name."""
        group = self.resource.group
        return (
            f"{self.resource.plural}.{group}/{self.name}"
            if "." in group
            else f"{self.resource.kind.lower()} {self.name}"
        )


class Winner(NamedTuple):
    """What a user applies to serve what won.

    Attributes:
        body: an object, or a patch of one: a list where that is of type JSON.
        note: one sentence about what it leaves to the product's defaults, or costs.
        patch_of: what a patch changes; None for a whole object.
    """

    body: Object | list[Object]
    note: str
    patch_of: Patched | None = None


class Claim(NamedTuple):
    """The claim on which a model lies by its own address, and the namespace that this names; empty for the model's."""

    namespace: str
    volume: Volume


class Weights(NamedTuple):
    """Where a model's files lie by its own spec.

    Attributes:
        path: folder on the node; empty for none.
        claim: that the backend mounts itself; None for none.
        downloaded: each engine's pod loads them anew, whatever the task says.
    """

    path: str = ""
    claim: Claim | None = None
    downloaded: bool = False


NOWHERE = Weights()


@dataclass(frozen=True)
class ModelState:
    """How far a model is.

    Attributes:
        phase: what it means to a task.
        word: the backend's own for it; empty if it has not looked yet.
        why: what keeps it from being Ready and what to do; empty if it is.
        nodes: where it is Ready, as far as the backend says.
    """

    phase: Literal["Ready", "Failed", "Waiting"]
    word: str = ""
    why: str = ""
    nodes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.word or "without a state"


@dataclass(frozen=True)
class EngineTemplate:
    """What a runtime says of its engine, as core/v1 writes it; empty where it says nothing.

    Attributes:
        container: in which the engine runs.
        pod: what belongs to the pod around it: volumes, tolerations.
        several: the field of the runtime by which it is more than this one engine; empty if it is no more.
        pods: over which one engine is spread, each with as many accelerators.
    """

    container: Mapping[str, Any] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)
    several: str = ""
    pods: int = 1

    @property
    def image(self) -> str:
        """The engine's image; empty if none is given."""
        return str(self.container.get("image") or "")

    @property
    def command(self) -> list[str]:
        """The container's command."""
        return list(self.container.get("command") or [])

    @property
    def args(self) -> list[str]:
        """The runtime's own arguments."""
        return list(self.container.get("args") or [])

    @property
    def simulated(self) -> bool:
        """Whether it starts the simulated engine."""
        return any(SIMULATOR_MODULE in str(word) for word in (*self.command, *self.args))


class ModelsAndRuntimes(Protocol):
    """What a backend knows of its own models and runtimes."""

    def wanted_model(self, spec: TaskModel, known: Presets, namespace: str) -> Object | None:
        """The model to create if it is missing; None for an existing one, or a preset that is unknown."""

    def wanted_runtime(
        self, spec: TaskSpec, known: Presets, live_model: Mapping[str, Any], namespace: str
    ) -> Object | None:
        """The runtime to create if it is missing, fitting a live model; None as for `wanted_model`."""

    def model_state(self, model: Object | None) -> ModelState:
        """How far a live model is."""

    def weights(self, model_spec: Mapping[str, Any]) -> Weights:
        """Where the files of a model with this spec lie."""

    def node_label(self, model: ModelRef, namespace: str) -> str:
        """The label that is `Ready` on nodes which have the model."""

    def misshapen_model(self, model_spec: Mapping[str, Any]) -> Sequence[str]:
        """What of a model's spec, as a user wrote it, has no shape that can be read, in words."""

    def misshapen_runtime(self, runtime_spec: Mapping[str, Any]) -> Sequence[str]:
        """The same of a runtime's spec; nothing else here takes a misshapen one."""

    def engine_template(self, runtime_spec: Mapping[str, Any] | None) -> EngineTemplate:
        """The engine in a runtime with this spec."""

    def incomplete(self, model_spec: Mapping[str, Any]) -> str:
        """What the spec of a model that is to be created lacks; empty if nothing."""

    def lacking_format(self, model: Mapping[str, Any]) -> str:
        """The field without which no preset's runtime can serve this model; empty if it has all."""

    def incompatible(self, model: Mapping[str, Any], runtime: Mapping[str, Any]) -> str | None:
        """Why the live model cannot be served with the live runtime; None if it can."""


class Targets(Protocol):
    """How a backend copies what serves already by its kind of root."""

    def target_parts(self, target: Mapping[str, Any]) -> TargetParts:
        """What else must be read of a live object before it can be copied."""

    def read_target(self, target: Target, found: FoundTarget, known: Presets) -> Object:
        """The data of its snapshot: the runtime of every experiment, which `render` and `winner` get back.

        It holds what `serving.deployment.snapshots.snapshot` says, and what else the backend needs to make a copy.

        Args:
            target: what the task says of it.
            found: what was read.
            known: presets, whose models tell what a model is by its id on the hub.

        Raises:
            UnusableTargetError: it cannot be copied.
        """


class Backend(ModelsAndRuntimes, Targets, Protocol):
    """How one product serves an engine."""

    @property
    def capabilities(self) -> Capabilities:
        """What it needs and how its objects behave."""

    def root_name(self, experiment: Mapping[str, Any]) -> str:
        """The name of an experiment's root."""

    def unfit_name(self, name: str, namespace: str) -> str:
        """Why an experiment of this name cannot be served in a namespace, as a clause; empty if it can.

        The API limits the names of tasks so that they fit where a product makes no longer ones of them.
        """
        del name, namespace
        return ""

    def container(self, service: Service) -> str:
        """The engine's container in the pods of this service."""

    def view(self, service: Service, pod: Object) -> PodView:
        """What a pod of the engine says; where several are one engine, with its rank among them."""
        return pods.view(pod, self.container(service))

    def render(self, experiment: Mapping[str, Any], service: Service, runtime: Mapping[str, Any]) -> Object:
        """The root of an experiment, with its owner reference, as it is created and never touched again.

        All pods that come from it carry `ownership.labels` of the experiment.
        """

    def companions(
        self, experiment: Mapping[str, Any], service: Service, root: Mapping[str, Any]
    ) -> Sequence[tuple[Resource, Object]]:
        """What the engine needs besides its root, which owns it and takes it along."""

    def related(self, experiment: Mapping[str, Any]) -> Sequence[Named]:
        """Objects that explain why a root has no pod, to be read while it has none."""

    def observe(self, objects: Sequence[Object], pod: PodView | None, events: Sequence[ServingEvent]) -> State:
        """How far the engine is.

        Args:
            objects: the root, and what was found of the `related` ones.
            pod: the engine's, or its whole group as one; None while there is none, or not all of them.
            events: about the root, and what `related` says, oldest first; read only while there is no pod.
        """

    def endpoint(self, experiment: Mapping[str, Any], pod: PodView) -> Endpoint:
        """Where the engine in this pod answers."""

    def release_advice(self, service: Service, root: Mapping[str, Any], model: Object | None) -> str:
        """What holds up the deletion of a root, and what to do, if the product itself is the cause; else empty."""

    def winner(self, experiment: Mapping[str, Any], service: Service, runtime: Mapping[str, Any], name: str) -> Winner:
        """What serves a measured configuration for good, ready to apply under this name."""


class Backends:
    """All backends that an operator knows."""

    def __init__(self, *backends: Backend) -> None:
        """Know these."""
        self._by_name = {backend.capabilities.name: backend for backend in backends}
        self.absent: dict[str, str] = {}  # that cannot serve, by name, and why
        self.withheld: set[str] = set()  # those of them that nobody lets the operator use

    def __iter__(self) -> Iterator[Backend]:
        return iter(self._by_name.values())

    def __getitem__(self, name: str) -> Backend:
        return self._by_name[name]

    def withhold_all_but(self, rights: Collection[str]) -> None:
        """Use those alone whose rights the operator has, and do not ask for the kinds of others."""
        for backend in self:
            known = backend.capabilities
            if known.rights not in rights:
                self.absent[known.name] = f"the chart's value backends does not name {known.rights}"
                self.withheld.add(known.name)

    def of_kind(self, api_version: str, kind: str) -> Backend:
        """The one that copies objects of this kind; the API allows no other for a target."""
        return next(
            backend
            for backend in self
            if backend.capabilities.snapshots
            and (backend.capabilities.root.api_version, backend.capabilities.root.kind) == (api_version, kind)
        )

    @property
    def usual(self) -> str:
        """The name of the first that can serve presets."""
        names: list[str] = [name for name in get_args(PresetBackend) if name in self._by_name]
        return next((name for name in names if name not in self.absent), names[0])

    @property
    def roots(self) -> dict[Resource, str]:
        """The kinds of object that serve an engine, with the selector of the labels that only these have."""
        return {backend.capabilities.root: backend.capabilities.selector for backend in self.served}

    @property
    def references(self) -> dict[str, Resource]:
        """The kinds of model and runtime by their name."""
        return {kind: resource for backend in self for kind, resource in backend.capabilities.references.items()}

    @property
    def served(self) -> list[Backend]:
        """Those that can serve."""
        return [backend for backend in self if backend.capabilities.name not in self.absent]
