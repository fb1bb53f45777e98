"""What wakes whom: a change of an object leads to a look at the task or experiment that it belongs to."""

from __future__ import annotations

from typing import cast

import pytest

from autotuner import backend_choice
from autotuner.controllers.workqueue import ObjectKey, WorkQueue
from autotuner.kube import JOB, POD
from autotuner.kubernetes_object import Object, Resource
from autotuner.main import watches
from autotuner.process.silent_watches import Watchfulness

KEY = ObjectKey("team", "chat-1")
ROOT = backend_choice.DEFAULT.capabilities.root


class Queue:
    """Takes note of what is added, and after how many seconds."""

    def __init__(self) -> None:
        self.added: list[tuple[ObjectKey, float]] = []

    def add(self, key: ObjectKey) -> None:
        self.added.append((key, 0.0))

    def add_after(self, key: ObjectKey, seconds: float) -> None:
        self.added.append((key, seconds))


def woken(resource: Resource, body: Object, *, gone: bool = False) -> list[tuple[ObjectKey, float]]:
    """What a change of a child has the experiments' queue look at."""
    tasks, experiments = Queue(), Queue()
    queues = (cast(WorkQueue, tasks), cast(WorkQueue, experiments))
    watches(backend_choice.DEFAULT, *queues, Watchfulness())[resource](body, gone)
    assert tasks.added == []
    return experiments.added


def child(labels: Object) -> Object:
    return {"metadata": {"namespace": "team", "name": "x", "labels": labels}}


@pytest.mark.parametrize("gone", [False, True], ids=["changed", "gone"])
@pytest.mark.parametrize("resource", [ROOT, JOB, POD], ids=["root", "Job", "pod"])
def test_what_bears_the_label_wakes_its_experiment(resource: Resource, gone: bool) -> None:
    ((key, seconds),) = woken(resource, child({"autotuner.io/experiment": "chat-1"}), gone=gone)

    assert key == KEY
    # What owned a pod follows it within moments, and is answered together with it.
    assert (seconds > 0) == (resource == POD and gone)
    assert seconds < 0.5


@pytest.mark.parametrize("gone", [False, True])
def test_what_does_not_wakes_nobody(gone: bool) -> None:
    assert woken(POD, child({}), gone=gone) == []
