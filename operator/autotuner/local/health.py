"""Probes of a container on this machine: an HTTP request, a connection; other actions count as passed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from autotuner.local.container_record import ContainerRecord
from autotuner.local.pod_workload import ADDRESS
from autotuner.local.podspec import Probe


async def passes(probe: Probe) -> bool:
    """Whether a probe is passed now."""
    http, tcp = probe.action.get("httpGet"), probe.action.get("tcpSocket")
    found = http or tcp
    if found is None:
        return True
    try:
        async with asyncio.timeout(probe.timeout):
            reader, writer = await asyncio.open_connection(ADDRESS, int(found["port"]))
            try:
                if http is None:
                    return True
                path = http.get("path") or "/"
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {ADDRESS}\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
                words = (await reader.readline()).split()
                return len(words) > 1 and words[1].isdigit() and 200 <= int(words[1]) < 400
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False


async def follow(container: ContainerRecord, changed: Callable[[], None], kill: Callable[[], Awaitable[None]]) -> None:
    """Follow the probes of a container that runs, until it is cancelled.

    Args:
        container: whose `ready` and `started` are kept.
        changed: called when these change.
        kill: called when a startup or liveness probe gives up; then this ends.
    """
    startup = Probe.of(container.spec, "startupProbe")
    if startup is not None and not container.started and not await _started(startup):
        await kill()
        return
    container.started = True
    readiness, liveness = Probe.of(container.spec, "readinessProbe"), Probe.of(container.spec, "livenessProbe")
    container.ready = container.ready or readiness is None
    changed()
    async with asyncio.TaskGroup() as group:
        if readiness is not None:
            group.create_task(_follow_readiness(container, readiness, changed))
        if liveness is not None:
            group.create_task(_follow_liveness(liveness, kill))


async def _started(probe: Probe) -> bool:
    await asyncio.sleep(probe.initial_delay)
    for _ in range(probe.failures):
        if await passes(probe):
            return True
        await asyncio.sleep(probe.period)
    return False


async def _follow_readiness(container: ContainerRecord, probe: Probe, changed: Callable[[], None]) -> None:
    await asyncio.sleep(probe.initial_delay)
    in_a_row, last = 0, container.ready
    while True:
        passed = await passes(probe)
        in_a_row = in_a_row + 1 if passed == last else 1
        last = passed
        if passed != container.ready and in_a_row >= (probe.successes if passed else probe.failures):
            container.ready = passed
            changed()
        await asyncio.sleep(probe.period)


async def _follow_liveness(probe: Probe, kill: Callable[[], Awaitable[None]]) -> None:
    await asyncio.sleep(probe.initial_delay)
    failures = 0
    while failures < probe.failures:
        failures = 0 if await passes(probe) else failures + 1
        if failures < probe.failures:
            await asyncio.sleep(probe.period)
    await kill()
