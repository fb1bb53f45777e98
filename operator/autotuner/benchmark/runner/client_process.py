"""The load client's process: starting it, talking to it, ending it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from autotuner.benchmark.contract.connection import LineReader
from autotuner.benchmark.contract.messages import ClientEvent, RunnerCommand, client_command, decode_event, encode

STOP_SECONDS = 2.0
_TAIL_BYTES = 2000


class ClientGoneError(Exception):
    """The load client ended without having been told to."""


class ClientProcess:
    """A load client that runs in a process group of its own and speaks as `contract.messages` describes."""

    def __init__(self, module: str, work_dir: Path, environment: Mapping[str, str]) -> None:
        self._output = work_dir / "client.out"
        commands, self._commands = os.pipe()
        self._events, events = os.pipe()
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                client_command(module, commands, events, os.getpid()),
                pass_fds=(commands, events),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_client_environment(work_dir, environment),
                cwd=work_dir,
                process_group=0,
            )
        os.close(commands)
        os.close(events)
        self._reader = LineReader(self._events)

    def events(self, seconds: float) -> list[ClientEvent]:
        """Events that the client sent, waiting up to so many seconds for the first.

        Raises:
            ClientGoneError: the client ended.
        """
        try:
            return [decode_event(line) for line in self._reader.read(seconds)]
        except EOFError:
            raise ClientGoneError(f"the load client ended with code {self._process.wait()}") from None

    def send(self, command: RunnerCommand) -> None:
        """Send a command to the client; if it is gone, `events` will say so."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._commands, encode(command))

    def stop(self) -> None:
        """End the client with all processes that it started; nothing that they still would do is wanted."""
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        os.close(self._commands)
        os.close(self._events)

    def tail(self) -> str:
        """The last 2000 bytes of what the client printed."""
        with contextlib.suppress(OSError), self._output.open("rb") as output:
            output.seek(max(0, self._output.stat().st_size - _TAIL_BYTES))
            return output.read().decode(errors="replace")
        return ""


def _client_environment(work_dir: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Temporary files and caches lie below the work folder: the rest of the file system may be read-only."""
    folders = {"TMPDIR": work_dir / "tmp", "XDG_CACHE_HOME": work_dir / "cache"}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    return dict(environment) | {name: str(folder) for name, folder in folders.items()} | {"PYTHONUNBUFFERED": "1"}
