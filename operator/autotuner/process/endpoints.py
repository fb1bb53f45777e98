"""The operator's HTTP endpoints: `/metrics`, and `/healthz` and `/readyz` for the kubelet's probes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

Handler = Callable[[], web.Response]


@dataclass
class Health:
    """The two questions of the probes; each answers with what is wrong, empty for nothing."""

    not_ready: str = "starting"
    deaf: Callable[[], str] = field(default=lambda: "")  # do the watches still tell everything?

    def routes(self) -> Mapping[str, Handler]:
        """The paths of the probes. Alive: it answers and is not deaf. Ready: its kinds are served, whoever leads."""
        return {"/healthz": lambda: _probe(self.deaf(), 500), "/readyz": lambda: _probe(self.not_ready, 503)}


def _probe(problem: str, status: int) -> web.Response:
    return web.Response(text=f"{problem or 'ok'}\n", status=status if problem else 200)


@contextlib.asynccontextmanager
async def served(port: int, routes: Mapping[str, Handler], address: str = "") -> AsyncIterator[None]:
    """Serve GETs of these paths on this address (empty: on all) while this is entered; port 0: do not.

    Raises:
        OSError: the port cannot be had.
    """
    if not port:
        yield
        return
    application = web.Application()
    for path, answer in routes.items():
        application.router.add_get(path, _handler(answer))
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, address or None, port).start()
        yield
    finally:
        await runner.cleanup()


def _handler(answer: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(_: web.Request) -> web.StreamResponse:
        response = answer()
        response.force_close()  # an idle connection would hold up the end of the process
        return response

    return handle
