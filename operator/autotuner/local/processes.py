"""Workloads as processes of this machine, each with a keeper that outlives the run and knows how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autotuner.local import keeper
from autotuner.local.workload import StartError, State, Workload

# What lives bears the identity of the run and its own, and so do all its children.
RUN, WORKLOAD = "AUTOTUNER_RUN", "AUTOTUNER_WORKLOAD"
# Of a run that was killed and never started again: its engines hold accelerators no longer than this.
ORPHAN_SECONDS = 900.0
_START_SECONDS = 20.0
_POLL = 0.02
_ABSENT = State("Absent")
_LOST = State("Ended", 137, words="its keeper was killed, and the process with it")


class Processes:
    """Implements `workload.Host`; all that it knows is in a folder.

    Args:
        folder: for orders and ends, a folder each.
        logs: for what processes print, which stays.
        lock: the file that whoever owns this folder holds locked.
    """

    def __init__(self, folder: Path, logs: Path, lock: Path) -> None:
        self._folder, self._logs, self._lock = folder, logs, lock

    async def prepare(self, workload: Workload, progress: Callable[[str], None]) -> None:
        """See `Host`; a process needs nothing."""

    async def start(self, workload: Workload) -> None:
        """See `Host`."""
        place = self._place(workload.uid)
        if not (place / "order.json").exists():
            self._logs.mkdir(parents=True, exist_ok=True)
            place.mkdir(parents=True, exist_ok=True)
            _write_order(place, self._order(workload, place))
        if not (place / "run.json").exists() and not (place / "end.json").exists():
            await _keep(place)
        end = _read(place / "end.json")
        if end is not None and end["exit_code"] is None:
            raise StartError(end["words"])

    def _order(self, workload: Workload, place: Path) -> dict[str, Any]:
        folder = place / "work"
        folder.mkdir(exist_ok=True)
        return {
            "words": [*workload.command, *workload.args],
            "env": {**workload.env, RUN: workload.run, WORKLOAD: workload.uid},
            "cwd": str(folder),
            "log": str(self._logs / f"{workload.name}.log"),
            "cpus": list(workload.cpus),
            "lock": str(self._lock),
            "orphan_seconds": ORPHAN_SECONDS,
            "run": workload.run,
        }

    async def state(self, uid: str) -> State:
        """See `Host`."""
        place = self._place(uid)
        run = _read(place / "run.json")
        started = run["started"] if run else 0.0
        end = _read(place / "end.json")
        if end is not None:
            return State("Ended", end["exit_code"], end["out_of_memory"], end["words"], started, end["ended"])
        if run is None:
            return _ABSENT
        if _keeps(run["keeper"], place):
            return State("Running", started=started)
        # It may have written the end and gone since.
        end = _read(place / "end.json")
        if end is not None:
            return State("Ended", end["exit_code"], end["out_of_memory"], end["words"], started, end["ended"])
        return State(_LOST.phase, _LOST.exit_code, words=_LOST.words, started=started, ended=time.time())

    async def log(self, uid: str, most_bytes: int) -> bytes:
        """See `Host`."""
        order = _read(self._place(uid) / "order.json")
        if order is None:
            return b""
        try:
            with Path(order["log"]).open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - most_bytes))
                return file.read()
        except OSError:
            return b""

    async def stop(self, uid: str, grace_seconds: float) -> None:
        """See `Host`."""
        place = self._place(uid)
        run = _read(place / "run.json")
        if run is not None:
            await self._end(run["keeper"], place, grace_seconds)
        await _kill_marked(uid)
        await asyncio.to_thread(shutil.rmtree, place, True)

    async def _end(self, pid: int, place: Path, grace_seconds: float) -> None:
        """Have the keeper end its process: politely, and after the grace period at once."""
        _signal(pid, place, signal.SIGTERM)
        patience = time.monotonic() + grace_seconds
        while _keeps(pid, place) and time.monotonic() < patience:
            await asyncio.sleep(_POLL)
        patience = time.monotonic() + _START_SECONDS
        while _keeps(pid, place) and time.monotonic() < patience:
            _signal(pid, place, signal.SIGUSR1)
            await asyncio.sleep(_POLL)

    async def mine(self, run: str) -> Sequence[str]:
        """See `Host`."""
        places = self._folder.iterdir() if self._folder.is_dir() else ()
        kept = {place.name for place in places if (_read(place / "order.json") or {}).get("run") == run}
        return sorted(kept | {uid for _, uid in _marked(RUN, run)})

    def _place(self, uid: str) -> Path:
        return self._folder / uid


async def _keep(place: Path) -> None:
    """Start the keeper of a folder, and wait until it says how its process stands.

    Raises:
        StartError: it does not.
    """
    words = [sys.executable, "-S", "-E", keeper.__file__, str(place)]
    # It parts from this process by itself: one of asyncio's would be killed with the loop.
    await asyncio.to_thread(
        subprocess.run,
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=place,
        check=False,
    )
    patience = time.monotonic() + _START_SECONDS
    while not any((place / name).exists() for name in ("run.json", "end.json")):
        if time.monotonic() > patience:
            raise StartError(f"the process that keeps {place} says nothing; is the disk full?")
        await asyncio.sleep(_POLL)


def _write_order(place: Path, order: Mapping[str, Any]) -> None:
    """Write it for its owner's eyes: the variables may hold keys."""
    rough = place / "order.new"
    with os.fdopen(os.open(rough, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(order, file)
        file.flush()
        os.fsync(file.fileno())
    rough.replace(place / "order.json")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found


def _keeps(pid: int, place: Path) -> bool:
    """Whether this process is the keeper of that folder: ids are used again."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        dead = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return False
    return not dead and os.fsencode(place) in words


def _signal(pid: int, place: Path, number: signal.Signals) -> None:
    if _keeps(pid, place):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _marked(variable: str, value: str) -> Sequence[tuple[int, str]]:
    """The ids of living processes with this variable in their environment, and their workloads'."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if f"{variable}={value}" in words:
            uid = next((word.partition("=")[2] for word in words if word.startswith(f"{WORKLOAD}=")), "")
            found.append((int(entry.name), uid))
    return found


async def _kill_marked(uid: str) -> None:
    """Kill what bears the identity of a workload, whoever was to keep it."""
    patience = time.monotonic() + _START_SECONDS
    while (found := _marked(WORKLOAD, uid)) and time.monotonic() < patience:
        for pid, _ in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(_POLL)
