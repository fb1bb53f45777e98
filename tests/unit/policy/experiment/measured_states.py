"""An experiment whose benchmark has ended, and what its reconcile plans then."""

from __future__ import annotations

from autotuner.kubernetes_object import Object
from autotuner.policy.experiment.decide import Plan, decide
from tests.unit.builders import after, at, make_experiment, make_isvc, make_job, make_level, make_pod, make_result, seen

EXPERIMENT = make_experiment(timeouts={"teardownSeconds": 50})
_REACHED = {"created": at(1), "scheduled": at(3), "containerStarted": at(10), "engineReady": at(20)}
MEASURING = EXPERIMENT | {"status": {"times": _REACHED}}
SERVICE: Object = {"root": make_isvc(EXPERIMENT)}
OURS: Object = {**SERVICE, "job": make_job(EXPERIMENT)}
NODE = {"metadata": {"labels": {"nvidia.com/gpu.product": "H100"}}}
READY = make_pod(started=10, ready=20)
MEASURED = make_pod("benchmark", ended=make_result(make_level()))


def measured() -> Plan:
    """The plan of the reconcile that observed the results."""
    state = seen(MEASURING, **OURS, engine=[READY], benchmark=[MEASURED], node=NODE)
    return decide(state, after(61))
