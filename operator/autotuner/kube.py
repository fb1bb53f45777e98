"""The Kubernetes API as controllers use it, whoever serves it: a protocol, its refusals, and the kinds that it names.

`api_server` is the API server of a cluster, `memory_api` one within this process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from autotuner.api.common import EXPERIMENTS, GROUP, TASKS, VERSION
from autotuner.kubernetes_object import Object, Resource

FIELD_MANAGER = "autotuner"

TASK = Resource(GROUP, VERSION, TASKS, "TuningTask")
EXPERIMENT = Resource(GROUP, VERSION, EXPERIMENTS, "TuningExperiment")
JOB = Resource("batch", "v1", "jobs", "Job")
POD = Resource("", "v1", "pods", "Pod")
NODE = Resource("", "v1", "nodes", "Node", namespaced=False)
EVENT = Resource("", "v1", "events", "Event")
DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment")
LIMIT_RANGE = Resource("", "v1", "limitranges", "LimitRange")
CONFIG_MAP = Resource("", "v1", "configmaps", "ConfigMap")
NAMESPACE = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
PERSISTENT_VOLUME_CLAIM = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
STORAGE_CLASS = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
LEASE = Resource("coordination.k8s.io", "v1", "leases", "Lease")
# What the admission says of owners until it has heard of their kind, seconds after the CRD was installed.
_KIND_UNHEARD_OF = "cannot find RESTMapping"


class KubeError(Exception):
    """The API server refused or did not answer; `message` is its own."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status, self.reason, self.message = status, reason, message

    @property
    def server_failed(self) -> bool:
        """Whether the API server answered that it, or a webhook that it asks, could not do it now."""
        return self.status >= 500


class ConflictError(KubeError):
    """409: the object is not what it was when it was read; look again."""


class AlreadyExistsError(KubeError):
    """409 on create: an object of that name is there."""


class RejectedError(KubeError):
    """The request is refused for what it says (400, 403, 404, 405, 422): sending it again would not help."""


def refusal(status: int, reason: str, message: str) -> KubeError:
    """The exception for an answer that is not a success."""
    if reason == "AlreadyExists":
        return AlreadyExistsError(status, reason, message)
    if status == 409:
        return ConflictError(status, reason, message)
    if status in (400, 403, 404, 405, 422) and _KIND_UNHEARD_OF not in message:
        return RejectedError(status, reason, message)
    return KubeError(status, reason, message)


class Obstacle(NamedTuple):
    """Why kinds cannot be read.

    Attributes:
        words: which kind, and what the API server says.
        absent: it is not there, or may not be read; else it cannot be told.
    """

    words: str
    absent: bool


EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
PatchType = Literal["strategic", "merge", "json", "apply"]


class WatchEvent(NamedTuple):
    """What a watch tells of an object; of a bookmark, nothing but the version up to which everything was told."""

    type: EventType
    object: Object


class Kube(Protocol):
    """What controllers ask of the Kubernetes API: dicts in, dicts out.

    What is returned belongs to the caller. Every call raises `KubeError` where there is no answer or a refusal that
    it does not speak of.
    """

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        """The object, or None if there is none (or its kind is not installed)."""

    async def list_metadata(self, resource: Resource, namespace: str | None, labels: str = "") -> list[Object]:
        """The `metadata` of all objects that match; cheap where the objects are large."""

    async def list(self, resource: Resource, namespace: str | None, **selectors: str) -> list[Object]:
        """All objects that match `labels` and `fields` selectors; kind and apiVersion filled in."""

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """Create an object, strictly validated.

        Raises:
            AlreadyExistsError, RejectedError, KubeError: as said there.
        """

    async def dry_run(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """The object as it would be created: all of the admission looks at it, and nothing is kept.

        Raises:
            AlreadyExistsError, RejectedError, KubeError: as said there.
        """

    async def apply_status(self, resource: Resource, seen: Object, status: Object) -> Object:
        """Make `status` the object's whole status, provided that the object is still as seen.

        Raises:
            ConflictError: it is not.
        """

    async def apply(self, resource: Resource, body: Object) -> Object:
        """Create the object, or make what `body` says of it so.

        Raises:
            RejectedError, KubeError: as said there.
        """

    async def merge(self, resource: Resource, namespace: str, name: str, body: Object) -> Object:
        """JSON merge patch, for the few fields of our own objects that change."""

    async def replace(self, resource: Resource, body: Object) -> Object:
        """Replace the object, provided that it is still as it was when `body` was read.

        Raises:
            ConflictError: it is not.
        """

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete exactly this object and, before it, what it owns; gone already is fine."""

    async def logs(self, namespace: str, pod: str, container: str, *, previous: bool) -> str:
        """What a container's log says of its end, as `LogExcerpt` keeps it; empty when there is none any more."""

    async def obstacle(self, resources: Iterable[Resource], namespaces: Sequence[str]) -> Obstacle | None:
        """Why these kinds cannot be served yet; None once they can: a watch that starts before stays deaf."""


class Watched(Kube, Protocol):
    """A `Kube` whose changes can be followed."""

    def watch(
        self, resource: Resource, namespace: str | None, version: str = "", *, labels: str = "", seconds: float = 300
    ) -> AsyncIterator[WatchEvent]:
        """What happens to the objects that match after a version, until the seconds are over or the watch breaks off.

        Without a version it begins with what there is, as added.

        Raises:
            KubeError: no answer or a refusal; 410 when what happened since the version is forgotten.
        """


class UsersKube(Watched, Protocol):
    """What the command line asks besides: changes of objects that are the user's own."""

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Mapping[str, Any] | Sequence[Any],
        kind: PatchType,
        *,
        dry_run: bool = False,
        force: bool = False,
    ) -> Object:
        """The object after a patch; with `dry_run` as it would be: all of the admission looks at it.

        Args:
            resource: its kind.
            namespace: of the object.
            name: of the object.
            body: the patch.
            kind: of the patch; `apply` is a server-side apply, which creates what is not there.
            dry_run: keep nothing.
            force: a server-side apply takes fields that others manage; otherwise it is refused.

        Raises:
            ConflictError, RejectedError, KubeError: as said there.
        """
