"""A real Kubernetes node on this machine: kubelet, containerd and a control plane in namespaces of their own."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from testbed.controlplane import free_port
from testbed.gomodule import cache_folder

ROOT = Path(__file__).parents[2]
TOOLS = ROOT.parent / "shared" / "real-node"
_CGROUPS = Path("/sys/fs/cgroup/memory/cgroup.clone_children")
_PROGRAMS = ("go", "python3", "kubectl", "curl", "unshare", "nsenter")
_LONGEST_BASE = 60  # sockets are below it


def absence() -> str:
    """Why there can be no real node on this machine; empty if there can."""
    if not (TOOLS / "up").exists():
        return f"no {os.path.relpath(TOOLS, ROOT)}"
    if os.geteuid() != 0:
        return "it needs root"
    if not _CGROUPS.exists():
        return "it needs control groups of version 1"
    if missing := [name for name in _PROGRAMS if shutil.which(name) is None]:
        return f"no {', '.join(missing)} on PATH"
    if len(str(base_folder())) > _LONGEST_BASE:
        return f"the path of {base_folder()} is too long for sockets"
    if subprocess.run(["unshare", "-n", "-m", "-p", "-u", "-i", "-f", "true"], capture_output=True).returncode:
        return "no right to make namespaces"
    return ""


def base_folder() -> Path:
    """Where everything of the node is; programs and images in it outlive the node. Its name is that of its cgroups."""
    return cache_folder() / "real-node"


class RealNodeError(Exception):
    """The node did not start; the message has the end of what it said."""


class RealNode:
    """A running node. Ends with `stop`, with the `with` block, or with this process, however that ends."""

    def __init__(self, base: Path, environment: dict[str, str], guardian: subprocess.Popen[bytes]) -> None:
        self._environment, self._guardian = environment, guardian
        self.images = base / "img"
        self.kubeconfig = base / "run" / "kubeconfig"
        self._socket = base / "run" / "containerd.sock"

    @classmethod
    def start(cls) -> Self:
        """Starts it: some 20 seconds, but many minutes where its programs are not built yet.

        Waits for another process's node to end: there is one at a time.

        Raises:
            RealNodeError: it did not start.
        """
        base = base_folder()
        base.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "BASE": str(base), "PORT": str(free_port())}
        node = cls(base, environment, _guard(base, environment))
        log = base / "up.log"
        print("starting a real node; the first time, its programs are built, which takes minutes", file=sys.stderr)
        with log.open("wb") as output:
            ended = subprocess.run([TOOLS / "up"], env=environment, stdout=output, stderr=output, check=False)
        if ended.returncode != 0:
            node.stop()
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
            raise RealNodeError(f"no real node:\n{tail}")
        return node

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends everything of it; its programs and images stay for the next time."""
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()
        self._guardian.wait()

    def enter(self, *words: str | Path) -> str:
        """What a program says that runs in the node's namespaces.

        Raises:
            RealNodeError: it failed.
        """
        ended = subprocess.run([TOOLS / "enter", *words], env=self._environment, capture_output=True, text=True)
        if ended.returncode != 0:
            raise RealNodeError(f"{' '.join(map(str, words))}: {ended.stderr.strip()}")
        return ended.stdout

    def containerd(self, *words: str | Path) -> str:
        """What containerd's own client says."""
        return self.enter("ctr", "-a", self._socket, "-n", "k8s.io", *words)

    def load(self, image: Path) -> None:
        """Gives the node an image, a file that `make_image` wrote."""
        self.containerd("images", "import", image)

    def make_image(self, kind: str, file: Path, name: str, *words: str | Path) -> None:
        """Makes an image without a registry; see the node's tool `image`.

        Raises:
            RealNodeError: it could not be made.
        """
        command = [TOOLS / "image", kind, file, name, *words]
        ended = subprocess.run(command, env=self._environment, capture_output=True, text=True, cwd=ROOT)
        if ended.returncode != 0:
            raise RealNodeError(f"image {name}: {ended.stderr.strip()}")

    def freeze(self, container_id: str) -> None:
        """Stops a container's process as it stands: from now on it does nothing, not even upon SIGTERM."""
        tasks = [line.split() for line in self.containerd("tasks", "list").splitlines()]
        (pid,) = [task[1] for task in tasks if task[0] == container_id.removeprefix("containerd://")]
        self.enter("kill", "-STOP", pid)


def _guard(base: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A process that takes the node down when its standard input ends, with us or before; it holds the lock."""
    with (base / "lock").open("w") as lock:
        _wait_for(lock)
        return subprocess.Popen(
            ["/bin/sh", "-c", f"cat >/dev/null; exec '{TOOLS / 'down'}'"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=environment,
            pass_fds=(lock.fileno(),),
            start_new_session=True,
        )


def _wait_for(lock: IO[str]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("waiting for another real node of this machine to end", file=sys.stderr)
        fcntl.flock(lock, fcntl.LOCK_EX)
