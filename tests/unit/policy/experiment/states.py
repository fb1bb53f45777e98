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
EXPERIMENT = make_experiment(timeouts=TIMEOUTS)  # which the operator sees for the first time


def known(pod: str | None = None, **times: float) -> Object:
    """The experiment that the operator has seen at second 0, and these steps of it at their seconds."""
    seen_first = {"type": "Finished", "status": "False", "reason": "Pending", "lastTransitionTime": at(0)}
    status: Object = {"conditions": [seen_first], "times": {step: at(second) for step, second in times.items()}}
    if pod:
        status["enginePod"] = {"uid": pod, "restarts": 0}
    return make_experiment(timeouts=TIMEOUTS, status=status)


WAITING = known()
CREATED = known(created=1)
PULLING = known(created=1, scheduled=3)
LOADING = known(created=1, scheduled=3, containerStarted=10)
MEASURING = known("uid-engine-pod", created=1, scheduled=3, containerStarted=10, engineReady=20)
OTHER = make_experiment() | {"metadata": make_experiment()["metadata"] | {"uid": "uid-of-another"}}
OURS: Object = {"root": make_isvc(EXPERIMENT), "job": make_job(EXPERIMENT)}
SCHEDULED = make_pod()
STARTED = make_pod(started=10)
READY = make_pod(started=10, ready=20)
PLACED: Object = {"benchmark": [make_pod("benchmark", started=10)]}
ENDED = known(
    "uid-engine-pod",
    created=1,
    scheduled=3,
    containerStarted=10,
    engineReady=20,
    benchmarkScheduled=4,
    benchmarkFinished=60,
)
IN_TIME = 30.0


def doomed(count: int = 3, reason: str = "RuntimeValidationError", kind: str = "Warning") -> ServingEvent:
    return ServingEvent(kind, reason, "no format of the model fits", count)
