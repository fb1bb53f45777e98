"""Rules, dashboard and documentation agree with the metrics and with the policy."""

from __future__ import annotations

import json
import re
from types import ModuleType
from typing import Any

import pytest

from autotuner import metrics
from autotuner.policy.experiment.reasons import REASONS
from monitoring import dashboard, metrics_page
from testbed.operator_process import ROOT

RULES = metrics_page.rules()
PANELS: list[dict[str, Any]] = json.loads(dashboard.render())["panels"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in PANELS for target in panel.get("targets", [])
]


@pytest.mark.parametrize("page", [dashboard, metrics_page], ids=["dashboard", "metrics"])
def test_what_is_generated_is_up_to_date(page: ModuleType) -> None:
    assert page.FILE.read_text() == page.render(), "make generate"


def test_rules_and_dashboard_speak_of_every_metric_and_of_no_other() -> None:
    spoken = {name for text in EXPRESSIONS for name in re.findall(r"\bautotuner_\w+", text)}
    known = {one.name: one.kind for one in metrics_page.described()}

    assert {re.sub("_(bucket|sum|count)$", "", name) for name in spoken} == set(known)


def test_labels_that_are_asked_for_exist() -> None:
    known = {label for one in metrics_page.described() for label in one.labels}
    asked = {
        label
        for text in EXPRESSIONS
        for group in re.findall(r"(?:by|on) \(([^)]*)\)", text)
        for label in group.split(", ")
    }

    assert asked - {""} <= known | {"job", "le"}


def test_series_that_are_counted_begin_at_zero() -> None:
    lines = metrics.exposition().decode().splitlines()

    for reason in REASONS:
        assert any(line.startswith(f'autotuner_experiments_total{{reason="{reason}"}} ') for line in lines)
    for step in ("queue", "pull", "startup", "benchmark", "teardown"):
        assert any(line.startswith(f'autotuner_experiment_step_seconds_count{{step="{step}"}} ') for line in lines)


def test_no_two_panels_share_an_id_or_a_place() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in PANELS]

    assert len({panel["id"] for panel in PANELS}) == len(PANELS) == len(set(places))


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    page, anchor = rule["annotations"]["runbook"].split("#")
    assert f"\n### {rule['alert']}\n" in (ROOT / page).read_text()
    assert anchor == rule["alert"].lower()


def test_failures_outside_the_engine_are_those_of_the_policy() -> None:
    (rule,) = (rule for rule in RULES if rule["alert"] == "AutotunerExperimentsFailing")
    named = [set(reasons.split("|")) for reasons in re.findall(r'reason=~"([^"]*)"', rule["expr"])]

    assert named == [{reason for reason, (fault, *_) in REASONS.items() if fault in ("surroundings", "everyone")}] * 2
