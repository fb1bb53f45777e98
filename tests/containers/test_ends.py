"""How a container's end is told, by Docker and Podman alike."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from autotuner.local.containers.host import Containers
from autotuner.local.workload import StartError, State, Workload
from testbed.container_engines import IMAGE

_LIMIT = 16 * 1024**2
_EAT = "tail /dev/zero"  # keeps the whole line, which never ends


def _silent(_: str) -> None:
    pass


def workload(run: str, script: str, **more: object) -> Workload:
    made = Workload(f"uid-{run}", run, "chat-1-engine", image=IMAGE, command=("/bin/sh", "-c", script))
    return replace(made, **more)  # type: ignore[arg-type]  # fields of the class


async def ended(host: Containers, uid: str, seconds: float = 20) -> State:
    deadline = time.monotonic() + seconds
    while (state := await host.state(uid)).phase != "Ended":
        assert time.monotonic() < deadline, state
        await asyncio.sleep(0.1)
    return state


async def _run(host: Containers, one: Workload) -> State:
    await host.prepare(one, _silent)
    await host.start(one)
    return await ended(host, one.uid)


@pytest.mark.parametrize(
    ("script", "code", "out_of_memory"),
    [
        (_EAT, 137, True),
        pytest.param(f"{_EAT}; exit 3", 3, True, marks=pytest.mark.full),
        (f"{_EAT}; exit 0", 0, True),
        pytest.param(f"{_EAT}; sleep 1; exit 0", 0, True, marks=pytest.mark.full),
        ("exit 137", 137, False),
        pytest.param("exit 2", 2, False, marks=pytest.mark.full),
        pytest.param("exit 0", 0, False, marks=pytest.mark.full),
    ],
)
async def test_an_end_is_told(host: Containers, run: str, script: str, code: int, out_of_memory: bool) -> None:
    command = tuple(script.split()) if script == _EAT else ("/bin/sh", "-c", script)
    one = workload(run, "", command=command, memory_limit_bytes=_LIMIT)
    before = time.time()

    state = await _run(host, one)

    assert (state.phase, state.exit_code, state.out_of_memory) == ("Ended", code, out_of_memory)
    assert before - 1 <= state.started <= state.ended <= time.time() + 1


async def test_one_that_is_killed_from_outside_is_not_out_of_memory(host: Containers, run: str) -> None:
    one = workload(run, "sleep 60")
    await host.start(one)
    assert (await host.state(one.uid)).phase == "Running"

    container = await host._container(one.uid)
    await host._api.call("POST", f"/containers/{container}/kill")

    state = await ended(host, one.uid)
    assert (state.exit_code, state.out_of_memory) == (137, False)


async def test_a_missing_program_is_an_end_with_words(host: Containers, run: str) -> None:
    one = workload(run, "", command=("/bin/nosuch", "serve"))

    with pytest.raises(StartError, match="nosuch"):
        await host.start(one)

    state = await host.state(one.uid)
    assert (state.phase, state.exit_code) == ("Ended", None)
    assert "nosuch" in state.words
    await host.stop(one.uid, 5)
    assert (await host.state(one.uid)).phase == "Absent"
