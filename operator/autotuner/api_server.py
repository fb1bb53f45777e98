"""The only module that talks to the API server: dicts in, dicts out, over the client's generic request.

The typed API classes are not used on purpose: importing them alone costs 100 MB of memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import ClientError
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTResponse
from kubernetes.aio.config.incluster_config import load_incluster_config
from kubernetes.aio.config.kube_config import list_kube_config_contexts, load_kube_config

from autotuner.kube import (
    FIELD_MANAGER,
    POD,
    ConflictError,
    KubeError,
    Obstacle,
    PatchType,
    RejectedError,
    WatchEvent,
    refusal,
)
from autotuner.kubernetes_object import Object, Resource
from autotuner.log_excerpt import LogExcerpt
from autotuner.proxies import proxy_for, without_password

REQUEST_SECONDS = 30.0
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_LOG_BYTES = 64 * 1024 * 1024  # kubelets keep 10 MiB of a container's log unless they are told otherwise
_LOG_TAIL_LINES = 1000

_JSON = "application/json, */*"
_FEW = 100  # of what is only looked over
_PAGE = 500  # objects of an answer; ten thousand experiments in one would be a hundred megabytes
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_CHANGED_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_WATCH_SECONDS = 300
_PATCHES: Mapping[PatchType, str] = {
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}


def error(status: int, body: str) -> KubeError:
    """The exception for an answer that is not a success."""
    try:
        document = json.loads(body)
        reason, message = document.get("reason") or "", document.get("message") or body
    except (ValueError, AttributeError):
        reason, message = "", body[:500]
    return refusal(status, reason, message)


def in_cluster(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is a pod that talks to its own cluster: no proxy leads there."""
    return "KUBERNETES_SERVICE_HOST" in environment and "KUBECONFIG" not in environment


class Kubeconfig(NamedTuple):
    """A kubeconfig that a user names.

    Attributes:
        file: its path; empty for that of KUBECONFIG or the home folder.
        context: in it; empty for the current one.
    """

    file: str = ""
    context: str = ""

    @property
    def named(self) -> bool:
        """Whether a user names anything; then a pod's own cluster is not meant."""
        return any(self)


USUAL = Kubeconfig()


def usual_namespace(environment: Mapping[str, str] = os.environ, given: Kubeconfig = USUAL) -> str:
    """The namespace that is meant where nobody says one: the pod's own, else that of the kubeconfig's context.

    Raises:
        RuntimeError: there is no kubeconfig that can be read.
    """
    if in_cluster(environment) and not given.named:
        return _OWN_NAMESPACE.read_text().strip()
    try:
        contexts, current = list_kube_config_contexts(config_file=given.file or None)
    except Exception as problem:
        raise RuntimeError(f"no cluster: {problem}; set KUBECONFIG or run inside a cluster") from problem
    if given.context:
        found = [one for one in contexts if one["name"] == given.context]
        if not found:
            there = ", ".join(one["name"] for one in contexts)
            raise RuntimeError(f"no cluster: the kubeconfig has no context {given.context}; there are {there}")
        current = found[0]
    return str(current["context"].get("namespace") or "default")


class ApiServer:
    """A connection to the API server, as `Kube` asks; make it inside the event loop and close it there."""

    def __init__(
        self, client: ApiClient, may_write: Callable[[], bool] = lambda: True, manager: str = FIELD_MANAGER
    ) -> None:
        self._client, self._may_write, self._manager = client, may_write, manager

    @classmethod
    async def connect(
        cls,
        may_write: Callable[[], bool] = lambda: True,
        manager: str = FIELD_MANAGER,
        given: Kubeconfig = USUAL,
    ) -> ApiServer:
        """By service account inside a cluster, else by kubeconfig.

        Args:
            may_write: asked before anything is written; if it says no, nothing is sent.
            manager: of the fields that are written.
            given: the kubeconfig that a user names, which wins over a service account.

        Raises:
            RuntimeError: neither is there.
            ValueError: the environment names a proxy that is none.
        """
        configuration = Configuration()
        if in_cluster() and not given.named:
            load_incluster_config(client_configuration=configuration)
        else:
            try:
                file, context = given.file or None, given.context or None
                await load_kube_config(config_file=file, context=context, client_configuration=configuration)
            except Exception as problem:
                raise RuntimeError(f"no cluster: {problem}; set KUBECONFIG or run inside a cluster") from problem
            configuration.proxy = configuration.proxy or proxy_for(configuration.host)
        configuration.client_session_kwargs = {"trust_env": False}  # its own reading of NO_PROXY knows no ranges
        return cls(ApiClient(configuration), may_write, manager)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        content_type: str = "application/json",
        accept: str = _JSON,
    ) -> str:
        """The answer's text.

        Raises:
            KubeError: any status but 2xx, or no answer (status 0).
        """
        response = await self._open(method, path, query, body, content_type, accept)
        try:
            text: str = (await response.read()).decode(errors="replace")
        except (ClientError, TimeoutError, OSError) as problem:
            raise self._unreachable(method, path, problem) from problem
        if not 200 <= response.status <= 299:
            raise error(response.status, text)
        return text

    async def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        content_type: str = "application/json",
        accept: str = _JSON,
        seconds: float = REQUEST_SECONDS,
    ) -> RESTResponse:
        if method != "GET" and not self._may_write():
            raise KubeError(0, "NotLeader", f"{method} {path}: not sent, another operator may act by now")
        arguments = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Content-Type": content_type, "Accept": accept},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            return await self._client.call_api(*arguments, _request_timeout=seconds)
        except (ClientError, TimeoutError, OSError) as problem:
            raise self._unreachable(method, path, problem) from problem

    def _unreachable(self, method: str, path: str, problem: Exception) -> KubeError:
        proxy = self._client.configuration.proxy
        through = f" (asked through the proxy {without_password(proxy)})" if proxy else ""
        return KubeError(0, "Unreachable", f"{method} {path}: {problem or type(problem).__name__}{through}")

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        """The object, or None if there is none (or its kind is not installed)."""
        try:
            result: Object = json.loads(await self.request("GET", resource.path(namespace, name)))
        except RejectedError as problem:
            if problem.status == 404:
                return None
            raise
        return result

    async def list_metadata(self, resource: Resource, namespace: str | None, labels: str = "") -> list[Object]:
        """The `metadata` of all objects that match; cheap where the objects are large."""
        query = {"labelSelector": labels} if labels else {}
        return [item["metadata"] async for item in self._items(resource.path(namespace), query, _METADATA_ONLY)]

    async def list(self, resource: Resource, namespace: str | None, **selectors: str) -> list[Object]:
        """All objects that match `labels` and `fields` selectors; kind and apiVersion filled in."""
        names = {"labels": "labelSelector", "fields": "fieldSelector"}
        query = {names[key]: value for key, value in selectors.items()}
        identity = {"apiVersion": resource.api_version, "kind": resource.kind}
        return [{**identity, **item} async for item in self._items(resource.path(namespace), query, _JSON)]

    async def _items(self, path: str, query: Mapping[str, str], accept: str) -> AsyncIterator[Object]:
        """The items of a collection, read in pages: they show it as it was when the first was read.

        Without what the API server notes of who wrote which field: half of an object that nobody here reads.
        """
        async for document in self._pages(path, query, accept, _PAGE):
            for item in document["items"] or []:
                item["metadata"].pop("managedFields", None)
                yield item

    async def _pages(self, path: str, query: Mapping[str, str], accept: str, size: int) -> AsyncIterator[Object]:
        more: dict[str, str] = {}
        while True:
            text = await self.request("GET", path, {**query, "limit": str(size), **more}, accept=accept)
            document: Object = json.loads(text)
            yield document
            if not (token := document.get("metadata", {}).get("continue")):
                return
            more = {"continue": token}

    async def follow_metadata(self, resource: Resource, namespace: str | None, labels: str) -> AsyncIterator[Object]:
        """The metadata of all objects that match, then of each that changes, for ever.

        For objects that are many and seldom change: only one page of them is in memory at a time.

        Yields:
            Metadata. What is deleted is not told.

        Raises:
            KubeError: the API server does not answer, or refuses; it has to be begun again.
        """
        path, query, version = resource.path(namespace), {"labelSelector": labels}, ""
        async for document in self._pages(path, query, _METADATA_ONLY, _FEW):
            version = document["metadata"]["resourceVersion"]
            for item in document["items"] or []:
                yield item["metadata"]
        while True:
            since = {**query, "resourceVersion": version, "watch": "true", "allowWatchBookmarks": "true"}
            async for event in self._watch(
                path, {**since, "timeoutSeconds": str(_WATCH_SECONDS)}, _CHANGED_METADATA_ONLY
            ):
                if event["type"] == "ERROR":
                    raise error(event["object"].get("code", 0), json.dumps(event["object"]))
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] in ("ADDED", "MODIFIED"):
                    yield event["object"]["metadata"]

    async def watch(
        self, resource: Resource, namespace: str | None, version: str = "", *, labels: str = "", seconds: float = 300
    ) -> AsyncIterator[WatchEvent]:
        """See `Watched`."""
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": f"{seconds:.0f}"}
        query |= {key: text for key, text in (("labelSelector", labels), ("resourceVersion", version)) if text}
        async for event in self._watch(resource.path(namespace), query, _JSON):
            if event["type"] == "ERROR":
                raise error(event["object"].get("code", 0), json.dumps(event["object"]))
            yield WatchEvent(event["type"], event["object"])

    async def _watch(self, path: str, query: Mapping[str, str], accept: str) -> AsyncIterator[Object]:
        """The events of a watch until the API server ends it; it breaks off like that, too."""
        seconds = _WATCH_SECONDS + REQUEST_SECONDS
        response = await self._open("GET", path, query, accept=accept, seconds=seconds)
        if not 200 <= response.status <= 299:
            raise error(response.status, (await response.read()).decode(errors="replace"))
        stream = response.response
        unfinished = b""
        try:
            async for piece in stream.content.iter_any():
                *lines, unfinished = (unfinished + piece).split(b"\n")
                for line in lines:
                    yield json.loads(line)
        except (ClientError, TimeoutError, OSError):
            return
        finally:
            stream.close()

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """POST, strictly validated.

        Raises:
            AlreadyExistsError, RejectedError, KubeError: as said there.
        """
        query = {"fieldManager": self._manager, "fieldValidation": "Strict"}
        created: Object = json.loads(await self.request("POST", resource.path(namespace), query, body))
        return created

    async def dry_run(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """The object as it would be created: all of the admission looks at it, and nothing is kept.

        Raises:
            AlreadyExistsError, RejectedError, KubeError: as said there.
        """
        query = {"fieldManager": self._manager, "fieldValidation": "Strict", "dryRun": "All"}
        answer: Object = json.loads(await self.request("POST", resource.path(namespace), query, body))
        return answer

    async def apply_status(self, resource: Resource, seen: Object, status: Object) -> Object:
        """Make `status` the object's whole status, provided that the object is still as seen.

        Raises:
            ConflictError: it is not.
        """
        meta = seen["metadata"]
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": meta["name"], "resourceVersion": meta["resourceVersion"]},
            "status": status,
        }
        path = resource.path(meta["namespace"], meta["name"], "status")
        query = {"fieldManager": self._manager, "force": "true"}
        text = await self.request("PATCH", path, query, body, "application/apply-patch+yaml")
        applied: Object = json.loads(text)
        return applied

    async def apply(self, resource: Resource, body: Object) -> Object:
        """Create the object, or make what `body` says of it so.

        Raises:
            RejectedError, KubeError: as said there.
        """
        meta = body["metadata"]
        query = {"fieldManager": self._manager, "force": "true"}
        path = resource.path(meta["namespace"], meta["name"])
        applied: Object = json.loads(await self.request("PATCH", path, query, body, "application/apply-patch+yaml"))
        return applied

    async def merge(self, resource: Resource, namespace: str, name: str, body: Object) -> Object:
        """JSON merge patch, for the few fields of our own objects that change."""
        path, query = resource.path(namespace, name), {"fieldManager": self._manager}
        patched: Object = json.loads(await self.request("PATCH", path, query, body, "application/merge-patch+json"))
        return patched

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
        """See `UsersKube`."""
        query = {"fieldManager": self._manager, "fieldValidation": "Strict"}
        query |= {"dryRun": "All"} if dry_run else {}
        query |= {"force": "true"} if force and kind == "apply" else {}
        text = await self.request("PATCH", resource.path(namespace, name), query, body, _PATCHES[kind])
        patched: Object = json.loads(text)
        return patched

    async def replace(self, resource: Resource, body: Object) -> Object:
        """PUT, provided that the object is still as it was when `body` was read.

        Raises:
            ConflictError: it is not.
        """
        path = resource.path(body["metadata"]["namespace"], body["metadata"]["name"])
        replaced: Object = json.loads(await self.request("PUT", path, {"fieldManager": self._manager}, body))
        return replaced

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete exactly this object and, before it, what it owns; gone already is fine."""
        body = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
        try:
            await self.request("DELETE", resource.path(namespace, name), body=body)
        except (RejectedError, ConflictError) as problem:
            if problem.status not in (404, 409):
                raise

    async def logs(self, namespace: str, pod: str, container: str, *, previous: bool) -> str:
        """What a container's log says of its end, as `LogExcerpt` keeps it; empty when there is none any more.

        The whole log is read, since the cause of an end may stand anywhere in it. Of a log that is too long or breaks
        off, the last lines are read besides. The API's own limit is of no use: it cuts off the end.
        """
        path, query = POD.path(namespace, pod, "log"), {"container": container}
        if previous:
            query["previous"] = "true"
        excerpt = LogExcerpt()
        try:
            if not await self._read_log(path, query, excerpt):
                await self._read_log(path, {**query, "tailLines": str(_LOG_TAIL_LINES)}, excerpt)
        except KubeError:
            return ""
        return excerpt.text()

    async def _read_log(self, path: str, query: Mapping[str, str], excerpt: LogExcerpt) -> bool:
        """Read a log as a stream; returns whether it was read to its end."""
        response = await self._open("GET", path, query, accept="*/*")
        if not 200 <= response.status <= 299:
            raise error(response.status, (await response.read()).decode(errors="replace"))
        left = _LOG_BYTES
        stream = response.response
        try:
            async for piece in stream.content.iter_any():
                excerpt.add(piece)
                left -= len(piece)
                if left <= 0:
                    return False
        except (ClientError, TimeoutError, OSError):
            return False
        finally:
            stream.close()
        return True

    async def obstacle(self, resources: Iterable[Resource], namespaces: Sequence[str]) -> Obstacle | None:
        """See `Kube`. Discovery lists a kind a moment before its storage answers, so the kinds are read in earnest."""
        what = "the API server"
        try:
            await self.request("GET", "/readyz")
            for resource in resources:
                what = f"{resource.plural}.{resource.group}"
                for namespace in (namespaces if resource.namespaced else ()) or (None,):
                    await self.request("GET", resource.path(namespace), {"limit": "1"})
        except KubeError as problem:
            return Obstacle(f"{what}: {problem}", absent=isinstance(problem, RejectedError))
        return None
