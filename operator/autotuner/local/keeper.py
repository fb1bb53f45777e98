"""Keeps one process of this machine: starts it, passes its end on, and leaves nothing of it behind.

Run as `python keeper.py FOLDER`, with the standard library alone, in a process of its own that outlives who started it:
whoever looks into the folder later learns how the process stands. FOLDER holds

    order.json  words, env, cwd, log, cpus, lock, orphan_seconds: what is kept, and until when nobody may own it
    run.json    pid, started: of the process, once it runs
    end.json    exit_code, out_of_memory, words, ended: once it is over; exit_code is null where it never began

SIGTERM asks the process to end; SIGUSR1 kills it with all that came from it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_SET_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36  # of prctl(2)
_HEARD = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
_LOOK_SECONDS = 5.0


def main(folder: Path) -> None:
    """Keep the process of a folder until it is over."""
    if os.fork():
        return  # who started it waits for no end of it
    with (folder / "order.json").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # it is kept already: whoever started that keeper was killed before it spoke
        _keep(folder, json.load(file))


def _keep(folder: Path, order: dict[str, Any]) -> None:
    if (folder / "end.json").exists():
        return
    _prctl(_SET_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    kills = _memory_kills()
    try:
        child = _start(order)
    except OSError as problem:
        words = f'exec: "{order["words"][0]}": {problem.strerror or problem}'
        _write(folder / "end.json", {"exit_code": None, "out_of_memory": False, "words": words, "ended": time.time()})
        return
    _write(folder / "run.json", {"pid": child, "keeper": os.getpid(), "started": time.time()})
    code, ended = _wait(child, order)
    _end_descendants()
    out_of_memory = code == 128 + signal.SIGKILL and _memory_kills() > kills
    _write(folder / "end.json", {"exit_code": code, "out_of_memory": out_of_memory, "words": "", "ended": ended})


def _start(order: dict[str, Any]) -> int:
    """Start the process; returns its id.

    Raises:
        OSError: the program is missing or cannot be executed.
    """

    def before() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)

    if order["cpus"]:
        os.sched_setaffinity(0, order["cpus"])
    with Path(order["log"]).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - what the task says is what is run
            order["words"],
            env=order["env"],
            cwd=order["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=before,
        )
    return process.pid


def _wait(child: int, order: dict[str, Any]) -> tuple[int, float]:
    """Wait for the end, reaping whatever else ends; returns the exit code, 128 + N for signal N, and when it ended."""
    owned = time.monotonic()
    while True:
        heard = signal.sigtimedwait(_HEARD, _LOOK_SECONDS)
        number = heard.si_signo if heard is not None else 0
        if number == signal.SIGUSR1:
            _kill_descendants()
        elif number not in (0, signal.SIGCHLD):
            _send(child, signal.SIGTERM)
        if _is_owned(order["lock"]):
            owned = time.monotonic()
        elif time.monotonic() - owned > order["orphan_seconds"]:
            _kill_descendants()
        if (code := _reaped(child)) is not None:
            return code, time.time()


def _reaped(child: int) -> int | None:
    """Reap all that has ended; returns the child's exit code if it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                found = code if code >= 0 else 128 - code
    return found


def _end_descendants() -> None:
    """Kill what the process left behind, until nothing is left."""
    with contextlib.suppress(ChildProcessError):
        while True:
            _kill_descendants()
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            time.sleep(0.01)


def _kill_descendants() -> None:
    """Kill all that came from here; who lost its parent is a child of this process."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError, ValueError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    for pid in found - {os.getpid()}:
        _send(pid, signal.SIGKILL)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _is_owned(lock: str) -> bool:
    """Whether somebody holds the lock of the folder of runs; a shared look disturbs nobody who waits for it."""
    try:
        with Path(lock).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _memory_kills() -> int:
    """How many processes the kernel killed for memory, on this machine and in this control group, until now."""
    lines = _text("/proc/vmstat").splitlines()
    for place in _text("/proc/self/cgroup").splitlines():
        number, names, path = place.split(":", 2)
        if number == "0":
            lines += _text(f"/sys/fs/cgroup{path}/memory.events").splitlines()
        elif "memory" in names.split(","):
            lines += _text(f"/sys/fs/cgroup/memory{path}/memory.oom_control").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write a file that is there as a whole or not at all."""
    rough = path.with_suffix(".new")
    rough.write_text(json.dumps(content))
    rough.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
