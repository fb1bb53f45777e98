"""What wakes whom: a change of an object leads to a look at the task or experiment that it belongs to."""

from __future__ import annotations

from typing import cast

import pytest

from autotuner import backend_choice
from autotuner.controllers.turn_keeper import TurnKeeper
from autotuner.controllers.workqueue import ObjectKey, WorkQueue
from autotuner.kube import EXPERIMENT, JOB, POD
from autotuner.kubernetes_object import Object, Resource
from autotuner.main import watches
from autotuner.policy.turns import OverallLimits
from autotuner.process.silent_watches import Watchfulness
from tests.unit.builders import controller, make_experiment, merged
from tests.unit.task_builders import conditions, make_task

KEY = ObjectKey("team", "chat-1")
ROOT = backend_choice.DEFAULT.capabilities.root


class Queue:
    """Takes note of what is added, and after how many seconds."""

    def __init__(self) -> None:
        self.added: list[tuple[ObjectKey, float]] = []

    def changed(self, meta: Object, *, gone: bool) -> None:
        self.added.append((ObjectKey(meta["namespace"], meta["name"]), 0.0))

    def add_soon(self, key: ObjectKey, seconds: float) -> None:
        self.added.append((key, seconds))


def woken(
    resource: Resource, body: Object, *, gone: bool = False
) -> tuple[list[tuple[ObjectKey, float]], list[tuple[ObjectKey, float]]]:
    """What a change has the queues of tasks and of experiments look at."""
    tasks, experiments = Queue(), Queue()
    queues = (cast(WorkQueue, tasks), cast(WorkQueue, experiments))
    watches(backend_choice.DEFAULT, *queues, Watchfulness(), TurnKeeper(OverallLimits()))[resource](body, gone)
    return tasks.added, experiments.added


def child(labels: Object) -> Object:
    return {"metadata": {"namespace": "team", "name": "x", "uid": "u", "labels": labels}, "spec": {}}


@pytest.mark.parametrize("gone", [False, True], ids=["changed", "gone"])
@pytest.mark.parametrize("resource", [ROOT, JOB, POD], ids=["root", "Job", "pod"])
def test_what_bears_the_label_wakes_its_experiment(resource: Resource, gone: bool) -> None:
    tasks, ((key, seconds),) = woken(resource, child({"autotuner.io/experiment": "chat-1"}), gone=gone)

    assert tasks == []
    assert key == KEY
    # What belongs together changes within moments, and is answered together.
    assert 0 < seconds < 0.5


@pytest.mark.parametrize("gone", [False, True])
def test_what_does_not_wakes_nobody(gone: bool) -> None:
    assert woken(POD, child({}), gone=gone) == ([], [])


def test_an_experiment_wakes_itself_and_its_task_at_once_only_when_it_is_over() -> None:
    over = conditions("Finished", "True", "Completed")
    for status, at_once in (({}, False), ({"conditions": [over]}, True)):
        owned = {"metadata": {"ownerReferences": [controller(make_task())]}}
        body = merged(make_experiment(name="chat-1", status=status), owned)
        ((task, seconds),), (itself,) = woken(EXPERIMENT, body)

        assert itself == (KEY, 0.0)
        assert task == ObjectKey("team", "chat")
        assert (seconds == 0.0) == at_once
        assert seconds < 1
