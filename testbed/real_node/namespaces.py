"""Processes of the node: which are alive, how they end, how a command gets into its namespaces."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from testbed.real_node.place import Place

# The shell joins the node's control groups, then becomes nsenter.
_JOIN = (
    'for file in /sys/fs/cgroup/*/"$1"/sys/cgroup.procs; do echo $$ >"$file"; done; pid=$2; shift 2; '
    'exec nsenter -t "$pid" -m -n -p -u -i -- "$@"'
)
_END_SECONDS = 10


def inside(place: Place, *words: str | Path) -> list[str]:
    """The command that runs another one in every namespace and control group of the node (working folder: /)."""
    return ["sh", "-c", _JOIN, "enter", place.control_group, _first_process(place), *map(str, words)]


def inside_network(place: Place, *words: str | Path) -> list[str]:
    """The command that runs another one in the node's network; its files, PATH and working folder stay as they are."""
    return ["nsenter", "-t", _first_process(place), "-n", "--", *map(str, words)]


def _first_process(place: Place) -> str:
    return (place.run / "node.pid").read_text().strip()


def alive(pid_file: Path, word: str) -> bool:
    """Whether the process is there and still the one that was started: `word` is in its command line.

    A zombie is not alive: a machine's first process may reap an orphan only after seconds.
    """
    try:
        folder = Path("/proc", pid_file.read_text().strip())
        state = re.search(r"^State:\s*(\S)", (folder / "status").read_text(), re.MULTILINE)
        command = (folder / "cmdline").read_bytes()
    except OSError:
        return False
    return state is not None and state[1] not in "ZX" and word.encode() in command


def end(pid_file: Path, word: str) -> None:
    """Kill a process if it is alive.

    Raises:
        TimeoutError: it does not end.
    """
    if not alive(pid_file, word):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
    deadline = time.monotonic() + _END_SECONDS
    while alive(pid_file, word):
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {pid_file.read_text().strip()} does not end")
        time.sleep(0.05)
