"""The life of the operator's process: wait for the cluster, lead, act, and end well."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from aiohttp import web

from autotuner import __version__, metrics
from autotuner.api_server import ApiServer
from autotuner.controllers.preset_catalogue import shipped
from autotuner.kube import EXPERIMENT, TASK, Kube
from autotuner.process import served_backends
from autotuner.process.endpoints import Health, served
from autotuner.process.finished_edits import FinishedEdits
from autotuner.process.leader import Election
from autotuner.process.machinery import Listeners, Machinery
from autotuner.process.search_pause import Pause
from autotuner.serving.backend import Backend, Backends
from autotuner.settings import Settings

log = logging.getLogger(__name__)

# Starts the watches, or those of one backend alone, until the event is set. Returns the task that runs them.
Watch = Callable[[Settings, Backends, Listeners, asyncio.Event, Backend | None], Awaitable[asyncio.Task[None]]]
_STARTUP_POLL = 0.5
# How long running reconciles may go on after SIGTERM.
_GRACE = 5.0


async def run(settings: Settings, backends: Backends, watch: Watch) -> None:
    """Work until a signal ends the process.

    Raises:
        LeadershipLostError: another operator acts by now.
        ValueError: a preset is not what it should be.
    """
    await _Process(settings, backends, watch).run()


class _Process:
    def __init__(self, settings: Settings, backends: Backends, watch: Watch) -> None:
        self._settings, self._backends, self._watch = settings, backends, watch
        if settings.backends:
            backends.withhold_all_but(settings.backends)
        self._known = shipped(settings)
        self._stop, self._health = asyncio.Event(), Health()
        self._election: Election | None = None

    async def run(self) -> None:
        self._listen()
        async with contextlib.AsyncExitStack() as stack:
            settings = self._settings
            await stack.enter_async_context(served(settings.health_port, self._health.routes(), settings.address))
            await stack.enter_async_context(served(settings.metrics_port, {"/metrics": _exposition}, settings.address))
            kube = await ApiServer.connect(may_write=lambda: self._election is None or self._election.leads)
            stack.push_async_callback(kube.close)
            await self._unless_stopped(self._wait_until_served(kube))
            if self._settings.leader_election and not self._stop.is_set():
                lease = await ApiServer.connect()
                stack.push_async_callback(lease.close)
                self._election = Election(lease, self._settings.home, self._settings.identity)
                stack.push_async_callback(self._election.release)
                await self._unless_stopped(self._election.acquire())
            if not self._stop.is_set():
                await self._lead(kube)

    def _listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)

    async def _wait_until_served(self, kube: Kube) -> None:
        """Wait for the API server and our kinds, and look which backends can serve: kopf that starts before is deaf."""
        told = ""
        while problem := await self._unserved(kube):
            if problem != told:
                log.warning("waiting for %s (are the CRDs and the roles installed?)", problem)
                told = problem
            self._health.not_ready = f"waiting for {problem}"
            await asyncio.sleep(_STARTUP_POLL)
        self._health.not_ready = ""

    async def _unserved(self, kube: Kube) -> str:
        """What cannot be read yet; empty once our own kinds can, and it is known of the backends whether theirs can."""
        namespaces = self._settings.namespaces
        if found := await kube.obstacle((TASK, EXPERIMENT), namespaces):
            return found.words
        return await served_backends.look(kube, self._backends, namespaces)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the work, or for the stop, which cancels it."""
        working, stopping = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working

    async def _lead(self, kube: ApiServer) -> None:
        """Watch and act until the stop; then let running reconciles come to their end."""
        settings, pause = self._settings, Pause()
        metrics.LEADER.set(1)
        machinery = Machinery(kube, self._backends, settings, self._known, around_tasks=pause.around)
        await machinery.read()
        # kopf cancels in the end whatever began after it: these begin before.
        edits = FinishedEdits(kube.follow_metadata, machinery.listeners.experiments)
        duties = [machinery.look_around(), edits.watch(settings.namespaces)]
        if settings.home:
            await pause.look(kube, settings.home)
            duties.append(pause.follow(kube, settings.home))
        if self._election:
            duties.append(self._election.keep())
        ends: list[asyncio.Task[Any]] = [asyncio.create_task(duty) for duty in (self._stop.wait(), *duties)]
        unwatch = asyncio.Event()
        watching = {await self._watch(settings, self._backends, machinery.listeners, unwatch, None)}
        self._listen()  # kopf has put its own signal handlers there
        self._health.deaf = machinery.listeners.watchfulness.deaf
        log.info("autotuner %s serves %s", __version__, ", ".join(settings.namespaces) or "all namespaces")
        try:
            while True:
                late = asyncio.create_task(served_backends.appeared(kube, self._backends, settings.namespaces))
                done, _ = await asyncio.wait({*watching, *ends, late}, return_when=asyncio.FIRST_COMPLETED)
                if done != {late}:
                    late.cancel()
                    break
                for backend in late.result():
                    watching.add(await self._watch(settings, self._backends, machinery.listeners, unwatch, backend))
                self._listen()
        finally:
            grace = _GRACE if self._stop.is_set() else 0.0
            await asyncio.gather(*(queue.close(grace) for queue in machinery.queues))
            unwatch.set()
            for task in ends:
                task.cancel()
            await asyncio.gather(*watching, *ends, return_exceptions=True)
        if not self._stop.is_set():
            for task in done:
                task.result()
            raise RuntimeError("the watches ended")


def _exposition() -> web.Response:
    return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})
