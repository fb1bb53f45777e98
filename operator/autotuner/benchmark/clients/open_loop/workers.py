"""The worker processes: started before anything is loaded, fed with orders, asked for what became of them."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from typing import Any

from autotuner.benchmark.clients.open_loop.orders import CUT, Order, encode
from autotuner.benchmark.contract.connection import LineReader
from autotuner.benchmark.contract.level_run import Request

_MODULE = "autotuner.benchmark.clients.open_loop.worker"
CUT_SECONDS = 20.0


class WorkerGoneError(Exception):
    """A worker ended, or does not answer any more."""


class Workers:
    """So many worker processes. They end with this one.

    Args:
        count: of processes; each sends every count-th request.
    """

    def __init__(self, count: int) -> None:
        self._sockets: list[socket.socket] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        for _ in range(count):
            ours, theirs = socket.socketpair()
            command = [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno()), str(os.getpid())]
            self._processes.append(subprocess.Popen(command, pass_fds=(theirs.fileno(),)))  # noqa: S603 - our own
            theirs.close()
            self._sockets.append(ours)
        self._readers = [LineReader(one.fileno()) for one in self._sockets]

    def send(self, order: Order) -> None:
        """Give an order to the worker whose turn it is."""
        self._write(order.number % len(self._sockets), encode(order))

    def over(self, seconds: float) -> list[Request]:
        """The requests that are over since the last call, waiting up to so many seconds for the first."""
        ready, _, _ = select.select(self._sockets, [], [], seconds)
        found = []
        for one in ready:
            found += [Request(*fields) for fields in self._read(self._sockets.index(one)) if isinstance(fields, list)]
        return found

    def cut(self) -> tuple[list[Request], float]:
        """End the level: the requests that were over or are cut off, and the CPU seconds of the busiest worker."""
        for number in range(len(self._sockets)):
            self._write(number, encode(CUT))
        requests, most = [], 0.0
        deadline = time.monotonic() + CUT_SECONDS
        for number in range(len(self._sockets)):
            while True:
                told = self._read(number, deadline - time.monotonic())
                requests += [Request(*one) for one in told if isinstance(one, list)]
                if told and not isinstance(told[-1], list):
                    most = max(most, told[-1])
                    break
                if time.monotonic() > deadline:
                    raise WorkerGoneError(f"a process of the load client did not stop within {CUT_SECONDS:.0f} s")
        return requests, most

    def stop(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _write(self, number: int, line: bytes) -> None:
        try:
            self._sockets[number].sendall(line)
        except OSError:
            raise self._gone(number) from None

    def _read(self, number: int, seconds: float = 0.0) -> list[list[Any] | float]:
        try:
            return [json.loads(line) for line in self._readers[number].read(max(0.0, seconds))]
        except (EOFError, OSError):
            raise self._gone(number) from None

    def _gone(self, number: int) -> WorkerGoneError:
        code = self._processes[number].wait()
        return WorkerGoneError(f"a process that sends requests ended with code {code}")
