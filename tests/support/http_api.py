"""An API server of a few fixed objects over HTTP: enough for programs that read them and create one more."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import yaml

from autotuner.kube import CONFIG_MAP, DEPLOYMENT, EXPERIMENT, NODE, PERSISTENT_VOLUME_CLAIM, POD, TASK
from autotuner.kubernetes_object import Object

_KINDS = (CONFIG_MAP, DEPLOYMENT, NODE, PERSISTENT_VOLUME_CLAIM, POD, TASK, EXPERIMENT)


class ApiOverHttp:
    """Serves objects by their paths; what is created is kept in `created`. A context manager.

    Attributes:
        created: path of the collection and object, in order.
        absent: plurals of kinds that are not served.
        forbidden: plurals of kinds that nobody may read or write.
    """

    def __init__(self, objects: Iterable[Object]) -> None:
        self.created: list[tuple[str, Object]] = []
        self.absent: set[str] = set()
        self.forbidden: set[str] = set()
        self.objects = {_path(body): body for body in objects}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(*outer.get(self.path.partition("?")[0]))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(*outer.post(self.path.partition("?")[0], body))

            def _answer(self, status: int, body: Any) -> None:
                data = json.dumps(body).encode()
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

    def get(self, path: str) -> tuple[int, Object]:
        """The status and body of a GET."""
        if refused := self._refused(path):
            return refused
        if path in self.objects:
            return 200, self.objects[path]
        items = [body for own, body in self.objects.items() if own.rpartition("/")[0] == path]
        if items or any(path.endswith(f"/{kind.plural}") for kind in _KINDS):
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

    def _refused(self, path: str) -> tuple[int, Object] | None:
        parts = path.split("/")
        if self.absent.intersection(parts):
            return 404, {"reason": "NotFound", "message": "the server could not find the requested resource"}
        if found := self.forbidden.intersection(parts):
            return 403, {"reason": "Forbidden", "message": f"{found.pop()} is forbidden"}
        return None


def _path(body: Object) -> str:
    kind = next(one for one in _KINDS if (one.api_version, one.kind) == (body["apiVersion"], body["kind"]))
    return kind.path(body["metadata"].get("namespace") if kind.namespaced else None, body["metadata"]["name"])
