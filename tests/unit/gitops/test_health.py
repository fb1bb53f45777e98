"""How Argo CD and Flux judge both kinds: by the scripts that we ship, over statuses that the policy wrote."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from autotuner.kubernetes_object import Object
from autotuner.policy.experiment.decide import decide as experiment_decision
from autotuner.policy.task.decide import decide as task_decision
from gitops.__main__ import SNIPPET, render
from tests.support.gitops import HEALTH, ROOT, flux, health
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

KEYS = {f"resource.customizations.health.autotuner.io_{kind}" for kind in ("TuningTask", "TuningExperiment")}
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


@pytest.mark.parametrize(
    ("body", "argo", "message", "in_flux"),
    [
        pytest.param(make_task(), "Progressing", "waiting for the operator", "InProgress", id="just applied"),
        pytest.param(
            INVALID, "Degraded", "UnknownPreset: model.preset: no preset is called llama-3", "Failed", id="bad"
        ),
        pytest.param(
            edited(INVALID), "Progressing", "waiting for the operator", "InProgress", id="fixed, not yet seen"
        ),
        pytest.param(
            after_first_pass(suspend=True),
            "Suspended",
            "suspended; 4 configura",
            "Current",
            id="before the start",
        ),
        pytest.param(started(), "Progressing", "started: 4 configurations", "Current", id="started"),
        pytest.param(after_experiments(reaching(1000)), "Progressing", "experiment 1 of 3", "Current", id="measuring"),
        pytest.param(suspended(), "Suspended", "suspended;", "Current", id="suspended meanwhile"),
        pytest.param(MEASURED, "Healthy", "best 1200 tok/s by chat-2 (+20.0% over", "Current", id="answered"),
        pytest.param(
            edited(MEASURED, suspend=True), "Healthy", "best 1200 tok/s", "InProgress", id="edited after its end"
        ),
        pytest.param(
            after_experiments(*[ending("Completed", SLOW)] * 4, slos=PROMISE),
            "Degraded",
            "NoFeasibleConfiguration: no configuration keeps the SLOs; nearest is",
            "Failed",
            id="nothing keeps the promises",
        ),
        pytest.param(without_model(), "Degraded", "ModelNotReady: ClusterBaseModel", "Failed", id="model failed"),
        pytest.param(
            after_experiments(*[ending("QueueTimeout", message="no node")] * 2),
            "Degraded",
            "QueueTimeout: chat-1: no node",
            "Failed",
            id="the surroundings failed the baseline twice",
        ),
    ],
)
def test_a_task_is_judged_by_its_status(body: Object, argo: str, message: str, in_flux: str) -> None:
    verdict, words = health(body)

    assert (verdict, flux(body)) == (argo, in_flux)
    assert words.startswith(message)


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


@pytest.mark.parametrize(
    ("body", "argo", "message"),
    [
        pytest.param(TX, "Progressing", "waiting for the operator", id="just applied"),
        pytest.param(
            BENCHMARKING, "Progressing", "engine ready; the benchmark waits for its Job to make a pod", id="measuring"
        ),
        pytest.param(RELEASING, "Progressing", "1 level measured", id="releasing"),
        pytest.param(
            passed(RELEASING, 200, **OURS, engine=[READY]),
            "Degraded",
            "TeardownStuck: not gone after 50 s: InferenceService chat-1",
            id="stuck",
        ),
        pytest.param(passed(RELEASING, 70), "Healthy", "1 level measured", id="measured and released"),
        pytest.param(
            edited(passed(RELEASING, 70), cancel=True), "Healthy", "1 level measured", id="cancelled after its end"
        ),
        pytest.param(passed(NO_IMAGE, 70), "Degraded", "ImagePullFailed: the engine's image", id="no image"),
        pytest.param(passed(CANCELLED, 70), "Suspended", "cancelled on request", id="cancelled"),
    ],
)
def test_an_experiment_is_judged_by_its_status(body: Object, argo: str, message: str) -> None:
    verdict, words = health(body)

    assert verdict == argo
    assert words.startswith(message)


def test_the_application_sets_values_that_the_chart_has() -> None:
    applications = list(yaml.safe_load_all((HEALTH.parent / "application.yaml").read_text()))
    values = yaml.safe_load((ROOT / "helm" / "autotuner" / "values.yaml").read_text())
    source, waves = applications[0]["spec"]["source"], [one["metadata"]["annotations"] for one in applications]

    assert (ROOT / source["path"] / "Chart.yaml").exists()
    for name, value in source["helm"]["valuesObject"].items():
        assert type(values[name]) is type(value)
        assert not isinstance(value, dict) or value.keys() <= values[name].keys()
    assert [one["argocd.argoproj.io/sync-wave"] for one in waves] == ["-1", "0"]
    assert [one["argocd.argoproj.io/compare-options"] for one in waves] == ["ServerSideDiff=true"] * 2


def test_the_snippet_for_argocd_cm_is_generated_and_holds_the_script_for_both_kinds() -> None:
    text = SNIPPET.read_text()
    snippet = yaml.safe_load(text)

    assert text == render(), "make generate"
    assert set(snippet["data"]) == KEYS
    assert set(snippet["data"].values()) == {HEALTH.read_text()}
