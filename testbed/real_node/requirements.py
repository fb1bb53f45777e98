"""What a machine must have for a real node."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from testbed.real_node.place import LONGEST_BASE, Place

# Program or file -> the package of Debian that has it; `make setup-system` installs those that are missing.
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "busybox": "busybox-static",
    "openssl": "openssl",
    "curl": "curl",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
_CONTROL_GROUPS = Path("/sys/fs/cgroup/memory/cgroup.clone_children")


def missing_packages() -> list[str]:
    """The packages of Debian that this machine lacks."""
    return sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})


def obstacle() -> str:
    """Why there can be no real node on this machine; empty if there can."""
    base = Place.of().base
    if os.geteuid() != 0:
        return "it needs root"
    if not _CONTROL_GROUPS.exists():
        return "it needs control groups of version 1"
    if shutil.which("go") is None:
        return "no go on PATH"
    if packages := missing_packages():
        return f"no {', '.join(packages)}; make setup-system installs what is missing"
    if len(str(base)) > LONGEST_BASE:
        return f"the path of {base} is too long for sockets"
    if subprocess.run(["unshare", "-n", "-m", "-p", "-u", "-i", "-f", "true"], capture_output=True).returncode:
        return "no right to make namespaces"
    return ""
