"""What the flags of all known releases cost the operator: `python -m tests.benchmarks.flag_tables`.

In a process of its own, the median of seven: how much resident memory and processor time it takes to read the tables of
every engine and to make each release. Exit code 1 beyond the limits.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

MEGABYTES, MILLISECONDS, ROUNDS = 15.0, 100.0, 7

PROGRAM = """
import time
from pathlib import Path
from typing import get_args
from autotuner import engines
from autotuner.api.common import EngineName
resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
memory, begun = resident(), time.process_time()
known = [engines.get(name).at(one.version) for name in get_args(EngineName) for one in engines.get(name).tables]
flags = sum(len(engine.table.names) for engine in known)
[engine.canonical("tp") for engine in known]
seconds = time.process_time() - begun
print(len(known), flags, 1e3 * seconds, resident() - memory)
"""


def main() -> int:
    """Measure and print; 1 if a limit is not kept."""
    command = [sys.executable, "-c", PROGRAM]
    ended = [subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True) for _ in range(ROUNDS)]
    rows = [one.stdout.split() for one in ended]
    milliseconds = statistics.median(float(row[2]) for row in rows)
    megabytes = statistics.median(float(row[3]) for row in rows)
    print(f"{rows[0][0]} releases, {rows[0][1]} flags: {milliseconds:.0f} ms, {megabytes:.1f} MB")
    return 0 if milliseconds < MILLISECONDS and megabytes < MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main())
