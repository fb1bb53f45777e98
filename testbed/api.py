"""A small asynchronous Kubernetes client, dicts in and dicts out, for the testbed's programs and the tests.

Paths are raw: ``/api/v1/namespaces/default/pods``. It shares no code with the operator's own client on purpose:
tests should not believe the code that they test.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml

from autotuner.kubernetes_object import Object
from testbed import kubeconfig

Objects = list[Object]
Parameter = str | int | float | bool

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"

AWAY = (aiohttp.ClientError, OSError, TimeoutError)
_RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)


class ApiError(Exception):
    """An answer of the API server that is not a success."""

    def __init__(self, status: int, reason: str, message: str, body: Object) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.body = body


def _query(params: dict[str, Parameter]) -> dict[str, str]:
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in params.items()}


def _error(status: int, text: str) -> ApiError:
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    return ApiError(body.get("code", status), body.get("reason", ""), body.get("message", text.strip()), body)


class Api:
    """One connection pool to one API server. Use as an asynchronous context manager."""

    def __init__(self, path: Path, agent: str = "testbed") -> None:
        self.cluster = kubeconfig.load(path)
        self._headers = {**self.cluster.headers, "User-Agent": agent, "Accept": "application/json"}
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, ssl=self.cluster.tls or False)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        self._session = aiohttp.ClientSession(connector=connector, headers=self._headers, timeout=timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def _send(
        self,
        method: str,
        path: str,
        params: dict[str, Parameter],
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> str:
        data = None if body is None else json.dumps(body)
        headers = {"Accept": accept} | ({} if data is None else {"Content-Type": content_type})
        limit = aiohttp.ClientTimeout(total=60)
        url = self.cluster.server + path
        async with self._session.request(
            method, url, params=_query(params), data=data, headers=headers, timeout=limit
        ) as response:
            text = await response.text()
            if response.status >= 400:
                raise _error(response.status, text)
            return text

    async def _object(
        self,
        method: str,
        path: str,
        params: dict[str, Parameter],
        body: Any = None,
        content_type: str = "application/json",
    ) -> Object:
        result: Object = json.loads(await self._send(method, path, params, body, content_type))
        return result

    async def get(self, path: str, **params: Parameter) -> Object:
        """Reads one object."""
        return await self._object("GET", path, params)

    async def list(self, path: str, **params: Parameter) -> Object:
        """Reads a collection; returns the List object."""
        return await self._object("GET", path, params)

    async def text(self, path: str, **params: Parameter) -> str:
        """Reads something that is not JSON, such as ``.../pods/NAME/log`` or ``/readyz``."""
        return await self._send("GET", path, params)

    async def table(self, path: str, **params: Parameter) -> Object:
        """Reads a collection as the table that kubectl prints."""
        accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
        result: Object = json.loads(await self._send("GET", path, params, accept=accept))
        return result

    async def ready(self) -> None:
        """Waits until the API server says that it is ready; for ever, if the caller sets no limit."""
        while True:
            with contextlib.suppress(ApiError, *AWAY):
                await self.text("/readyz")
                return
            await asyncio.sleep(_RETRY_SECONDS[0])

    async def create(self, path: str, body: Object, **params: Parameter) -> Object:
        """Creates an object in the collection `path`."""
        return await self._object("POST", path, params, body)

    async def update(self, path: str, body: Object, **params: Parameter) -> Object:
        """Replaces an object."""
        return await self._object("PUT", path, params, body)

    async def patch(self, path: str, body: Any, content_type: str = MERGE, **params: Parameter) -> Object:
        """Patches an object (merge patch unless said otherwise)."""
        return await self._object("PATCH", path, params, body, content_type)

    async def apply(self, path: str, body: Object, manager: str, force: bool = True, **params: Parameter) -> Object:
        """Applies an object server-side."""
        return await self._object("PATCH", path, {"fieldManager": manager, "force": force, **params}, body, APPLY)

    async def delete(self, path: str, body: Object | None = None, **params: Parameter) -> Object:
        """Deletes an object or a collection; `body` holds DeleteOptions."""
        return await self._object("DELETE", path, params, body)

    async def watch(self, path: str, **params: Parameter) -> AsyncIterator[tuple[str, Object]]:
        """Lists a collection, then follows it for ever.

        Yields ("ADDED" | "MODIFIED" | "DELETED", object): the list as ADDED first. Outlives closed streams, expired
        versions and an API server that is away; after a new list it also reports what vanished meanwhile.

        Raises:
            ApiError: the very first list was refused (404, 403 ...).
        """
        known: dict[str, Object] | None = None
        version: str | None = None
        failures = 0
        while True:
            try:
                if version is None:
                    listing = await self.list(path, **params)
                    version = listing["metadata"]["resourceVersion"]
                    changes = _changes(known or {}, listing)
                    known = {item["metadata"]["uid"]: item for item in listing["items"]}
                    for change in changes:
                        yield change
                assert known is not None
                async for kind, obj in self.events(path, version, **params):
                    failures = 0
                    version = obj["metadata"]["resourceVersion"]
                    if kind == "BOOKMARK":
                        continue
                    if kind == "DELETED":
                        known.pop(obj["metadata"]["uid"], None)
                    else:
                        known[obj["metadata"]["uid"]] = obj
                    yield kind, obj
            except ApiError as error:
                if known is None and 400 <= error.status < 500 and error.status != 429:
                    raise
                version = None  # expired, or the server knows a different history: list again
            except AWAY:
                pass
            if failures or version is None:
                await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
            failures += 1

    async def events(self, path: str, version: str, **params: Parameter) -> AsyncIterator[tuple[str, Object]]:
        """Yields the events of one watch request after `version`, bookmarks too, until the server ends it.

        Raises:
            ApiError: the watch was refused, or the version has expired (410).
        """
        query = {
            "watch": True,
            "resourceVersion": version,
            "allowWatchBookmarks": True,
            "timeoutSeconds": 600,
            **params,
        }
        async with self._session.get(self.cluster.server + path, params=_query(query)) as response:
            if response.status >= 400:
                raise _error(response.status, await response.text())
            async for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _error(int(event["object"].get("code", 500)), json.dumps(event["object"]))
                yield event["type"], event["object"]

    async def follow(self, path: str, **params: Parameter) -> AsyncIterator[bytes]:
        """Yields the lines of an answer as they arrive, such as a log with follow=True."""
        async with self._session.get(self.cluster.server + path, params=_query(params)) as response:
            if response.status >= 400:
                raise _error(response.status, await response.text())
            async for line in _lines(response):
                yield line

    async def collection(self, kind_of: Object) -> str:
        """Returns the path of the collection that an object (apiVersion, kind, namespace) belongs to.

        Raises:
            ApiError: 404, the server does not know that kind.
        """
        version, kind = kind_of["apiVersion"], kind_of["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if kind not in self._kinds.get(root, {}):
            found = await self.get(root)
            self._kinds[root] = {
                r["kind"]: (r["name"], r["namespaced"]) for r in found["resources"] if "/" not in r["name"]
            }
        if kind not in self._kinds[root]:
            raise ApiError(404, "NotFound", f"no kind {kind} in {version}", {})
        plural, namespaced = self._kinds[root][kind]
        namespace = kind_of["metadata"].get("namespace", "default")
        return f"{root}/namespaces/{namespace}/{plural}" if namespaced else f"{root}/{plural}"

    async def apply_all(self, objects: Iterable[Object], manager: str, dry_run: bool = False) -> Objects:
        """Applies objects server-side one after the other; kinds that are new among them are served afterwards."""
        options: dict[str, Any] = {"dryRun": "All"} if dry_run else {}
        applied: Objects = []
        new: Objects = []
        for item in objects:
            is_kind = item["kind"] == "CustomResourceDefinition"
            while new and not is_kind:
                await self._served(new.pop())
            path = f"{await self.collection(item)}/{item['metadata']['name']}"
            applied.append(await self.apply(path, item, manager, **options))
            if is_kind and not dry_run:
                new.append(item)
        for item in new:
            await self._served(item)
        return applied

    async def _served(self, definition: Object, seconds: float = 20) -> None:
        spec = definition["spec"]
        async with asyncio.timeout(seconds):
            for version in (v["name"] for v in spec["versions"] if v["served"]):
                while True:
                    try:
                        await self.list(f"/apis/{spec['group']}/{version}/{spec['names']['plural']}", limit=1)
                        self._kinds.pop(f"/apis/{spec['group']}/{version}", None)
                        break
                    except ApiError as error:
                        if error.status != 404:
                            raise
                    await asyncio.sleep(0.02)


def _changes(known: dict[str, Object], listing: Object) -> list[tuple[str, Object]]:
    """Compares a new list with what was known; fills in apiVersion and kind, which items of lists lack."""
    items = listing["items"]
    for item in items:
        item.setdefault("apiVersion", listing["apiVersion"])
        item.setdefault("kind", listing["kind"].removesuffix("List"))
    present = {item["metadata"]["uid"] for item in items}
    changes = [("DELETED", old) for uid, old in known.items() if uid not in present]
    for item in items:
        old = known.get(item["metadata"]["uid"])
        if old is None:
            changes.append(("ADDED", item))
        elif old["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            changes.append(("MODIFIED", item))
    return changes


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Splits a stream into lines of any length."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
    if rest:
        yield rest


def load_documents(path: Path) -> list[Object]:
    """Reads the objects of a YAML file with one or many documents."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


async def apply_file(api: Api, path: Path, manager: str, dry_run: bool = False) -> Objects:
    """Applies each document of a YAML file server-side."""
    return await api.apply_all(load_documents(path), manager, dry_run)


async def install_crds(api: Api) -> None:
    """Applies both kinds of the product and returns when they are served; installed ones are brought up to date."""
    folder = Path(__file__).parents[1] / "crds"
    await api.apply_all(
        [document for path in sorted(folder.glob("*.yaml")) for document in load_documents(path)], "install"
    )
