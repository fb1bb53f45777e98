"""One run of a container: a process group of this machine, its log and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from autotuner.local.container_record import ContainerRecord
from testbed import processes


def now() -> str:
    """Returns the time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Run:
    """A started process. Its end is an event (a pidfd), not a poll; what it leaves behind is killed with it."""

    def __init__(
        self, words: Sequence[str], variables: Mapping[str, str], folder: Path, log: Path, marker: str
    ) -> None:
        """Starts the process.

        Raises:
            OSError: the program does not exist or cannot be executed.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                words,
                env={**variables, processes.CONTAINER: marker},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.started_at = now()
        self._marker = marker
        loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[int] = loop.create_future()
        self._descriptor = os.pidfd_open(self._process.pid)
        loop.add_reader(self._descriptor, self._ended)

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        code = self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        processes.kill_marked(processes.CONTAINER, self._marker)
        self._exit.set_result(code if code >= 0 else 128 - code)

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return not self._exit.done()

    @property
    def pid(self) -> int:
        """The main process's id."""
        return self._process.pid

    async def wait(self) -> int:
        """Returns the exit code, 128 + signal for a death by a signal."""
        return await asyncio.shield(self._exit)

    def send(self, number: signal.Signals) -> None:
        """Signals the main process, as container runtimes do."""
        if self.alive:
            processes.kill(self._process.pid, number)

    async def stop(self, grace: float) -> int:
        """Asks it to end, kills it after `grace` seconds; returns the exit code."""
        self.send(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.wait(), grace)
        except TimeoutError:
            self.send(signal.SIGKILL)
            return await self.wait()


@dataclass
class Container(ContainerRecord):
    """A container of a node's process: its runs, their logs."""

    logs: Path = Path()
    out_of_memory: bool = False
    run: Run | None = None

    @property
    def log(self) -> Path:
        """The log of the present run."""
        return self.logs / f"{self.restarts}.log"

    def begin_run(self, run: Run) -> None:
        """Enters the state running."""
        self.run, self.out_of_memory = run, False
        self.begin(run.started_at)
