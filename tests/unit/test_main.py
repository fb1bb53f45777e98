"""What wakes whom: a change of an object leads to a look at the task or experiment that it belongs to."""

from __future__ import annotations

from typing import cast

import pytest

from autotuner import backend_choice
from autotuner.controllers.recent_reads import RecentReads
from autotuner.controllers.turn_keeper import TurnKeeper
from autotuner.controllers.workqueue import ObjectKey, WorkQueue
from autotuner.kube import EXPERIMENT, JOB, POD, TASK
from autotuner.kubernetes_object import Object, Resource
from autotuner.policy.turns import OverallLimits
from autotuner.process.machinery import Listeners
from autotuner.process.silent_watches import Watchfulness
from autotuner.process.wakes import watches
from tests.unit.builders import controller, make_experiment, merged
from tests.unit.fake_kube import FakeKube
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


def listeners(queues: tuple[WorkQueue, WorkQueue]) -> Listeners:
    recent, turns = RecentReads(FakeKube().as_kube()), TurnKeeper(OverallLimits())
    return Listeners(*queues, Watchfulness(), recent, turns)


def woken(
    resource: Resource, body: Object, *, gone: bool = False
) -> tuple[list[tuple[ObjectKey, float]], list[tuple[ObjectKey, float]]]:
    """What a change has the queues of tasks and of experiments look at."""
    tasks, experiments = Queue(), Queue()
    queues = (cast(WorkQueue, tasks), cast(WorkQueue, experiments))
    watches(backend_choice.BACKENDS, listeners(queues))[resource](body, gone)
    return tasks.added, experiments.added


def child(labels: Object) -> Object:
    meta = {"namespace": "team", "name": "x", "uid": "u", "resourceVersion": "1", "labels": labels}
    return {"metadata": meta, "spec": {}}


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


def test_a_task_that_is_over_wakes_nobody_until_it_is_edited() -> None:
    over = {"observedGeneration": 1, "conditions": [conditions("Finished", "True", "Completed")]}
    task = make_task(status=over)
    key = ObjectKey("team", "chat")

    assert woken(TASK, make_task()) == ([(key, 0.0)], [])
    assert woken(TASK, task) == ([], [])
    assert woken(TASK, merged(task, {"metadata": {"generation": 2}})) == ([(key, 0.0)], [])
    assert woken(TASK, task, gone=True) == ([(key, 0.0)], [])


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


MODEL = backend_choice.DEFAULT.capabilities.models["Cluster"]
OWN_MODEL = backend_choice.DEFAULT.capabilities.models["Namespaced"]


@pytest.mark.parametrize(
    ("resource", "meta", "over", "gone", "wakes"),
    [
        (MODEL, {"name": "llama"}, False, True, True),
        (MODEL, {"name": "llama"}, False, False, False),
        (MODEL, {"name": "llama"}, True, True, False),
        (MODEL, {"name": "another"}, False, True, False),
        (OWN_MODEL, {"name": "llama", "namespace": "team"}, False, True, True),
        (OWN_MODEL, {"name": "llama", "namespace": "theirs"}, False, True, False),
    ],
    ids=["deleted", "changed", "no longer needed", "another", "namespaced", "of another namespace"],
)
def test_a_model_that_is_deleted_wakes_the_tasks_that_need_it(
    resource: Resource, meta: Object, over: bool, gone: bool, wakes: bool
) -> None:
    tasks = Queue()
    queues = (cast(WorkQueue, tasks), cast(WorkQueue, Queue()))
    handlers = watches(backend_choice.BACKENDS, listeners(queues))
    status = {"conditions": [conditions("Finished", "True" if over else "False", "Completed")]}
    owned = {
        "metadata": {"ownerReferences": [controller(make_task())]},
        "spec": {"service": {"model": {"name": "llama"}}},
    }
    handlers[EXPERIMENT](merged(make_experiment(name="chat-1", status=status), owned), False)
    tasks.added.clear()

    handlers[resource]({"metadata": {"uid": "m", **meta}}, gone)

    assert [key for key, _ in tasks.added] == [ObjectKey("team", "chat")] * wakes
