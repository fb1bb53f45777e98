"""How Argo CD and Flux judge both kinds: by the scripts that we ship, over statuses that the policy wrote."""

from __future__ import annotations

import pytest
import yaml

from gitops.__main__ import SNIPPET, render
from tests.support.gitops import HEALTH, ROOT, flux, health
from tests.unit.gitops.states import EXPERIMENT_STATES, TASK_STATES, State

KEYS = {f"resource.customizations.health.autotuner.io_{kind}" for kind in ("TuningTask", "TuningExperiment")}


@pytest.mark.parametrize("state", TASK_STATES.values(), ids=TASK_STATES)
def test_a_task_is_judged_by_its_status(state: State) -> None:
    verdict, words = health(state.body)

    assert (verdict, flux(state.body)) == (state.argo, state.kstatus)
    assert words.startswith(state.message)


@pytest.mark.parametrize("state", EXPERIMENT_STATES.values(), ids=EXPERIMENT_STATES)
def test_an_experiment_is_judged_by_its_status(state: State) -> None:
    verdict, words = health(state.body)

    assert verdict == state.argo
    assert words.startswith(state.message)


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
