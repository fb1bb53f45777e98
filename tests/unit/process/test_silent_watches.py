"""A deaf watch is told from a quiet cluster."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from autotuner.api.common import EXPERIMENTS, TASKS
from autotuner.controllers.turn_keeper import TurnKeeper
from autotuner.controllers.workqueue import ObjectKey, WorkQueue
from autotuner.kube import KubeError
from autotuner.kubernetes_object import Object
from autotuner.policy.turns import OverallLimits
from autotuner.process import silent_watches
from autotuner.process.silent_watches import DEAF_SECONDS, Watchfulness, look_around
from tests.unit.builders import make_experiment
from tests.unit.fake_kube import FakeKube
from tests.unit.task_builders import make_task


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watching(clock: Clock) -> Watchfulness:
    return Watchfulness(now=clock)


def meta(uid: str = "a", version: str = "1") -> Object:
    return {"uid": uid, "resourceVersion": version}


def test_what_was_delivered_is_not_missed(watching: Watchfulness, clock: Clock) -> None:
    watching.saw(meta("a", "1"))
    watching.saw(meta("a", "2"))

    assert watching.compare({"a": "2"}) == set()
    clock.seconds += 10 * DEAF_SECONDS
    assert watching.compare({"a": "2"}) == set()
    assert watching.deaf() == ""


@pytest.mark.parametrize("delivered", [[], [meta("a", "1")]], ids=["the object", "its last change"])
def test_what_stays_missed_is_deafness(watching: Watchfulness, clock: Clock, delivered: list[Object]) -> None:
    for item in delivered:
        watching.saw(item)
    clock.seconds += 1
    for seconds, want in ((0, False), (DEAF_SECONDS - 1, False), (1, True)):
        clock.seconds += seconds
        assert watching.compare({"a": "2"}) == {"a"}
        assert bool(watching.deaf()) is want
    assert watching.deaf() == "the watches have missed changes of 1 objects, for 60 s"


def test_changes_one_after_the_other_do_not_hide_deafness(watching: Watchfulness, clock: Clock) -> None:
    for version in range(5):
        watching.compare({"a": str(version)})
        clock.seconds += DEAF_SECONDS / 3

    assert watching.deaf()


def test_a_watch_that_is_always_a_little_late_is_not_deaf(watching: Watchfulness, clock: Clock) -> None:
    for version in range(10):
        watching.compare({"a": str(version)})
        clock.seconds += DEAF_SECONDS / 3
        watching.saw(meta("a", str(version)))
        clock.seconds += 1

    assert watching.deaf() == ""


def test_what_arrives_late_ends_deafness(watching: Watchfulness, clock: Clock) -> None:
    watching.compare({"a": "1"})
    clock.seconds += DEAF_SECONDS
    watching.compare({"a": "1"})
    assert watching.deaf()
    watching.saw(meta("a", "1"))
    watching.compare({"a": "1"})

    assert watching.deaf() == ""


def test_an_api_server_that_is_away_is_not_deafness(watching: Watchfulness, clock: Clock) -> None:
    watching.compare({"a": "1"})
    clock.seconds += 10 * DEAF_SECONDS
    assert watching.deaf() == ""
    watching.interrupted()
    watching.compare({"a": "1"})

    assert watching.deaf() == ""


def test_what_is_gone_is_forgotten(watching: Watchfulness, clock: Clock) -> None:
    for uid in ("told", "untold", "young"):
        watching.saw(meta(uid))
        clock.seconds += DEAF_SECONDS
    watching.saw(meta("told"), gone=True)
    watching.compare({})
    assert watching._delivered.keys() == set()
    watching.saw(meta("young"))  # created since the list
    watching.compare({})

    assert watching._delivered.keys() == {"young"}


async def compared(kube: FakeKube, watching: Watchfulness, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """One comparison; returns what was added to which queue."""
    added: list[tuple[str, str]] = []

    class Queue:
        def __init__(self, plural: str) -> None:
            self.plural = plural

        def add(self, key: ObjectKey) -> None:
            added.append((self.plural, key.name))

    queues: Any = {plural: Queue(plural) for plural in (TASKS, EXPERIMENTS)}
    typed: dict[str, WorkQueue] = queues
    slept = 0

    class Once:
        @staticmethod
        async def sleep(_: float) -> None:
            nonlocal slept
            slept += 1
            if slept == 2:
                raise asyncio.CancelledError

    monkeypatch.setattr(silent_watches, "asyncio", Once)
    with pytest.raises(asyncio.CancelledError):
        await look_around(kube.as_kube(), watching, typed, (), 30.0, TurnKeeper(OverallLimits()))
    return added


async def test_what_was_missed_is_looked_at(watching: Watchfulness, monkeypatch: pytest.MonkeyPatch) -> None:
    known, over = make_experiment("known-1"), make_experiment("over-1")
    over["metadata"]["labels"] = {"autotuner.io/finished": "true"}
    kube = FakeKube(make_task("new"), make_experiment("new-1"), known, over)
    watching.saw(known["metadata"])

    assert await compared(kube, watching, monkeypatch) == [(TASKS, "new"), (EXPERIMENTS, "new-1")]


async def test_without_an_answer_nothing_is_missed(watching: Watchfulness, monkeypatch: pytest.MonkeyPatch) -> None:
    kube = FakeKube(make_task("new"))
    kube.refuse["list", "TuningExperiment"] = KubeError(0, "Unreachable", "away")

    assert await compared(kube, watching, monkeypatch) == []
