"""Installs the system packages that tests need: `python -m testbed.system`, as root on Debian or Ubuntu.

Starts no service of theirs. Where everything is there already it does nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from testbed import container_engines
from testbed.real_node import requirements

BROWSER = "chromium"  # program and package of Debian
_POLICY = Path("/usr/sbin/policy-rc.d")
_LOG_LINES = 20


def main() -> int:
    """Install what is missing; returns the exit status."""
    browser = [] if shutil.which(BROWSER) else [BROWSER]
    missing = sorted({*requirements.missing_packages(), *container_engines.missing_packages(), *browser})
    if not missing:
        print("the system has every package that tests need")
        return 0
    if why := _obstacle():
        print(f"{', '.join(missing)}: not installed, {why}", file=sys.stderr)
        return 1
    print(f"installing {', '.join(missing)}", flush=True)
    with _no_services():
        for words in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            ended = subprocess.run(
                ["apt-get", "--quiet", *words],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            if ended.returncode != 0:
                tail = [*ended.stdout.splitlines(), *ended.stderr.splitlines()][-_LOG_LINES:]
                print(f"apt-get {words[0]} failed:", *tail, sep="\n", file=sys.stderr)
                return 1
    return 0


def _obstacle() -> str:
    if shutil.which("apt-get") is None:
        return "this system has no apt-get; install them by its own means"
    return "" if os.geteuid() == 0 else "it needs root"


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Debian starts what it installs, unless this file forbids it."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


if __name__ == "__main__":
    sys.exit(main())
