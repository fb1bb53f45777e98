"""Docker and Podman of this machine's packages, each for itself in a folder that goes with it.

Both run as root beside whatever runs here already: own sockets, storage and state, the host's network, no firewall
rules. They take the storage that works on every file system, and limits that a restricted root may set.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

# Program -> the package of Debian that has it; `make setup-system` installs those that are missing.
PACKAGES = {"dockerd": "docker.io", "podman": "podman", "runc": "runc", "busybox": "busybox-static"}
ENGINES = ("docker", "podman")
IMAGE = "localhost/autotuner-busybox:latest"
_START_SECONDS = 60.0
# Takes all memory, and ends in order when that is refused, as a front end does whose worker was killed.
_GREEDY = b"#!/bin/sh\ntail /dev/zero\nexit 0\n"
_LIMITS = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'


def missing_packages() -> list[str]:
    """The packages of Debian that this machine lacks."""
    return sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})


def obstacle() -> str:
    """Why neither can run on this machine; empty if they can."""
    if os.geteuid() != 0:
        return "it needs root"
    if packages := missing_packages():
        return f"no {', '.join(packages)}; make setup-system installs what is missing"
    if subprocess.run(["unshare", "-n", "-m", "-p", "-u", "-i", "-f", "true"], capture_output=True).returncode:
        return "no right to make namespaces"
    return ""


@contextlib.contextmanager
def running(name: str) -> Iterator[Path]:
    """One of ENGINES; yields its socket. Afterwards nothing of it is left.

    Raises:
        RuntimeError: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix=f"{name}-", ignore_cleanup_errors=True) as folder:
        base = Path(folder)
        socket, log = base / "api.sock", base / "log"
        command, environment = _docker(base, socket) if name == "docker" else _podman(base, socket)
        with log.open("wb") as file:
            daemon = subprocess.Popen(
                command, cwd=base, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        try:
            _await(daemon, socket, log)
            yield socket
        finally:
            daemon.terminate()
            daemon.wait(30)
            _unmount(base)


def _docker(base: Path, socket: Path) -> tuple[list[str], dict[str, str]]:
    command = [
        *("dockerd", "--data-root", f"{base}/data", "--exec-root", f"{base}/exec", "--pidfile", f"{base}/pid"),
        *("--iptables=false", "--bridge=none", "--storage-driver=vfs", "-H", f"unix://{socket}"),
        *("--default-ulimit", "nofile=1024:1024"),
    ]
    return command, {}


def _podman(base: Path, socket: Path) -> tuple[list[str], dict[str, str]]:
    limits = base / "containers.conf"
    limits.write_text(_LIMITS)
    command = [
        *("podman", "--root", f"{base}/root", "--runroot", f"{base}/run", "--storage-driver=vfs"),
        *("--runtime", "runc", "--cgroup-manager", "cgroupfs", "--tmpdir", f"{base}/tmp", "--log-level=warn"),
        *("system", "service", "--time=0", f"unix://{socket}"),
    ]
    return command, {"CONTAINERS_CONF": str(limits)}


def _await(daemon: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    patience = time.monotonic() + _START_SECONDS
    ping = ["curl", "--silent", "--fail", "--unix-socket", str(socket), "http://daemon/_ping"]
    while subprocess.run(ping, capture_output=True).returncode:
        if daemon.poll() is not None or time.monotonic() > patience:
            raise RuntimeError(f"it does not start; its last words: {log.read_text()[-2000:]}")
        time.sleep(0.1)


def _unmount(base: Path) -> None:
    """What containers of a daemon that was killed have left mounted."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in sorted((one for one in mounted if one.startswith(f"{base}/")), key=len, reverse=True):
        subprocess.run(["umount", "--lazy", place], capture_output=True)


def busybox_archive() -> bytes:
    """The root folder of an image that has a shell and little else."""
    whole = io.BytesIO()
    program = Path(shutil.which("busybox") or "/bin/busybox").read_bytes()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for folder in ("bin", "tmp", "etc", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(program), 0o755
        archive.addfile(entry, io.BytesIO(program))
        entry = tarfile.TarInfo("bin/greedy")
        entry.size, entry.mode = len(_GREEDY), 0o755
        archive.addfile(entry, io.BytesIO(_GREEDY))
        for name in ("sh", "grep", "readlink", "sleep", "echo", "cat", "head", "tail", "true", "seq", "kill"):
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
    return whole.getvalue()


def add_image(socket: Path, name: str = IMAGE, changes: tuple[str, ...] = ()) -> None:
    """Make an image of busybox.

    Args:
        socket: of the container engine.
        name: with the tag latest, the only one that Podman gives an import.
        changes: lines of a Dockerfile, such as ENTRYPOINT.
    """
    repository, _, tag = name.rpartition(":")
    query = urllib.parse.urlencode(
        [("fromSrc", "-"), ("repo", repository), ("tag", tag), *(("changes", c) for c in changes)]
    )
    command = [
        *("curl", "--silent", "--show-error", "--fail-with-body", "--unix-socket", str(socket), "--data-binary", "@-"),
        *("-H", "Content-Type: application/x-tar", f"http://daemon/v1.41/images/create?{query}"),
    ]
    subprocess.run(command, input=busybox_archive(), check=True, capture_output=True)
