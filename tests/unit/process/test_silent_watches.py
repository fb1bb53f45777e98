"""A deaf watch is told from a quiet cluster."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

import pytest

from autotuner import backend_choice
from autotuner.controllers.workqueue import ObjectKey, WorkQueue
from autotuner.kube import EXPERIMENT, POD, TASK, KubeError
from autotuner.kubernetes_object import Object
from autotuner.process import silent_watches
from autotuner.process.machinery import waker
from autotuner.process.silent_watches import DEAF_SECONDS, Listed, Watchfulness, listed, look_around
from tests.unit.builders import controller, make_experiment, make_job, merged
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
    watching.saw(TASK, meta("a", "1"))
    watching.saw(TASK, meta("a", "2"))

    assert watching.compare({"a": "2"}) == set()
    clock.seconds += 10 * DEAF_SECONDS
    assert watching.compare({"a": "2"}) == set()
    assert watching.deaf() == ""


@pytest.mark.parametrize("delivered", [[], [meta("a", "1")]], ids=["the object", "its last change"])
def test_what_stays_missed_is_deafness(watching: Watchfulness, clock: Clock, delivered: list[Object]) -> None:
    for item in delivered:
        watching.saw(TASK, item)
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
        watching.saw(TASK, meta("a", str(version)))
        clock.seconds += 1

    assert watching.deaf() == ""


def test_what_arrives_late_ends_deafness(watching: Watchfulness, clock: Clock) -> None:
    watching.compare({"a": "1"})
    clock.seconds += DEAF_SECONDS
    watching.compare({"a": "1"})
    assert watching.deaf()
    watching.saw(TASK, meta("a", "1"))
    watching.compare({"a": "1"})

    assert watching.deaf() == ""


def test_an_api_server_that_is_away_is_not_deafness(watching: Watchfulness, clock: Clock) -> None:
    watching.compare({"a": "1"})
    clock.seconds += 10 * DEAF_SECONDS
    assert watching.deaf() == ""
    watching.interrupted()
    watching.compare({"a": "1"})

    assert watching.deaf() == ""


def test_what_vanished_untold_is_returned_once_and_forgotten(watching: Watchfulness, clock: Clock) -> None:
    for uid in ("told", "untold", "there"):
        watching.saw(POD, {**meta(uid), "namespace": "team", "name": uid, "managedFields": [{"large": "x"}]})
    watching.saw(POD, meta("told"), gone=True)
    clock.seconds += 1
    begun = clock.seconds
    watching.saw(POD, {**meta("young"), "name": "young"})  # created since the list was asked for

    assert watching.vanished({"there"}, begun) == [(POD, {"namespace": "team", "name": "untold"})]
    assert watching.vanished({"there"}, begun) == []
    assert watching.compare({"there": "1", "young": "1"}) == set()


class Queue:
    """Takes note of what is added."""

    def __init__(self, name: str, added: list[tuple[str, str]]) -> None:
        self._name, self._added = name, added

    def add(self, key: ObjectKey) -> None:
        self._added.append((self._name, key.name))


async def looked(kube: FakeKube, watching: Watchfulness, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Two looks, of which the first only sweeps; returns what was added to which queue by the second."""
    added: list[tuple[str, str]] = []
    tasks, experiments = (cast(WorkQueue, Queue(name, added)) for name in ("tasks", "experiments"))
    slept = 0

    async def answered(_: Listed, __: float) -> None:
        if slept == 0:
            assert added == []  # whatever is there is looked at when its watch begins

    class Twice:
        @staticmethod
        async def sleep(_: float) -> None:
            nonlocal slept
            slept += 1
            if slept == 2:
                raise asyncio.CancelledError

    monkeypatch.setattr(silent_watches, "asyncio", Twice)
    look = partial(listed, kube.as_kube(), backend_choice.BACKENDS, ())
    with pytest.raises(asyncio.CancelledError):
        await look_around(look, watching, waker(tasks, experiments), answered, 30.0)
    return added


def owned_by_task(experiment: Object) -> Object:
    return merged(experiment, {"metadata": {"ownerReferences": [controller(make_task())]}})


async def test_what_was_missed_is_looked_at(watching: Watchfulness, monkeypatch: pytest.MonkeyPatch) -> None:
    known, over = make_experiment("known-1"), make_experiment("over-1")
    over["metadata"]["labels"] = {"autotuner.io/finished": "true"}
    labels = {"autotuner.io/experiment": "known-1", "autotuner.io/experiment-uid": "x"}
    job = merged(make_job(known), {"metadata": {"labels": labels, "resourceVersion": "1"}})
    kube = FakeKube(make_task("new"), owned_by_task(make_experiment("chat-1")), known, over, job)
    watching.saw(EXPERIMENT, known["metadata"])

    added = await looked(kube, watching, monkeypatch)

    want = [("experiments", "known-1"), ("tasks", "new"), ("experiments", "chat-1"), ("tasks", "chat")]
    assert added == want


async def test_a_deletion_that_was_missed_is_looked_at(
    watching: Watchfulness, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An experiment that left the watch, and a pod that died, while the watch was interrupted."""
    watching.saw(EXPERIMENT, owned_by_task(make_experiment("chat-1"))["metadata"])
    watching.saw(POD, {**meta("p"), "namespace": "team", "name": "p", "labels": {"autotuner.io/experiment": "chat-2"}})
    clock.seconds += 1

    added = await looked(FakeKube(), watching, monkeypatch)

    assert added == [("experiments", "chat-1"), ("tasks", "chat"), ("experiments", "chat-2")]


async def test_without_an_answer_nothing_is_missed(watching: Watchfulness, monkeypatch: pytest.MonkeyPatch) -> None:
    kube = FakeKube(make_task("new"))
    kube.refuse["list", "TuningExperiment"] = KubeError(0, "Unreachable", "away")

    assert await looked(kube, watching, monkeypatch) == []
