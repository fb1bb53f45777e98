"""An engine that serves two calls: which model there is, and a completion. A test may have it answer otherwise."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWERS: dict[str, Any] = {
    "GET /v1/models": {"data": [{"id": "tiny"}]},
    "POST /v1/chat/completions": {"choices": [{"message": {"content": "yes"}}]},
    "POST /flush_cache": {},
    "GET /get_server_info": {"version": "0.5.23", "tp_size": 1},
}


class TinyEngine(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[str] = []
        self.answers = {call: (200, body) for call, body in ANSWERS.items()}
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: TinyEngine

    def do_GET(self) -> None:
        call = f"{self.command} {self.path}"
        self.server.seen.append(call)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = self.server.answers.get(call, (404, None))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    do_POST = do_GET  # noqa: N815 - a name of the standard library's

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@contextmanager
def tiny_engine() -> Iterator[TinyEngine]:
    """A running one, on a port of its own."""
    with TinyEngine() as engine:
        thread = threading.Thread(target=engine.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield engine
        finally:
            engine.shutdown()
            thread.join()
