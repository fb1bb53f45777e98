"""One task on this machine, from its file to its answer, also in several runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autotuner.kube import CONFIG_MAP, EXPERIMENT, NAMESPACE, POD, TASK, KubeError
from autotuner.kubernetes_object import Object
from autotuner.local.machine import Machine, simulated
from autotuner.local.processes import Processes
from autotuner.local.programs import Programs
from autotuner.local.running.node import Hosts, LocalNode, Places
from autotuner.local.running.operation import Operation, opened
from autotuner.local.running.run_folder import RunFolder
from autotuner.local.workload import Host
from autotuner.memory_api.store import Store
from autotuner.presets import SIMULATOR_MODULE, Presets
from autotuner.settings import Settings

_LOOK_SECONDS = 0.25
_LAST_LOOKS_SECONDS = 20.0

# Shows the task, its experiments, and how many seconds this run takes.
Show = Callable[[Object, Sequence[Object], float], None]


@dataclass(frozen=True)
class Order:
    """What is to be tuned, and with what.

    Attributes:
        task: the TuningTask, adapted to this machine.
        folder: of the run.
        machine: what there is to run on.
        programs: that stand for images.
        hub: the cache of models.
        containers: the host for images; None where there is none.
        why_no_containers: why, and what to do.
        settings: of the operator.
    """

    task: Object
    folder: RunFolder
    machine: Machine
    programs: Programs
    hub: Path
    containers: Host | None = None
    why_no_containers: str = "no Docker or Podman was found"
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        task: as it is then.
        experiments: of it, oldest first.
        interrupted: it was told to stop, and goes on with the next run.
    """

    task: Object
    experiments: Sequence[Object]
    interrupted: bool = False

    def condition(self, kind: str) -> str:
        """The status of a condition of the task; empty if it is not there."""
        return _condition(self.task, kind)


class ChangedTaskError(Exception):
    """The file says something else than what runs in the folder; the text says what to do."""


async def tune(order: Order, show: Show, tell: Callable[[str], None]) -> Outcome:
    """Tune until the task is over, or until SIGINT or SIGTERM, which release everything.

    Raises:
        FolderInUseError, DamagedFolderError, ChangedTaskError: see there.
        KubeError: the task's spec is refused.
    """
    with order.folder.owned():
        store = opened(order.folder)
        _enter(store, order.task)
        operation, node = _operation(store, order, tell)
        stop = _Stop()
        await operation.start()
        try:
            return await _follow(store, order, stop, show, tell)
        finally:
            stop.forget()
            await operation.stop()
            if stop.count > 1:
                await node.kill()


class _Stop:
    """How often the process was told to stop."""

    def __init__(self) -> None:
        self.count = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._heard)

    def _heard(self) -> None:
        self.count += 1

    def forget(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)


def _operation(store: Store, order: Order, tell: Callable[[str], None]) -> tuple[Operation, LocalNode]:
    folder = order.folder
    processes = Processes(folder.processes, folder.logs, folder.lock)
    hosts = Hosts(processes, order.containers, order.why_no_containers)
    places = Places(folder.pods, folder.logs, order.hub)
    node = LocalNode(store, order.machine, hosts, order.programs, places, folder.identity, tell)
    return Operation(store, node, order.settings), node


def _enter(store: Store, task: Object) -> None:
    """Create the task, or have the one that is there go on, with what may still change of it.

    Raises:
        ChangedTaskError: something else has changed.
        KubeError: the spec is refused.
    """
    meta = task["metadata"]
    namespace, name = meta["namespace"], meta["name"]
    if store.find(NAMESPACE, None, namespace) is None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        store.create(NAMESPACE, None, body)
    live = store.find(TASK, namespace, name)
    if live is None:
        store.create(TASK, namespace, task)
        return
    wanted = {**live, "spec": task["spec"]}
    try:
        store.replace(TASK, wanted, strict=True)
    except KubeError as problem:
        if "FieldValueForbidden" not in str(problem) and "has started" not in problem.message:
            raise
        words = f"{name} has begun with another spec: {problem.message}"
        advice = "take the change back, or name another folder with --folder"
        raise ChangedTaskError(f"{words}; {advice}") from problem


async def _follow(store: Store, order: Order, stop: _Stop, show: Show, tell: Callable[[str], None]) -> Outcome:
    meta, loop = order.task["metadata"], asyncio.get_running_loop()
    begun, suspended = loop.time(), False
    while True:
        task = store.get(TASK, meta["namespace"], meta["name"])
        experiments = _experiments(store, task)
        show(task, experiments, loop.time() - begun)
        if _condition(task, "Finished") == "True":
            await _settle(store, task)
            return Outcome(store.get(TASK, meta["namespace"], meta["name"]), experiments)
        invalid = _condition(task, "Valid") == "False" and not experiments
        if stop.count > 1 or invalid:
            return Outcome(task, experiments, interrupted=not invalid)
        if stop.count and not suspended:
            suspended = True
            tell("releasing what runs; once more ends it at once")
            store.merge(TASK, meta["namespace"], meta["name"], {"spec": {"suspend": True}}, manager="autotuner-run")
        if suspended and not store.list(POD, None) and not any(_runs(one) for one in experiments):
            return Outcome(task, experiments, interrupted=True)
        await asyncio.sleep(_LOOK_SECONDS)


async def _settle(store: Store, task: Object) -> None:
    """Wait until the recommendation is written and nothing runs any more."""
    patience = asyncio.get_running_loop().time() + _LAST_LOOKS_SECONDS
    while asyncio.get_running_loop().time() < patience:
        if not store.list(POD, None) and (answer(store, task) or _condition(task, "Succeeded") != "True"):
            return
        await asyncio.sleep(_LOOK_SECONDS)


def answer(store: Store, task: Object) -> dict[str, str]:
    """The files of a task's recommendation, by name; none where there is none."""
    status = task.get("status") or {}
    name = (status.get("recommendation") or {}).get("configMap")
    found = store.find(CONFIG_MAP, task["metadata"]["namespace"], name) if name else None
    return dict((found or {}).get("data") or {})


def write_answer(folder: RunFolder, task: Object) -> Sequence[Path]:
    """Write the files of a recommendation; returns where they are."""
    found = answer(opened(folder), task)
    if found:
        folder.answer.mkdir(exist_ok=True)
    paths = []
    for name, text in sorted(found.items()):
        path = folder.answer / name
        path.write_text(text)
        paths.append(path)
    return paths


def this_machine(task: Object, known: Presets) -> Machine:
    """What there is here for a task.

    Args:
        task: the TuningTask.
        known: the presets.
    """
    runtime = (task.get("spec") or {}).get("runtime") or {}
    preset = known.runtimes.get(str(runtime.get("preset")))
    found = here()
    plays = SIMULATOR_MODULE in json.dumps([runtime, dict(preset.spec) if preset is not None else {}])
    return simulated(found) if plays else found


def unstartable(order: Order) -> str:
    """Why nothing here can start the task's engine; empty if something can."""
    programs = order.programs
    there = programs.engine_python is not None or programs.engine_command or order.containers is not None
    played = order.machine.devices and not order.machine.vendor
    if there or played:
        return ""
    advice = "install the engine and name its Python with --engine-python, or its words with runtime.local.command"
    words = f"nothing here runs the engine's image: {order.why_no_containers}; or {advice}"
    return f"{order.task['metadata'].get('name')}: {words}"


def here() -> Machine:
    """Cores and memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(sorted(os.sched_getaffinity(0)), memory)


def _experiments(store: Store, task: Object) -> list[Object]:
    uid = task["metadata"]["uid"]
    found = [
        one
        for one in store.list(EXPERIMENT, task["metadata"]["namespace"])
        if any(owner["uid"] == uid for owner in one["metadata"].get("ownerReferences", ()))
    ]
    return sorted(found, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"].zfill(60)))


def _runs(experiment: Object) -> bool:
    return _condition(experiment, "Finished") != "True"


def _condition(body: Object, kind: str) -> str:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return next((str(one["status"]) for one in conditions if one["type"] == kind), "")
