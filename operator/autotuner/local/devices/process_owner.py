"""Whose process it is that uses an accelerator."""

from __future__ import annotations

import pwd
from pathlib import Path

from autotuner.local.devices.found import User

_LONGEST_COMMAND = 80


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
