"""Whose process it is that uses an accelerator."""

from __future__ import annotations

import contextlib
import pwd
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autotuner.local.devices.found import User

_LONGEST_COMMAND = 80


@dataclass(frozen=True)
class Whose:
    """Tells whose a process is.

    Attributes:
        owner: of a process, by its id and the memory that it uses.
        own: whether a process belongs to the run that asks.
    """

    owner: Callable[[int, int], User]
    own: Callable[[int], bool]


def look(pid: int, used_bytes: int = 0, processes: Path = Path("/proc")) -> User:
    """A process with its owner and command line, as far as this user may see them."""
    place = processes / str(pid)
    try:
        user = place.stat().st_uid
        command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return User(pid, used_bytes=used_bytes)
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = f"user {user}"
    if len(command) > _LONGEST_COMMAND:
        command = f"{command[:_LONGEST_COMMAND]}..."
    return User(pid, name, command, used_bytes)


def of_run(pid: int, variable: str, containers: Sequence[str], processes: Path = Path("/proc")) -> bool:
    """Whether a process belongs to a run.

    Args:
        pid: of the process.
        variable: of the environment that all processes of the run bear, as NAME=VALUE.
        containers: ids of the run's.
        processes: where the kernel tells of them.
    """
    place = processes / str(pid)
    with contextlib.suppress(OSError):
        if variable.encode() in (place / "environ").read_bytes().split(b"\0"):
            return True
    with contextlib.suppress(OSError):
        groups = (place / "cgroup").read_text()
        return any(container in groups for container in containers)
    return False


ANYBODY = Whose(look, lambda _: False)
