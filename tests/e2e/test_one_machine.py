"""`autotuner run`: the same file without a cluster, through a kill of the program, to the answer."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotuner.cli.run import EXAMPLES
from testbed import processes
from testbed.operator_process import ROOT
from tests.support.objects import edited
from tests.support.waiting import wait_for


def task(folder: Path, **edits: Any) -> Path:
    """A first task that is over soon."""
    body = edited(
        yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text()),
        {
            "spec.search.maxExperiments": 1,
            "spec.search.confirm.maxRepeats": 0,
            "spec.benchmark.concurrency": [2],
            "spec.benchmark.maxRequestsPerLevel": 10,
            "spec.slos": [{"metric": "ErrorRate", "max": "1%"}],
            **edits,
        },
    )
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump(body))
    return path


def start(folder: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "autotuner", "run", "task.yaml"]
    return subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def experiments(folder: Path) -> dict[str, Any]:
    found = (folder / "quickstart.autotuner" / "objects" / "tuningexperiments").glob("*.yaml")
    return {path.stem: yaml.safe_load(path.read_text()) for path in found}


async def until_phase(folder: Path, phase: str) -> None:
    async def look() -> bool | None:
        return any((one.get("status") or {}).get("phase") == phase for one in experiments(folder).values()) or None

    await wait_for(look, f"an experiment is {phase}")


def left(folder: Path) -> list[str]:
    run = (folder / "quickstart.autotuner" / "identity").read_text()
    return [one.command for one in processes.marked("AUTOTUNER_RUN", run)]


async def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    task(tmp_path)
    first = start(tmp_path)
    await until_phase(tmp_path, "Benchmarking")
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()

    printed, _ = start(tmp_path).communicate(timeout=120)

    assert "Best: quickstart-" in printed, printed
    found = experiments(tmp_path)
    assert sorted(found) == ["default.quickstart-0", "default.quickstart-1"], "none is measured twice"
    assert {one["status"]["reason"] for one in found.values()} == {"Completed"}
    assert (tmp_path / "quickstart.autotuner" / "answer" / "report.md").exists()
    assert left(tmp_path) == []


@pytest.mark.full
async def test_an_interrupt_releases_what_runs(tmp_path: Path) -> None:
    task(tmp_path)
    run = start(tmp_path)
    await until_phase(tmp_path, "Benchmarking")
    run.send_signal(signal.SIGINT)

    printed, _ = run.communicate(timeout=60)

    assert run.returncode == 130, printed
    assert "the same command goes on" in printed.lower()
    assert left(tmp_path) == []


def test_a_second_run_is_told_who_has_the_folder(tmp_path: Path) -> None:
    task(tmp_path)
    folder = tmp_path / "quickstart.autotuner"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = start(tmp_path)
        printed, _ = run.communicate(timeout=60)

    assert run.returncode == 2
    assert f"process 4711 runs in {folder}" in printed


@pytest.mark.full
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_its_help_work(tmp_path: Path, example: str) -> None:
    task(tmp_path)
    help_text = subprocess.run([sys.executable, "-m", "autotuner", "run", "-h"], capture_output=True, text=True).stdout
    assert f"autotuner {example}\n" in help_text

    words = [sys.executable, "-m", "autotuner", *example.split()]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=200)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
