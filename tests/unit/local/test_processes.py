"""Processes with their keepers: ends as they are told, also to who did not start them, and nothing left."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from autotuner.local.processes import Processes
from autotuner.local.workload import StartError, State, Workload
from tests.support.waiting import wait_for


def processes(folder: Path) -> Processes:
    return Processes(folder / "processes", folder / "logs", folder / "lock")


async def ended(host: Processes, uid: str) -> State:
    async def look() -> State | None:
        state = await host.state(uid)
        return state if state.phase == "Ended" else None

    return await wait_for(look, "the process has ended")


def work(folder: Path, code: str) -> Workload:
    command = [sys.executable, "-c", code]
    return Workload("uid", str(folder), "name", command=command, env=dict(os.environ))


async def test_an_end_is_told_to_whoever_asks(tmp_path: Path) -> None:
    await processes(tmp_path).start(work(tmp_path, "print('words', flush=True); raise SystemExit(3)"))
    another = processes(tmp_path)

    state = await ended(another, "uid")

    assert (state.exit_code, state.out_of_memory) == (3, False)
    assert await another.log("uid", 100) == b"words\n"
    assert list(await another.mine(str(tmp_path))) == ["uid"]
    await another.stop("uid", 0)
    assert (await another.state("uid")).phase == "Absent"
    assert not await another.mine(str(tmp_path))


async def test_a_missing_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match='exec: "/no/such": No such file'):
        await processes(tmp_path).start(Workload("uid", str(tmp_path), "name", command=["/no/such"]))


async def test_nothing_is_left_of_what_ignores_signals_and_parts_from_its_parent(tmp_path: Path) -> None:
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0: os.setsid()\n"
        "time.sleep(600)"
    )
    host = processes(tmp_path)
    await host.start(work(tmp_path, code))
    await host.start(work(tmp_path, code))  # which changes nothing: it runs

    await host.stop("uid", 0.1)

    assert not await host.mine(str(tmp_path))
