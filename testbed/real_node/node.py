"""A handle on a real node of this machine: starts it, gives it images, ends it."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from testbed.controlplane import free_port
from testbed.real_node.namespaces import inside
from testbed.real_node.place import Place
from testbed.real_node.up import Start, StartError

_ROOT = Path(__file__).parents[2]


class RealNode:
    """A running node. Ends with `stop`, with the `with` block, or with this process, however that ends."""

    def __init__(self, place: Place, guardian: subprocess.Popen[bytes]) -> None:
        self._place, self._guardian = place, guardian

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, for use on this machine."""
        return self._place.kubeconfig

    @classmethod
    def start(cls) -> Self:
        """Start it: some 20 seconds, but many minutes where its programs are not built yet.

        Waits for another process's node to end: there is one at a time.

        Raises:
            SetupError: a program cannot be built.
            StartError: it did not start.
        """
        place = dataclasses.replace(Place.of(), port=free_port())
        place.base.mkdir(parents=True, exist_ok=True)
        node = cls(place, _guard(place))
        try:
            Start(place).run()
        except BaseException:
            node.stop()
            raise
        return node

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End everything of it; its programs and images stay for the next time."""
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()
        self._guardian.wait()

    def enter(self, *words: str | Path) -> str:
        """Returns what a program prints that runs in the node's namespaces.

        Raises:
            StartError: it failed.
        """
        ended = subprocess.run(inside(self._place, *words), capture_output=True, text=True)
        if ended.returncode != 0:
            raise StartError(f"{' '.join(map(str, words))}: {ended.stderr.strip()}")
        return ended.stdout

    def containerd(self, *words: str | Path) -> str:
        """Returns what containerd's own client prints."""
        return self.enter("ctr", "-a", self._place.socket, "-n", "k8s.io", *words)

    def load(self, image: Path) -> None:
        """Give the node an image, a file that `oci.save` wrote."""
        self.containerd("images", "import", image)

    def freeze(self, container_id: str) -> None:
        """Stop a container's process as it stands: from now on it does nothing, not even upon SIGTERM."""
        tasks = [line.split() for line in self.containerd("tasks", "list").splitlines()]
        (pid,) = [task[1] for task in tasks if task[0] == container_id.removeprefix("containerd://")]
        self.enter("kill", "-STOP", pid)


def _guard(place: Place) -> subprocess.Popen[bytes]:
    """A process that takes the node down when its standard input ends, with us or before; it holds the lock."""
    with (place.base / "lock").open("w") as lock:
        _wait_for(lock)
        return subprocess.Popen(
            ["/bin/sh", "-c", 'cat >/dev/null; exec "$0" -m testbed.real_node down', sys.executable],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **place.environment},
            cwd=_ROOT,
            pass_fds=(lock.fileno(),),
            start_new_session=True,
        )


def _wait_for(lock: IO[str]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("waiting for another real node of this machine to end", file=sys.stderr)
        fcntl.flock(lock, fcntl.LOCK_EX)
