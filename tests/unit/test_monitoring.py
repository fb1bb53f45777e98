"""Rules and dashboard agree with what they speak of."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from autotuner.policy.endings import OUTCOMES
from monitoring.dashboard import FILE, render

RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FILE.parent / "prometheusrule.yaml").read_text())["spec"]["groups"]
    for rule in group["rules"]
]


def test_the_dashboard_is_generated() -> None:
    assert FILE.read_text() == render(), "make generate"


def test_no_two_panels_share_an_id_or_a_place() -> None:
    panels = json.loads(render())["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]

    assert len({panel["id"] for panel in panels}) == len(panels) == len(set(places))


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["labels"]["severity"] in ("critical", "warning")


def test_failures_outside_the_engine_are_those_of_the_policy() -> None:
    (rule,) = (rule for rule in RULES if rule["alert"] == "AutotunerExperimentsFailing")
    named = [set(reasons.split("|")) for reasons in re.findall(r'reason=~"([^"]*)"', rule["expr"])]

    assert named == [{reason for reason, outcome in OUTCOMES.items() if outcome in ("environment", "stop")}] * 2
