"""What a machine adds to an order: its container engine, and its accelerators."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from autotuner.local.containers.docker_api import ApiError, DaemonGoneError
from autotuner.local.containers.finding import NoEngineError
from autotuner.local.containers.host import Containers
from autotuner.local.devices import machine_devices, process_owner
from autotuner.local.devices.process_owner import Whose
from autotuner.local.machine import Machine
from autotuner.local.processes import RUN
from autotuner.local.running.tuning import Order, Outcome, Show, tune, unstartable

_ANY_IMAGE = "engine"


async def tune_with_equipment(order: Order, show: Show, tell: Callable[[str], None]) -> Outcome:
    """Tune with all that this machine has; errors as `tune` has them.

    Raises:
        NoEngineError: nothing here runs the engine.
    """
    async with equipped(order, tell) as ready:
        if words := unstartable(ready):
            raise NoEngineError(words)
        return await tune(ready, show, tell)


@contextlib.asynccontextmanager
async def equipped(order: Order, tell: Callable[[str], None]) -> AsyncIterator[Order]:
    """The order with what there is; what is not used, and why, is told."""
    containers, why = await _containers(order)
    try:
        run = _earlier_run(order)
        ids = await containers.ids(run) if containers is not None and run else ()
        whose = Whose(process_owner.look, lambda pid: bool(run) and process_owner.of_run(pid, f"{RUN}={run}", ids))
        machine = order.machine if order.machine.resource else await _with_devices(order.machine, whose, tell)
        yield replace(order, machine=machine, containers=containers, why_no_containers=why)
    finally:
        if containers is not None:
            await containers.close()


async def _containers(order: Order) -> tuple[Containers | None, str]:
    if order.programs.runs(_ANY_IMAGE):
        return None, ""
    try:
        return await Containers.found(), ""
    except (NoEngineError, ApiError, DaemonGoneError) as problem:
        return None, str(problem)


async def _with_devices(machine: Machine, whose: Whose, tell: Callable[[str], None]) -> Machine:
    found = await asyncio.to_thread(machine_devices.look, whose)
    for note in found.notes:
        tell(note)
    return replace(machine, resource=found.resource, devices=found.uuids, vendor=found.vendor, labels=found.labels)


def _earlier_run(order: Order) -> str:
    """The identity of the runs in a folder; empty before the first."""
    return order.folder.identity if order.folder.path.exists() else ""
