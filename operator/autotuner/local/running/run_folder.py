"""The folder of a run: who owns it, and where everything lies in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".autotuner"
_PATIENCE_SECONDS = 0.5


class FolderInUseError(Exception):
    """Another process runs in this folder; the text names it."""


class RunFolder:
    """`NAME.autotuner/`: everything that a run knows and leaves.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def objects(self) -> Path:
        """The API's objects."""
        return self.path / "objects"

    @property
    def logs(self) -> Path:
        """What engines and benchmarks printed."""
        return self.path / "logs"

    @property
    def answer(self) -> Path:
        """What the task recommends."""
        return self.path / "answer"

    @property
    def pods(self) -> Path:
        """What pods need while they run."""
        return self.path / "pods"

    @property
    def processes(self) -> Path:
        """What is known of processes."""
        return self.path / "processes"

    @property
    def lock(self) -> Path:
        """The file that is locked."""
        return self.path / "lock"

    @property
    def identity(self) -> str:
        """Of the runs in this folder; what they start bears it."""
        file = self.path / "identity"
        if not file.exists():
            rough = file.with_suffix(".new")
            rough.write_text(uuid.uuid4().hex)
            rough.replace(file)
        return file.read_text()

    @contextlib.contextmanager
    def owned(self) -> Iterator[None]:
        """Own the folder, which is made if it is missing.

        Raises:
            FolderInUseError: somebody else does.
            OSError: it cannot be made or written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with self.lock.open("a+") as file:
            until = time.monotonic() + _PATIENCE_SECONDS  # a keeper may look for a moment
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise FolderInUseError(self._words()) from None
                    time.sleep(0.05)
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _words(self) -> str:
        pid = self.lock.read_text().strip() or "of another user"
        return f"process {pid} runs in {self.path}; wait for it, or end it with: kill -INT {pid}"
