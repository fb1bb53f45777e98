"""Starts of the real engine that go wrong end their experiments with the right reason."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from tests.e2e.story import ENDLESS, traffic
from tests.realengine.corpus import Recorded, without_places
from tests.realengine.engine import RealEngine
from tests.realengine.wrong_starts import PORT_IN_USE, WORKER_KILLED, WRONG_STARTS, WrongStart

# One of each kind: of words, of configurations, of workers, of models, of memory.
_ALWAYS = {"unknown-flag", "tp3-heads", "block-7", "bad-arch", "kv-space-huge"}
_OTHERS = [case for case in WRONG_STARTS if case.name not in _ALWAYS]
_AT_ONCE = 5


async def start(engine: RealEngine, records: list[Recorded], cases: Sequence[WrongStart]) -> None:
    """Make all these starts at once, and check each one's ending."""
    names = {case.name: f"{case.name.replace('.', '-')}-1" for case in cases}
    with socket.socket() as occupant:
        occupant.bind(("0.0.0.0", PORT_IN_USE))
        occupant.listen()
        for case in cases:
            model = await engine.make_model(names[case.name], case.fault)
            edits = engine.edits(model, case.arguments, case.variables)
            await engine.story.create_experiment(names[case.name], edits)
        ended = {case.name: await engine.story.experiment_finished(names[case.name], 240) for case in cases}
    told = {}
    for case in cases:
        status = ended[case.name]["status"]
        log = without_places(engine.log(names[case.name]), engine.places())
        records.append(Recorded(case.name, status.get("evidence", {}).get("exitCode", 0), log))
        told[case.name] = (status["reason"], status["message"])
    wrong = {case.name: (case.reason, *told[case.name]) for case in cases if told[case.name][0] != case.reason}
    assert not wrong, "\n".join(f"{name}: not {want} but {got}: {words}" for name, (want, got, words) in wrong.items())
    await nothing_is_left(engine)


async def test_one_wrong_start_of_each_kind(engine: RealEngine, records: list[Recorded]) -> None:
    await start(engine, records, [case for case in WRONG_STARTS if case.name in _ALWAYS])


@pytest.mark.full
@pytest.mark.parametrize("first", range(0, len(_OTHERS), _AT_ONCE))
async def test_every_other_wrong_start(engine: RealEngine, records: list[Recorded], first: int) -> None:
    await start(engine, records, _OTHERS[first : first + _AT_ONCE])


@pytest.mark.full
async def test_a_worker_that_is_killed_under_load(engine: RealEngine, records: list[Recorded]) -> None:
    model = await engine.make_model("tiny")
    traffic_of_many = {"spec.benchmark": traffic(ENDLESS, [16])}
    name = f"{WORKER_KILLED.name}-1"
    await engine.story.create_experiment(name, {**engine.edits(model, (), {}), **traffic_of_many})
    await engine.story.mid_benchmark(name, 240)
    await engine.kill_worker(name)
    experiment = await engine.story.experiment_finished(name, 180)

    status = experiment["status"]
    log = without_places(engine.log(name), engine.places())
    records.append(Recorded(WORKER_KILLED.name, status.get("evidence", {}).get("exitCode", 0), log))
    assert status["reason"] == WORKER_KILLED.reason, status["message"]
    assert "died unexpectedly (exit code: -9)" in status["message"]
    await nothing_is_left(engine)


async def nothing_is_left(engine: RealEngine) -> None:
    """The engine's processes end with its pod; the engine is a fork, so a moment later."""
    for _ in range(50):
        if not await engine.story.left():
            break
        await asyncio.sleep(0.2)
    assert await engine.story.left() == []
