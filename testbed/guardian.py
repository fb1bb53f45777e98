"""Waits for the supervisor's end, however it comes, then kills what is left of the testbed and removes its folder.

The supervisor holds the other end of this process's standard input and nobody else does: its end is an end of file.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys

from testbed import processes


def main() -> None:
    """Runs the guardian: arguments are the testbed's identity and its folder."""
    identity, folder = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1024):
        pass
    processes.kill_marked(processes.TESTBED, identity)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
