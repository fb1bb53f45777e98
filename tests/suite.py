"""Runs the test steps one after the other and adds them up; the last line says how many passed and failed.

`python -m tests.suite [STEP ...]`: all steps, or those named. A test that is skipped counts as failed: what a test
needs is installed or its absence is an error.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "lint": (["ruff", "check", "."], ["ruff", "format", "--check", "--quiet", "."]),
    "types": (
        ["mypy"],
        ["mypy", "-p", "tests.testbed", "-p", "tests.support", "-p", "tests.demo", "-m", "tests.suite"],
        ["mypy", "-p", "tests.tools"],
        ["mypy", "packaging/generate.py"],
        ["mypy", "-p", "gitops", "-p", "monitoring"],
    ),
}
SUITES = {"unit": "tests/unit", "cluster": "tests/cluster", "e2e": "tests/e2e"}


@dataclass(frozen=True)
class Count:
    """How many checks passed and failed."""

    passed: int
    failed: int

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed)


def run_commands(name: str) -> Count:
    """One check a command."""
    codes = [subprocess.run([sys.executable, "-m", *words], cwd=ROOT).returncode for words in COMMANDS[name]]
    return Count(codes.count(0), len(codes) - codes.count(0))


def run_pytest(name: str) -> Count:
    """One check a test; a run that breaks off or finds no test is one more failure."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        words = [sys.executable, "-m", "pytest", SUITES[name], f"--junitxml={report}", "-ra", "--durations=5"]
        code = subprocess.run(words, cwd=ROOT).returncode
        if not report.exists():
            return Count(0, 1)
        count = tally(ElementTree.parse(report).getroot())
    broken = code not in (0, 1) or (code == 1 and count.failed == 0) or count.passed + count.failed == 0
    return count + Count(0, 1) if broken else count


def tally(report: ElementTree.Element) -> Count:
    """The tests of a JUnit report."""
    suites = list(report.iter("testsuite"))
    total = sum(int(suite.get("tests", 0)) for suite in suites)
    bad = sum(int(suite.get(kind, 0)) for suite in suites for kind in ("failures", "errors", "skipped"))
    return Count(max(0, total - bad), bad)


def main(names: list[str]) -> int:
    """Run the steps; returns 0 if nothing failed."""
    steps = names or [*COMMANDS, *SUITES]
    unknown = [name for name in steps if name not in COMMANDS and name not in SUITES]
    if unknown:
        print(f"no step {unknown[0]}; there are {', '.join([*COMMANDS, *SUITES])}", file=sys.stderr)
        return 2
    total, lines = Count(0, 0), []
    for name in steps:
        print(f"== {name}", flush=True)
        begun = time.monotonic()
        count = run_commands(name) if name in COMMANDS else run_pytest(name)
        total += count
        lines.append(f"{name:<8} {count.passed:>5} passed {count.failed:>3} failed {time.monotonic() - begun:6.0f} s")
    print("\n".join(["", *lines, f"{total.passed} passed, {total.failed} failed"]), flush=True)
    return 0 if total.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
