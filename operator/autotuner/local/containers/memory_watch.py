"""How many processes of a container the kernel killed for memory, counted while its control group is there.

The counter goes with the control group at the container's end, so a thread reads it all along. Kernel documentation:
cgroup-v1/memory.rst (`memory.oom_control`), cgroup-v2.rst (`memory.events`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_COUNTER = b"oom_kill "
_EVERY_SECONDS = 0.01
_FILES = {"cgroup": "memory.oom_control", "cgroup2": "memory.events"}


def counters(groups: str, mounts: str) -> Iterator[Path]:
    """The files that may count for a process.

    Args:
        groups: its /proc/PID/cgroup.
        mounts: this process's /proc/self/mountinfo.
    """
    paths = {}
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            paths["cgroup2"] = path
        elif "memory" in controllers.split(","):
            paths["cgroup"] = path
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        root, place = left.split(" ")[3:5]
        if kind not in paths or (kind == "cgroup" and "memory" not in options.split(",")):
            continue
        group = PurePosixPath(paths[kind])
        if ".." not in group.parts and group.is_relative_to(root):
            yield Path(place) / group.relative_to(root) / _FILES[kind]


def count(text: bytes) -> int:
    """The kills that a counter's file tells."""
    found = [line for line in text.splitlines() if line.startswith(_COUNTER)]
    return int(found[0].split()[1]) if found else 0


class MemoryWatch:
    """Follows the counter of one container from now on.

    Args:
        pid: of the container's first process.
    """

    def __init__(self, pid: int) -> None:
        self.kills = 0
        self._stop = threading.Event()
        self._file = _opened(pid)
        self._thread: threading.Thread | None = None
        if self._file is not None:
            self._thread = threading.Thread(target=self._follow, args=(self._file,), daemon=True, name=f"memory-{pid}")
            self._thread.start()

    @property
    def blind(self) -> bool:
        """Whether there is no counter to read."""
        return self._file is None

    def close(self) -> None:
        """End it."""
        self._stop.set()

    def join(self, timeout: float) -> None:
        """Wait for the last count of a container that has ended; blocks."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _follow(self, file: int) -> None:
        try:
            while not self._stop.is_set():
                self.kills = max(self.kills, count(os.pread(file, 4096, 0)))
                self._stop.wait(_EVERY_SECONDS)
        except OSError:  # the control group is gone
            pass
        finally:
            os.close(file)


def _opened(pid: int) -> int | None:
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text()
        mounts = Path("/proc/self/mountinfo").read_text()
    except OSError:  # it has ended already, or runs in a virtual machine
        return None
    for path in counters(groups, mounts):
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        if _COUNTER in os.pread(file, 4096, 0):
            return file
        os.close(file)
    return None
