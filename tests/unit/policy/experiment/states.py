"""An experiment with short clocks, in the states that several tests begin with."""

from __future__ import annotations

from autotuner.kubernetes_object import Object
from autotuner.serving.backend import ServingEvent
from tests.unit.builders import at, make_experiment, make_isvc, make_job, make_pod

TIMEOUTS = {
    "queueSeconds": 100,
    "pullSeconds": 200,
    "startupSeconds": 300,
    "benchmarkSeconds": 400,
    "teardownSeconds": 50,
}
EXPERIMENT = make_experiment(timeouts=TIMEOUTS)
OTHER = make_experiment() | {"metadata": make_experiment()["metadata"] | {"uid": "uid-of-another"}}
OURS: Object = {"root": make_isvc(EXPERIMENT), "job": make_job(EXPERIMENT)}
SCHEDULED = make_pod()
STARTED = make_pod(started=10)
READY = make_pod(started=10, ready=20)
MEASURING = make_experiment(
    timeouts=TIMEOUTS,
    status={
        "times": {"created": at(1), "scheduled": at(3), "containerStarted": at(10), "engineReady": at(20)},
        "enginePod": {"uid": "uid-engine-pod", "restarts": 0},
    },
)
IN_TIME = 30.0


def doomed(count: int = 3, reason: str = "RuntimeValidationError", kind: str = "Warning") -> ServingEvent:
    return ServingEvent(kind, reason, "no format of the model fits", count)
