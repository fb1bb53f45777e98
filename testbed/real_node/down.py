"""Stops the node and removes what it kept; its programs and images stay for the next one."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from testbed.real_node.namespaces import end
from testbed.real_node.place import Place

_HIERARCHIES = Path("/sys/fs/cgroup")
_GROUPS_SECONDS = 30


class LeftoverError(Exception):
    """Something of the node would not go; the message names it."""


def down(place: Place) -> None:
    """Stop the node, whatever of it is there.

    Raises:
        LeftoverError: control groups or mounts are left; nothing was removed then.
        TimeoutError: a process does not end.
    """
    end(place.run / "relay.pid", "relay")
    end(place.run / "node.pid", "pause")  # process 1 of the node: the kernel ends all others in it
    end(place.run / "unshare.pid", "unshare")
    _remove_control_groups(place.control_group)
    if f" {place.run}/" in Path("/proc/self/mountinfo").read_text():
        raise LeftoverError(f"mounts are left below {place.run}")
    shutil.rmtree(place.run, ignore_errors=True)


def _remove_control_groups(name: str) -> None:
    """Remove the node's folder of every hierarchy: the last processes end a moment after the first, zombies later."""
    deadline = time.monotonic() + _GROUPS_SECONDS
    while left := [folder for folder in _HIERARCHIES.glob(f"*/{name}") if not _removed(folder)]:
        if time.monotonic() > deadline:
            raise LeftoverError(f"control groups are left: {', '.join(map(str, left))}")
        time.sleep(0.1)


def _removed(folder: Path) -> bool:
    """Remove a control group after those in it; their files go with them."""
    try:
        emptied = [_removed(path) for path in folder.iterdir() if path.is_dir()]
        if all(emptied):
            folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return not folder.exists()
