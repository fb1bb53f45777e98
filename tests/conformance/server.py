"""An API server as the conformance cases drive it, whoever it is: the same requests, the same observations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from autotuner.kube import Kube
from autotuner.kubernetes_object import Object, Resource

Objects = list[Object]


@dataclass(frozen=True)
class RefusedError(Exception):
    """A refusal; `causes` has reason and field of each thing that is wrong with an object.

    The message is not compared: the words of the API server change from release to release.
    """

    status: int
    reason: str
    causes: tuple[tuple[str, str], ...] = ()
    message: str = field(default="", compare=False)


class Listed(NamedTuple):
    """A part of a list."""

    items: Objects
    version: str
    more: str
    remaining: int | None


class Told(NamedTuple):
    """An event of a watch, or the refusal in it."""

    type: str
    object: Object


Events = list[Told]


class Server(Protocol):
    """An API server with a namespace for the case, and none other's objects in it.

    Attributes:
        namespace: what requests are about unless they say otherwise.
        kube: the same server as the product's controllers see it.
    """

    namespace: str

    @property
    def kube(self) -> Kube: ...

    async def get(self, resource: Resource, name: str) -> Object: ...

    async def list(
        self, resource: Resource, *, labels: str = "", fields: str = "", limit: int = 0, more: str = ""
    ) -> Listed: ...

    async def create(
        self, resource: Resource, body: Object, *, strict: bool = True, dry_run: bool = False, namespace: str = ""
    ) -> Object: ...

    async def replace(
        self, resource: Resource, body: Object, *, subresource: str = "", strict: bool = False, manager: str = "editor"
    ) -> Object: ...

    async def merge(
        self, resource: Resource, name: str, patch: Object, *, subresource: str = "", manager: str = "editor"
    ) -> Object: ...

    async def apply(
        self,
        resource: Resource,
        body: Object,
        *,
        subresource: str = "",
        manager: str = "autotuner",
        force: bool = True,
    ) -> Object: ...

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        propagation: str = "",
        uid: str = "",
        version: str = "",
        grace_seconds: int | None = None,
    ) -> None: ...

    async def watched(
        self, resource: Resource, version: str, count: int, *, labels: str = "", initial: bool = False
    ) -> Events:
        """The first events after a version."""

    async def last_words(self, resource: Resource, version: str) -> Told:
        """What a watch in which nothing happens says before it ends."""

    def forget(self) -> str:
        """Forget what happened; returns a version from before."""

    async def settled(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait until the garbage collector has made it so.

        Raises:
            AssertionError: it did not.
        """


UID = "00000000-0000-4000-8000-000000000000"
# Told beside what is wrong with the shape of an object: its rules in CEL were not looked at.
UNCHECKED = ("FieldValueInvalid", "<nil>")


def invalid(*causes: tuple[str, str]) -> RefusedError:
    """422, for these reasons and fields."""
    return RefusedError(422, "Invalid", tuple(sorted(causes)))


Case = Callable[[Server], Awaitable[None]]


async def refused(request: Awaitable[Any]) -> RefusedError:
    """How a request is refused.

    Raises:
        AssertionError: it is not.
    """
    try:
        answer = await request
    except RefusedError as problem:
        return problem
    raise AssertionError(f"not refused: {answer}")
