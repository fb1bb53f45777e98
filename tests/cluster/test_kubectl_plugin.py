"""The command line as a plugin of kubectl."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

from tests.tools import tool

ROOT = Path(__file__).parents[2]


def autotuner(*arguments: str) -> str:
    """Runs `kubectl autotuner` where the installed programs are on PATH; returns what it printed."""
    environment = {**os.environ, "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"}
    words = [tool("kubectl"), "autotuner", *arguments]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


def test_kubectl_runs_the_command_line() -> None:
    assert "TuningTask quickstart: valid" in autotuner("validate", "examples/quickstart.yaml")


def test_help_names_kubectl() -> None:
    assert autotuner("validate", "--help").startswith("Usage: kubectl autotuner validate ")
