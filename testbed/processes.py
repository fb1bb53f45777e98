"""Finds and ends processes by a marker in their environment, which children inherit wherever they hide."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTBED = "AUTOTUNER_TESTBED"
CONTAINER = "AUTOTUNER_TESTBED_CONTAINER"
NODE = "AUTOTUNER_TESTBED_NODE"


@dataclass(frozen=True)
class Marked:
    """A living process: its marker's value and command line."""

    pid: int
    value: str
    command: str


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # ended meanwhile, or another user's
        return b""


def marked(variable: str, value: str | None = None) -> Iterator[Marked]:
    """Yields the living processes whose environment has `variable` (with that value), except this one."""
    assignment = f"\0{variable}=".encode()
    me = os.getpid()
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    for pid in pids:
        content = b"\0" + _read(Path(f"/proc/{pid}/environ"))
        start = content.find(assignment)
        if start < 0 or pid == me:
            continue
        start += len(assignment)
        found = content[start : content.find(b"\0", start)].decode(errors="replace")
        if value is None or found == value:
            command = _read(Path(f"/proc/{pid}/cmdline")).replace(b"\0", b" ").decode(errors="replace").strip()
            yield Marked(pid, found, command)


def title(pid: int) -> str:
    """The name that a process has given itself, or else its program's; empty if it has ended."""
    return _read(Path(f"/proc/{pid}/comm")).decode(errors="replace").strip()


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Sends a signal to a process that may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def kill_marked(variable: str, value: str | None = None, seconds: float = 5) -> None:
    """Kills every process with the marker, children that appear meanwhile too, and waits until none lives."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        alive = list(marked(variable, value))
        if not alive:
            return
        for process in alive:
            kill(process.pid)
        time.sleep(0.01)
