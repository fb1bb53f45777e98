"""The cluster tests and one whole task on each Kubernetes that the testbed can start: `python -m tests.matrix`.

`python -m tests.matrix [MINOR ...]` runs those versions alone. A control plane is built once, which takes ten minutes
on two cores. Prints a table; the last line says how many tests passed and failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from testbed.gomodule import SetupError
from testbed.kubernetes import VARIABLE, VERSIONS, build
from tests.suite import ROOT, Count, attempt

TESTS = ("tests/cluster", "-n2", "--dist=loadfile")
STORY = ("tests/e2e/test_story_task.py::test_a_task_from_apply_to_answer",)


def measured(minor: str) -> Count:
    """Runs everything on one version."""
    environment = {**os.environ, VARIABLE: minor}
    total = Count(0, 0)
    for words in (TESTS, STORY):
        count, failed = attempt(words, environment)
        for name in failed:
            print(f"{minor}: failed: {name}", file=sys.stderr)
        total += count
    return total


def table(found: Sequence[tuple[str, Count]]) -> str:
    """A line for each version, what was not run and why, and the sum."""
    lines = ["", "Kubernetes  passed  failed  not run"]
    for number, count in found:
        lines.append(f"{number:<10}{count.passed:>8}{count.failed:>8}{count.not_run.total():>9}")
        lines += [f"{'':<12}{many} not run: {reason}" for reason, many in sorted(count.not_run.items())]
    total = sum((count for _, count in found), Count(0, 0))
    return "\n".join([*lines, f"{total.passed} passed, {total.failed} failed"])


def main(minors: Sequence[str]) -> int:
    """Builds and runs; returns 0 if nothing failed."""
    wanted = [version for version in VERSIONS if not minors or version.minor in minors]
    if unknown := set(minors) - {version.minor for version in VERSIONS}:
        print(f"no version {min(unknown)}; there are {', '.join(v.minor for v in VERSIONS)}", file=sys.stderr)
        return 2
    found: list[tuple[str, Count]] = []
    subprocess.run([sys.executable, "-m", "tests.build", "tools"], cwd=ROOT, check=True)
    for version in sorted(wanted, key=lambda version: version.minor):
        print(f"== Kubernetes {version.number}", flush=True)
        try:
            build("controlplane", version)
        except SetupError as problem:
            print(problem, file=sys.stderr)
            found.append((version.number, Count(0, 1)))
            continue
        found.append((version.number, measured(version.minor)))
    print(table(found), flush=True)
    return 0 if all(count.failed == 0 for _, count in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
