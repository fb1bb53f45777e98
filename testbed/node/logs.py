"""The part of a kubelet's API that `kubectl logs` needs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from aiohttp import web

from testbed.node.container import Container

_POLL_SECONDS = 0.05


class Owner(Protocol):
    """A pod that has containers."""

    @property
    def all(self) -> Sequence[Container]:
        """All its containers."""


class Logs:
    """Serves the logs of the pods that `find` (by namespace and name) returns."""

    def __init__(self, find: Callable[[str, str], Owner | None]) -> None:
        self._find = find

    async def serve(self, certificate: Path, key: Path) -> tuple[web.AppRunner, int]:
        """Listens with TLS on a free port of the loopback address; returns what to clean up, and the port."""
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context, shutdown_timeout=0)
        await site.start()
        return runner, int(runner.addresses[0][1])

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        pod = self._find(request.match_info["namespace"], request.match_info["pod"])
        name = request.match_info["container"]
        container = next((item for item in pod.all if item.name == name), None) if pod else None
        if container is None:
            raise web.HTTPNotFound(text=f'container "{name}" not found')
        path = container.log
        if request.query.get("previous") == "true":
            path = container.logs / f"{container.restarts - 1}.log"
            if not path.exists():
                raise web.HTTPBadRequest(text=f'previous terminated container "{name}" not found')
        if not path.exists():
            reason = container.state.get("waiting", {}).get("reason", "ContainerCreating")
            raise web.HTTPBadRequest(text=f'container "{name}" is waiting to start: {reason}')
        content = path.read_bytes()
        shown = _limit(content, request.query.get("tailLines"), request.query.get("limitBytes"))
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(shown)
        if request.query.get("follow") == "true":
            await _follow(container, path, len(content), response)
        return response


def _limit(content: bytes, lines: str | None, size: str | None) -> bytes:
    if lines is not None:
        content = b"".join(content.splitlines(keepends=True)[-int(lines) :]) if int(lines) else b""
    return content if size is None else content[: int(size)]


async def _follow(container: Container, path: Path, position: int, response: web.StreamResponse) -> None:
    """Sends what is appended until the run that writes this log has ended."""
    with path.open("rb") as file:
        file.seek(position)
        while True:
            over = container.log != path or container.run is None or not container.run.alive
            if more := file.read():
                await response.write(more)
            if over:
                return
            await asyncio.sleep(_POLL_SECONDS)
