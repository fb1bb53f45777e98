"""The pipes between the runner and its load client: lines for both, and a client's end of the conversation."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Sequence
from typing import Self

from autotuner.benchmark.contract.messages import ClientEvent, RunnerCommand, decode_command, encode

_PR_SET_PDEATHSIG = 1
_CHUNK_BYTES = 65536


class LineReader:
    """Whole lines out of the pieces that come through a pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._incomplete = b""

    def read(self, seconds: float | None) -> list[bytes]:
        """Lines that have arrived, without their ends; waits up to so many seconds (None: for ever) for something.

        Raises:
            EOFError: the other end is closed.
        """
        # As an attribute: a client that runs on gevent has it replaced by one that lets its greenlets run meanwhile.
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return []
        piece = os.read(self._descriptor, _CHUNK_BYTES)
        if not piece:
            raise EOFError
        *lines, self._incomplete = (self._incomplete + piece).split(b"\n")
        return lines


class RunnerConnection:
    """A load client's connection to the runner that started it."""

    def __init__(self, commands: int, events: int) -> None:
        self._events = events
        self._reader = LineReader(commands)
        self._unread: list[bytes] = []

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> Self:
        """The connection that the arguments of `client_command` describe; the process ends with its runner."""
        commands, events, runner = map(int, arguments)
        die_with(runner)
        return cls(commands, events)

    def send(self, event: ClientEvent) -> None:
        """Send an event to the runner."""
        os.write(self._events, encode(event))

    def receive(self) -> RunnerCommand:
        """Wait for the next command. Ends the process if the runner is gone."""
        self.commanded(None)
        return decode_command(self._unread.pop(0))

    def commanded(self, seconds: float | None) -> bool:
        """Whether there is a command, waiting up to so many seconds (None: for ever) for one.

        Ends the process if the runner is gone.
        """
        while not self._unread:
            try:
                self._unread += self._reader.read(seconds)
            except EOFError:
                os._exit(1)
            if seconds is not None:
                break
        return bool(self._unread)


def die_with(parent: int) -> None:
    """End this process when its parent ends: even one that is killed must not leave a client that loads the engine."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
