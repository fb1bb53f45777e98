"""Which changes of an experiment's objects wake it."""

from __future__ import annotations

import pytest

from autotuner import backend_choice
from autotuner.controllers import relevant_changes
from autotuner.controllers.relevant_changes import RelevantChanges
from autotuner.kubernetes_object import Object
from tests.unit.builders import make_isvc, make_job, make_pod, merged, terminated
from tests.unit.policy.experiment.states import EXPERIMENT

POD, JOB, ROOT = make_pod(started=10), make_job(EXPERIMENT), make_isvc(EXPERIMENT)
READ = {
    "pod": relevant_changes.of_pod,
    "job": relevant_changes.of_job,
    "root": relevant_changes.of_root(backend_choice.DEFAULT),
}


def condition(kind: str, **more: str) -> Object:
    return {"status": {"conditions": [{"type": kind, "status": "True", **more}]}}


CHANGES: list[tuple[str, str, Object, Object, bool]] = [
    ("a pod that gets an address", "pod", POD, merged(POD, {"status": {"podIP": "10.0.0.1"}}), False),
    ("a pod that becomes ready", "pod", POD, make_pod(started=10, ready=20), True),
    ("a pod that is taken away", "pod", POD, make_pod(started=10, disrupted=("DisruptionTarget", "x", "y")), True),
    ("a pod that is being deleted", "pod", POD, make_pod(started=10, deleting=True), True),
    ("a pod that finds a node", "pod", make_pod(node=None), make_pod(), True),
    ("a pod whose container ends", "pod", POD, make_pod(ended=terminated(1)), True),
    ("a pod that waits for another reason", "pod", make_pod(node=None), make_pod(node=None, unschedulable="no"), True),
    ("a Job that counts its pods", "job", JOB, merged(JOB, {"status": {"active": 1, "ready": 1}}), False),
    ("a Job that is complete", "job", JOB, merged(JOB, condition("Complete")), False),
    ("a Job that fails", "job", JOB, merged(JOB, condition("Failed", reason="DeadlineExceeded")), True),
    ("a Job that is suspended", "job", JOB, merged(JOB, {"spec": {"suspend": True}}), True),
    ("a root that reports", "root", ROOT, merged(ROOT, condition("Ready")), False),
    ("a root that is being deleted", "root", ROOT, make_isvc(EXPERIMENT, deleting=True), True),
    ("a root that loses a finalizer", "root", merged(ROOT, {"metadata": {"finalizers": ["x"]}}), ROOT, True),
]


@pytest.mark.parametrize(
    ("kind", "before", "after", "expected"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES]
)
def test_a_change_matters(kind: str, before: Object, after: Object, expected: bool) -> None:
    changes = RelevantChanges(READ[kind])

    assert changes.changed(before, gone=False), "it is new"
    assert not changes.changed(before, gone=False)
    assert changes.changed(after, gone=False) == expected


def test_an_end_matters_and_is_forgotten() -> None:
    changes = RelevantChanges(READ["pod"])
    changes.changed(POD, gone=False)

    assert changes.changed(POD, gone=True)
    assert changes.changed(POD, gone=False)
