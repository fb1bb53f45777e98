"""Runs the test steps one after the other and adds them up; the last line says how many passed and failed.

`python -m tests.suite [STEP ...]`: all steps, or those named. A test that is skipped counts as failed: what a test
needs is installed or its absence is an error. Only a real node cannot be had everywhere: without one the stories on it
are not run, and the sum says so. They use the cluster that KUBECONFIG names only if their step is named.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.realnode.cluster import obstacle

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "lint": (["ruff", "check", "."], ["ruff", "format", "--check", "--quiet", "."], ["tests.house"]),
    "types": (
        ["mypy"],
        ["mypy", "-p", "testbed", "-p", "tests.support", "-m", "tests.suite"],
        ["mypy", "-p", "tests.tools", "-p", "tests.realnode"],
        ["mypy", "-p", "tests.house", "-m", "tests.benchmarks.against", "-m", "tests.benchmarks.checkout"],
        ["mypy", "packaging/generate.py", "packaging/engine_flags.py"],
        ["mypy", "-p", "gitops", "-p", "monitoring"],
    ),
}
# Cluster and end-to-end tests mostly wait: two at a time, each worker with a testbed of its own. A file of cluster
# tests may have another testbed for itself, so it stays with one worker; stories are long, so who is done takes over.
# Those that compare times with a model are marked `alone` and have the machine to themselves.
SECOND_ATTEMPTS = 3
SUITES = {
    "unit": ("tests/unit",),
    "cluster": ("tests/cluster", "-n2", "--dist=loadfile"),
    "e2e": ("tests/e2e", "-m", "not alone", "-n2", "--dist=worksteal"),
    "alone": ("tests/e2e", "-m", "alone"),
    "realnode": ("tests/realnode",),
}


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


def run_pytest(name: str, environment: dict[str, str]) -> Count:
    """One check a test; a run that breaks off or finds no test is one more failure.

    Where real processes share a busy machine, a few failed tests get a second attempt by themselves, and the output
    says so: what fails twice is broken.
    """
    count, failed = attempt(SUITES[name], environment)
    if name != "unit" and failed and len(failed) == count.failed <= SECOND_ATTEMPTS:
        print(f"== {name}, second attempt at: {' '.join(failed)}", flush=True)
        again, _ = attempt(failed, environment)
        return Count(count.passed + again.passed, again.failed)
    return count


def attempt(words: Sequence[str], environment: dict[str, str]) -> tuple[Count, list[str]]:
    """Run pytest once; returns what came of it and the ids of the tests that failed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = [f"--junitxml={report}", "-o", "junit_family=xunit1", "-ra", "--durations=5"]
        code = subprocess.run([sys.executable, "-m", "pytest", *words, *options], cwd=ROOT, env=environment).returncode
        if not report.exists():
            return Count(0, 1), []
        root = ElementTree.parse(report).getroot()
    count = tally(root)
    broken = code not in (0, 1) or (code == 1 and count.failed == 0) or count.passed + count.failed == 0
    return (count + Count(0, 1) if broken else count), failures(root)


def failures(report: ElementTree.Element) -> list[str]:
    """The ids of the tests that failed, as pytest takes them."""
    bad = [
        case for case in report.iter("testcase") if case.find("failure") is not None or case.find("error") is not None
    ]
    return list(dict.fromkeys(_identity(case) for case in bad))


def _identity(case: ElementTree.Element) -> str:
    file, name = case.get("file", ""), case.get("name", "")
    inside = case.get("classname", "").removeprefix(file.removesuffix(".py").replace("/", ".")).strip(".")
    return "::".join([file, *([inside.replace(".", "::")] if inside else []), name])


def surroundings(name: str, *, chosen: bool) -> dict[str, str]:
    """The environment of a step: nobody's cluster gets an operator because its KUBECONFIG happens to be set."""
    spared = "KUBECONFIG" if name == "realnode" and not chosen else ""
    return {key: value for key, value in os.environ.items() if key != spared}


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
        environment = surroundings(name, chosen=bool(names))
        if name == "realnode" and (why := obstacle(environment)):
            lines.append(f"{name:<8} not run: no real node here, {why}")
            continue
        begun = time.monotonic()
        count = run_commands(name) if name in COMMANDS else run_pytest(name, environment)
        total += count
        lines.append(f"{name:<8} {count.passed:>5} passed {count.failed:>3} failed {time.monotonic() - begun:6.0f} s")
    print("\n".join(["", *lines, f"{total.passed} passed, {total.failed} failed"]), flush=True)
    return 0 if total.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
