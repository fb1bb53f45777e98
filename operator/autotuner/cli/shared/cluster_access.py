"""The connection of the command line to a cluster: the user's own kubeconfig and rights, and refusals in words."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from typer import Exit, echo

from autotuner.kube import EXPERIMENT, TASK, ConflictError, KubeError, UsersKube
from autotuner.kubernetes_object import Object, Resource

FAILED = 1
MANAGER = "kubectl-autotuner"  # of the fields that a user wrote by this program
INSTALL = "helm install autotuner helm/autotuner --namespace autotuner-system --create-namespace (docs/installation.md)"
_OURS = (TASK, EXPERIMENT)

Answer = TypeVar("Answer")


class ToldError(Exception):
    """A command cannot do what it was asked to; the message says what, where, and what to do."""


@dataclass(frozen=True)
class Where:
    """Where a command looks.

    Attributes:
        namespace: as the user said; empty for the kubeconfig's.
        context: of the kubeconfig; empty for the current one.
        kubeconfig: its file; empty for the usual one.
        everywhere: in all namespaces.
    """

    namespace: str = ""
    context: str = ""
    kubeconfig: str = ""
    everywhere: bool = False


@dataclass(frozen=True)
class Cluster:
    """A cluster and where in it to look; every method tells refusals in words.

    Attributes:
        kube: its API, with the user's rights.
        namespace: that is meant.
        everywhere: the user means all namespaces instead.
    """

    kube: UsersKube
    namespace: str
    everywhere: bool = False

    async def all(self, resource: Resource, labels: str = "") -> list[Object]:
        """All objects of a kind where the user looks.

        Raises:
            ToldError: the kind is not there, or may not be listed.
        """
        namespace = None if self.everywhere or not resource.namespaced else self.namespace
        with told(self._what(resource)):
            selectors = {"labels": labels} if labels else {}
            found = await self.kube.list(resource, namespace, **selectors)
        return sorted(found, key=lambda one: (one["metadata"].get("namespace", ""), one["metadata"]["name"]))

    async def all_or_none(self, resource: Resource) -> list[Object]:
        """All objects of a kind where the user looks; none where the kind is not installed.

        Raises:
            KubeError: no answer, or a refusal.
        """
        try:
            namespace = None if self.everywhere or not resource.namespaced else self.namespace
            return await self.kube.list(resource, namespace)
        except KubeError as problem:
            if problem.status == 404:
                return []
            raise

    async def task(self, name: str) -> Object:
        """A task by its name.

        Raises:
            ToldError: there is none, or it may not be read.
        """
        return await self.one(name, (TASK,))

    async def one(self, name: str, kinds: tuple[Resource, ...] = _OURS) -> Object:
        """The object of that name of the first kind that has one.

        Raises:
            ToldError: there is none, or it may not be read.
        """
        for resource in kinds:
            with told(f"{resource.kind} {name} in namespace {self.namespace}"):
                found = await self.kube.get(resource, self.namespace, name)
            if found is not None:
                return {"apiVersion": resource.api_version, "kind": resource.kind, **found}
        words = " or ".join(resource.kind for resource in kinds)
        there = [one["metadata"]["name"] for one in await self.all(kinds[0])]
        known = f"there are {', '.join(there[:10])}" if there else "there are no tasks; -A lists those elsewhere"
        raise ToldError(f"no {words} is called {name} in namespace {self.namespace}: {known}")

    def _what(self, resource: Resource) -> str:
        everywhere = self.everywhere or not resource.namespaced
        return f"{resource.plural} in {'the cluster' if everywhere else f'namespace {self.namespace}'}"


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Tell a refusal of the API server in words.

    Args:
        what: was read or written.

    Raises:
        ToldError: instead of `KubeError`.
    """
    try:
        yield
    except KubeError as problem:
        raise ToldError(words(problem, what)) from problem


def words(problem: KubeError, what: str) -> str:
    """What a refusal means, and what to do."""
    if problem.status == 0:
        return f"the API server does not answer ({problem.message}): check the kubeconfig (--kubeconfig, --context)"
    if problem.status == 401:
        return f"the API server does not know you: renew the credentials in the kubeconfig ({problem.message})"
    if problem.status == 403:
        return f"you may not do this to {what}: ask for the role view to read, or edit to change ({problem.message})"
    if problem.status == 404 and any(resource.plural in what for resource in _OURS):
        return f"autotuner is not installed in this cluster; first: {INSTALL}"
    if isinstance(problem, ConflictError):
        return f"{what} was changed meanwhile or is managed by others: {problem.message}"
    return f"the API server refuses {what}: {problem.message}"


@contextlib.asynccontextmanager
async def opened(where: Where, otherwise: str = "") -> AsyncIterator[tuple[UsersKube, str]]:
    """The cluster of the kubeconfig, and the namespace that is meant.

    Args:
        where: the user looks.
        otherwise: what he can do where there is no cluster, for the message.

    Raises:
        ToldError: there is no usable kubeconfig, or no client.
    """
    hint = f"; or {otherwise}" if otherwise else ""
    try:
        from autotuner.api_server import ApiServer, Kubeconfig, usual_namespace
    except ImportError as problem:
        way = "install it: pip install 'autotuner[operator]'"
        raise ToldError(f"the client of Kubernetes is not installed: {way}{hint}") from problem
    given = Kubeconfig(where.kubeconfig, where.context)
    try:
        usual = where.namespace or usual_namespace(given=given)
        kube = await ApiServer.connect(manager=MANAGER, given=given)
    except (RuntimeError, ValueError) as problem:
        raise ToldError(f"{problem}{hint}") from problem
    try:
        yield kube, usual
    finally:
        await kube.close()


def use(where: Where, command: Callable[[Cluster], Awaitable[Answer]]) -> Answer:
    """Run a command on a cluster; what it cannot do is told in one line, and ends the program with FAILED."""

    async def connected() -> Answer:
        async with opened(where) as (kube, namespace):
            return await command(Cluster(kube, namespace, where.everywhere))

    try:
        return asyncio.run(connected())
    except ToldError as problem:
        echo(f"autotuner: {problem}", err=True)
        raise Exit(FAILED) from None
    except KeyboardInterrupt:
        raise Exit(130) from None
