"""A hub of models on this machine: serves one repository's tokenizer files as the real one does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """Serves `folder` as `repository`; with a token, only to those who bring it."""

    folder: Path
    repository: str = "org/tokenizer"
    token: str = ""
    port: int = 0
    served: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a file's download."""
        asked = path.split("?")[0].strip("/")
        if not asked:
            return 200, {}, b"a page for people"
        owner, name, *rest = asked.removeprefix("api/models/").split("/")
        if f"{owner}/{name}" != self.repository:
            return 401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b""
        if self.token and authorization != f"Bearer {self.token}":
            return 401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this model is restricted"}, b""
        files = [path for path in sorted(self.folder.iterdir()) if path.is_file()]
        if rest[:1] == ["revision"]:
            siblings = [{"rfilename": path.name} for path in files]
            return _json({"id": self.repository, "sha": COMMIT, "siblings": siblings})
        if rest[:1] == ["tree"]:
            sizes = [(path.name, path.stat().st_size) for path in files]
            return _json([{"type": "file", "path": name, "size": size, "oid": COMMIT} for name, size in sizes])
        file = self.folder / rest[-1] if rest[:1] == ["resolve"] else None
        if file is None or not file.is_file():
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        body = file.read_bytes()
        self.served.append(file.name)
        return 200, {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "X-Repo-Commit": COMMIT}, body


def _json(body: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


@contextmanager
def fake_hub(folder: Path, token: str = "") -> Iterator[FakeHub]:
    """A running one, on a port of its own."""
    hub = FakeHub(folder, token=token)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._reply(with_body=False)

        def do_GET(self) -> None:
            self._reply(with_body=True)

        def _reply(self, with_body: bool) -> None:
            status, headers, body = hub.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The test's output is not the place."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
