"""`python -m autotuner.benchmark.runner`: one benchmark, from an engine that still starts to a result of 4 KiB."""

from __future__ import annotations

import os
import sys

from autotuner.benchmark.runner.container import run_benchmark

if __name__ == "__main__":
    sys.exit(run_benchmark(os.environ))
