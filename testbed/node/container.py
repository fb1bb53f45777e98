"""One run of a container: a process group of this machine, its log and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from autotuner.kubernetes_object import Object
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
class Container:
    """What a node knows about one container of a pod over all its runs."""

    spec: Object
    init: bool
    marker: str
    logs: Path
    state: Object = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Object = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    started: bool = False
    image_id: str = ""
    out_of_memory: bool = False
    run: Run | None = None

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.spec["name"])

    @property
    def log(self) -> Path:
        """The log of the present run."""
        return self.logs / f"{self.restarts}.log"

    @property
    def exit_code(self) -> int | None:
        """The code of a container that is terminated now."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    def wait_for(self, reason: str, message: str = "") -> None:
        """Enters the state waiting; a run that ended becomes the last state."""
        if "terminated" in self.state:
            self.last = self.state
        self.state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}

    def begin(self, run: Run) -> None:
        """Enters the state running."""
        if "terminated" in self.state:
            self.last = self.state
        self.run, self.out_of_memory = run, False
        self.state = {"running": {"startedAt": run.started_at}}

    def end(self, exit_code: int, reason: str, message: str) -> None:
        """Enters the state terminated."""
        self.ready = self.started = False
        started = self.state.get("running", {}).get("startedAt", "1970-01-01T00:00:00Z")
        ended = {"exitCode": exit_code, "reason": reason, "startedAt": started, "finishedAt": now()}
        if self.run is not None:
            ended["containerID"] = f"local://{self.marker}-{self.restarts}"
        self.state = {"terminated": {**ended, **({"message": message} if message else {})}}

    def status(self) -> Object:
        """Returns the entry of containerStatuses."""
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": self.image_id,
            "containerID": "" if self.run is None else f"local://{self.marker}-{self.restarts}",
            "restartCount": self.restarts,
            "ready": self.exit_code == 0 if self.init else self.ready,
            "started": self.started,
            "state": self.state,
            "lastState": self.last,
        }
