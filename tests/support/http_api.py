"""An API server of a few fixed objects over HTTP: enough for programs that read them and create one more."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml

from autotuner.backend_choice import BACKENDS
from autotuner.kube import CONFIG_MAP, DEPLOYMENT, EXPERIMENT, NODE, PERSISTENT_VOLUME_CLAIM, POD, TASK
from autotuner.kubernetes_object import Object

_KINDS = (DEPLOYMENT, NODE, PERSISTENT_VOLUME_CLAIM, POD, TASK, EXPERIMENT, CONFIG_MAP)
_COLLECTIONS = {kind.plural for kind in (*_KINDS, *(backend.capabilities.root for backend in BACKENDS))} | {
    kind.plural for backend in BACKENDS for kind in backend.capabilities.references.values()
}


class ApiOverHttp:
    """Serves objects by their paths; what is created or patched is kept. A context manager.

    Attributes:
        created: path of the collection and object, in order.
        patched: path and query, content type and body of each patch, in order; objects stay as they are.
        absent: plurals of kinds that are not served.
        forbidden: plurals of kinds that nobody may read or write.
    """

    def __init__(self, objects: Iterable[Object]) -> None:
        self.created: list[tuple[str, Object]] = []
        self.patched: list[tuple[str, str, Any]] = []
        self.absent: set[str] = set()
        self.forbidden: set[str] = set()
        self.objects = {_path(body): body for body in objects}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                query = {key: values[-1] for key, values in parse_qs(url.query).items()}
                status, body = outer.get(url.path, query.get("labelSelector", ""))
                if query.get("watch") == "true" and status == 200:
                    events = ({"type": "ADDED", "object": one} for one in body["items"])
                    self._send(200, "".join(json.dumps(event) + "\n" for event in events).encode())
                else:
                    self._answer(status, body)

            def do_PATCH(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(*outer.patch(self.path, self.headers["Content-Type"], body))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(*outer.post(self.path.partition("?")[0], body))

            def _answer(self, status: int, body: Any) -> None:
                self._send(status, json.dumps(body).encode())

            def _send(self, status: int, data: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def kubeconfig(self) -> str:
        """A kubeconfig whose context is in namespace `default`."""
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        named = {"name": "here"}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{**named, "cluster": {"server": address}}],
                "users": [{**named, "user": {}}],
                "contexts": [{**named, "context": {"cluster": "here", "user": "here"}}],
                "current-context": "here",
            }
        )

    def get(self, path: str, labels: str = "") -> tuple[int, Object]:
        """The status and body of a GET; a selector is of labels that all have to be there, `key=value,key=value`."""
        if refused := self._refused(path):
            return refused
        if path in self.objects:
            return 200, self.objects[path]
        wanted = dict(one.split("=", 1) for one in labels.split(",") if one)
        items = [
            body
            for own, body in self.objects.items()
            if path in (own.rpartition("/")[0], _everywhere(own.rpartition("/")[0]))
            and wanted.items() <= (body["metadata"].get("labels") or {}).items()
        ]
        if items or path.rpartition("/")[2] in _COLLECTIONS:
            return 200, {"metadata": {}, "items": items}
        return 404, {"reason": "NotFound", "message": f"{path} not found"}

    def post(self, path: str, body: Object) -> tuple[int, Object]:
        """The status and body of a POST."""
        if refused := self._refused(path):
            return refused
        own = f"{path}/{body['metadata']['name']}"
        if own in self.objects:
            return 409, {"reason": "AlreadyExists", "message": f"{own} already exists"}
        self.objects[own] = body
        self.created.append((path, body))
        return 201, body

    def patch(self, path: str, content_type: str, body: Any) -> tuple[int, Object]:
        """The status and body of a PATCH, which changes nothing."""
        own = path.partition("?")[0]
        if refused := self._refused(own):
            return refused
        if own not in self.objects:
            return 404, {"reason": "NotFound", "message": f"{own} not found"}
        self.patched.append((path, content_type, body))
        return 200, self.objects[own]

    def _refused(self, path: str) -> tuple[int, Object] | None:
        parts = path.split("/")
        if self.absent.intersection(parts):
            return 404, {"reason": "NotFound", "message": "the server could not find the requested resource"}
        if found := self.forbidden.intersection(parts):
            return 403, {"reason": "Forbidden", "message": f"{found.pop()} is forbidden"}
        return None


def _everywhere(path: str) -> str:
    """The path of a collection in all namespaces."""
    return re.sub(r"/namespaces/[^/]+/", "/", path)


def _path(body: Object) -> str:
    kind = next(one for one in _KINDS if (one.api_version, one.kind) == (body["apiVersion"], body["kind"]))
    return kind.path(body["metadata"].get("namespace") if kind.namespaced else None, body["metadata"]["name"])
