"""Forks engines from a process that has imported vLLM: `python fork_server.py SOCKET`, with the environment's Python.

To import vLLM costs each of an engine's three processes some 20 seconds of a core. A client (`bin/python3`) sends its
arguments, variables, folder and outputs; the server forks a keeper for it, and the keeper the engine. The keeper
passes signals on, reports the engine's end and then kills what the engine left behind. It does the same when the client
or the server is gone, so that no process of an engine outlives its pod.

Only the standard library and vLLM are there. What differs from `python3 -m vllm.entrypoints.openai.api_server`:
processes that the engine would spawn are forked too, and the library that it would preload for them is there from the
beginning.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import NoReturn

_LIBC = ctypes.CDLL(None)
_SET_PARENT_DEATH_SIGNAL, _SET_NAME, _SET_CHILD_SUBREAPER = 1, 15, 36
_TITLE = b"vllm-engine"
_MESSAGE_BYTES = 1 << 20
MODULE = "vllm.entrypoints.openai.api_server"


class GoneError(Exception):
    """The server has ended."""


def serve(path: str) -> None:
    """Fork a keeper for each client, until this process or its parent is killed; returns in an engine alone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers need no burial
    _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    with contextlib.suppress(FileNotFoundError):
        Path(path).unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _keep(connection)
                return
            connection.close()


def _keep(connection: socket.socket) -> None:
    """Stay beside one engine to its end; returns in the engine's process alone."""
    server = os.getppid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, _leave)
    _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    _LIBC.prctl(_SET_CHILD_SUBREAPER, 1)
    _LIBC.prctl(_SET_NAME, _TITLE)
    os.setsid()
    message, descriptors, _, _ = socket.recv_fds(connection, _MESSAGE_BYTES, 2)
    if not message:
        os._exit(0)
    engine = os.fork()
    if engine == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        connection.close()
        _become(json.loads(message), descriptors)
        return
    for descriptor in descriptors:
        os.close(descriptor)
    status = None
    with contextlib.suppress(GoneError):
        if os.getppid() == server:
            status = _watch(connection, engine)
    _kill_descendants()
    if status is not None:
        with contextlib.suppress(OSError):
            connection.send(json.dumps({"status": status}).encode())
    os._exit(0)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise GoneError


def _watch(connection: socket.socket, engine: int) -> int | None:
    """Pass signals on; returns the engine's wait status, None where the client went first."""
    ended = os.pidfd_open(engine)
    while True:
        ready, _, _ = select.select([connection.fileno(), ended], [], [])
        if ended in ready:
            return os.waitpid(engine, 0)[1]
        message = connection.recv(_MESSAGE_BYTES)
        if not message:
            return None
        os.kill(engine, json.loads(message)["signal"])


def _kill_descendants() -> None:
    """Kill all that came from the engine; orphans have become this process's children."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while found := _descendants(os.getpid()):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _descendants(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, above = [], {root}
    while above := {pid for pid, parent in parents.items() if parent in above}:
        found += sorted(above)
    return found


def _become(request: dict[str, list[str] | dict[str, str] | str], descriptors: list[int]) -> None:
    """Turn this process into what the client would have been: its outputs, folder, variables and arguments."""
    for target, descriptor in zip((1, 2), descriptors, strict=True):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.setsid()
    os.chdir(str(request["folder"]))
    os.environ.clear()
    os.environ.update(request["variables"])  # type: ignore[arg-type]
    sys.argv = ["-m", *request["arguments"]]
    sys.excepthook = _print_from_module


def _print_from_module(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an exception as `python -m` does: without the server's own frames."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(kind, error, trace)


def _import_engine() -> None:
    """Import what an engine needs, and make its processes forks of this one."""
    import multiprocessing

    import vllm.entrypoints.cli.main
    import vllm.entrypoints.launchers.api_server.entry
    import vllm.v1.engine.core
    import vllm.v1.executor.multiproc_executor
    import vllm.v1.worker.cpu_worker  # noqa: F401

    original = multiprocessing.get_context
    multiprocessing.get_context = lambda method=None: original("fork" if method == "spawn" else method)  # type: ignore[assignment]


if __name__ == "__main__":
    _import_engine()
    serve(sys.argv[1])
    sys.modules["__main__"] = ModuleType("__main__")
    runpy._run_module_as_main(MODULE)  # type: ignore[attr-defined]  # what `python -m` calls
