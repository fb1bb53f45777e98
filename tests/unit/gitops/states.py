"""Every state of both kinds that a deployment tool may meet, with statuses that the policy wrote."""

from __future__ import annotations

from typing import Any, NamedTuple

from autotuner.kubernetes_object import Object
from autotuner.policy.experiment.decide import decide as experiment_decision
from autotuner.policy.task.decide import decide as task_decision
from tests.unit.builders import (
    after,
    make_experiment,
    make_isvc,
    make_job,
    make_level,
    make_pod,
    make_result,
    seen,
    written,
)
from tests.unit.task_builders import Story, ending, live_model, make_task, observed, reaching, started


class State(NamedTuple):
    """An object, and how it is judged.

    Attributes:
        argo: the health that Argo CD shows.
        message: how its message begins.
        kstatus: what kubectl's library, Helm 4 and Flux say.
    """

    body: Object
    argo: str
    message: str
    kstatus: str


UNSEEN: Object = {"observedGeneration": 0}  # the default of the CRDs
SLOW = make_level(ttft=2.0)
PROMISE = [{"metric": "TTFT", "max": "500ms"}]


def after_first_pass(**spec: Any) -> Object:
    """A task after the first pass over it."""
    body = make_task(**spec)
    return written(body, task_decision(observed(body), after(0)).status)


def after_experiments(*endings: Any, **spec: Any) -> Object:
    """A task whose experiments ended like this."""
    story = Story(started(**spec))
    story.run_experiments(*endings)
    return story.task


def edited(body: Object, **spec: Any) -> Object:
    """The object after the user changed its spec; nobody has looked at it since."""
    meta = {**body["metadata"], "generation": body["metadata"]["generation"] + 1}
    return {**body, "metadata": meta, "spec": {**body["spec"], **spec}}


def suspended() -> Object:
    body = edited(after_experiments(reaching(1000)), suspend=True)
    return written(body, task_decision(observed(body), after(100)).status)


def without_model() -> Object:
    body = started()
    return written(body, task_decision(observed(body, model=live_model("Failed")), after(10)).status)


MEASURED = after_experiments(reaching(1000), reaching(1100), reaching(1200), reaching(900))
INVALID = after_first_pass(model={"preset": "llama-3"})


TASK_STATES: dict[str, State] = {
    "just applied": State(make_task(status=UNSEEN), "Progressing", "waiting for the operator", "InProgress"),
    "bad": State(INVALID, "Degraded", "UnknownPreset: model.preset: no preset is called llama-3", "Failed"),
    "fixed, not yet seen": State(edited(INVALID), "Progressing", "waiting for the operator", "InProgress"),
    "before the start": State(after_first_pass(suspend=True), "Suspended", "suspended; 4 configura", "Current"),
    "started": State(started(), "Progressing", "started: 4 configurations", "Current"),
    "measuring": State(after_experiments(reaching(1000)), "Progressing", "experiment 1 of 3", "Current"),
    "suspended meanwhile": State(suspended(), "Suspended", "suspended;", "Current"),
    "answered": State(MEASURED, "Healthy", "best 1200 tok/s by chat-2 (+20.0% over", "Current"),
    "edited after its end": State(edited(MEASURED, suspend=True), "Healthy", "best 1200 tok/s", "InProgress"),
    "nothing keeps the promises": State(
        after_experiments(*[ending("Completed", SLOW)] * 4, slos=PROMISE),
        "Degraded",
        "NoFeasibleConfiguration: no configuration keeps the SLOs; nearest is",
        "Failed",
    ),
    "model failed": State(without_model(), "Degraded", "ModelNotReady: ClusterBaseModel", "Failed"),
    "the surroundings failed the baseline twice": State(
        after_experiments(*[ending("QueueTimeout", message="no node")] * 2),
        "Degraded",
        "QueueTimeout: chat-1: no node",
        "Failed",
    ),
}

TX = make_experiment(timeouts={"teardownSeconds": 50})
OURS: Object = {"root": make_isvc(TX), "job": make_job(TX)}
READY = make_pod(started=10, ready=20)


def passed(body: Object, seconds: float, **state: Any) -> Object:
    """The experiment after a pass over it."""
    return written(body, experiment_decision(seen(body, **state), after(seconds)).status)


BENCHMARKING = passed(TX, 30, **OURS, engine=[READY])
RELEASING = passed(TX, 61, **OURS, engine=[READY], benchmark=[make_pod("benchmark", ended=make_result(make_level()))])
CANCELLED = passed({**TX, "spec": {**TX["spec"], "cancel": True}}, 40, **OURS, engine=[READY])
NO_IMAGE = passed(TX, 40, **OURS, engine=[make_pod(waiting=("ImagePullBackOff", "no such image"))])


EXPERIMENT_STATES: dict[str, State] = {
    "just applied": State({**TX, "status": UNSEEN}, "Progressing", "waiting for the operator", "InProgress"),
    "measuring": State(
        BENCHMARKING, "Progressing", "engine ready; the benchmark waits for its Job to make a pod", "Current"
    ),
    "releasing": State(RELEASING, "Progressing", "1 level measured", "Current"),
    "stuck": State(
        passed(RELEASING, 200, **OURS, engine=[READY]),
        "Degraded",
        "TeardownStuck: not gone after 50 s: InferenceService chat-1",
        "Failed",
    ),
    "measured and released": State(passed(RELEASING, 70), "Healthy", "1 level measured", "Current"),
    "cancelled after its end": State(
        edited(passed(RELEASING, 70), cancel=True), "Healthy", "1 level measured", "InProgress"
    ),
    "no image": State(passed(NO_IMAGE, 70), "Degraded", "ImagePullFailed: the engine's image", "Failed"),
    "cancelled": State(passed(CANCELLED, 70), "Suspended", "cancelled on request", "Current"),
}
