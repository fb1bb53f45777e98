"""Every alert's expression over series like those of the operator; and every expression of the dashboard parses."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from testbed.operator_process import ROOT
from tests.support.promql import Query, Series, evaluate

RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((ROOT / "monitoring" / "prometheusrule.yaml").read_text())["spec"]["groups"]
    for rule in group["rules"]
}
OPS = 'namespace="ops",job="autotuner"'
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Case:
    """Series of some minutes; `fires` says from which to which minute the alert does, for which labels."""

    alert: str
    load: str
    minutes: int
    fires: tuple[int, int] | None = None
    labels: dict[str, str] | None = None


def firing(series: Series, hold: float) -> tuple[int, int] | None:
    """The first and last minute in which the alert fires, having been true for `hold` seconds without a gap."""
    minutes: list[int] = []
    since: float | None = None
    for moment in sorted(series.values):
        if since is None or moment - 60 not in series.values:
            since = moment
        if moment - since >= hold:
            minutes.append(int(moment // 60))
    return (minutes[0], minutes[-1]) if minutes else None


def held(rule: dict[str, Any]) -> float:
    """The seconds of `for`."""
    text = rule.get("for", "0s")
    return float(text[:-1]) * _UNITS[text[-1]]


UP = f'autotuner_build_info{{{OPS},pod="a",version="0.1.0"}}'
ACTIVE = f'autotuner_experiments_active{{{OPS},pod="a",phase="Benchmarking"}}'
OTHER = 'autotuner_build_info{namespace="elsewhere",job="autotuner"} 1x60'
LEADER = f"autotuner_leader{{{OPS}"
STUCK = 'autotuner_teardown_stuck{namespace="llm",experiment="chat-3"'
FOREIGN = 'autotuner_foreign_objects{namespace="llm",kind="Pod",pod="a"}'
PROGRESS = 'autotuner_task_progress_timestamp_seconds{namespace="llm",task="chat",pod="a"}'
ENDED = f"autotuner_experiments_total{{{OPS}"
ERRORS = f'autotuner_reconcile_errors_total{{{OPS},queue="tasks"}}'
LATE = f'autotuner_event_to_action_seconds_bucket{{{OPS},queue="experiments"'

CASES = {
    "down with an experiment": Case(
        "AutotunerDown",
        f"{UP} 1x10 stale\n{ACTIVE} 1x10 stale\n{OTHER}",
        60,
        (16, 60),
        {"namespace": "ops", "job": "autotuner"},
    ),
    "down with nothing to hold": Case("AutotunerDown", f"{UP} 1x10 stale\n{ACTIVE} 1x5 0x4 stale", 60),
    "restarted in time": Case("AutotunerDown", f"{UP} 1x10 stale _x3 1x40\n{ACTIVE} 1x10 stale _x3 1x40", 50),
    "down for a while, then back": Case(
        "AutotunerDown", f"{UP} 1x10 stale _x13 1x20\n{ACTIVE} 1x10 stale _x13 1x20", 40, (16, 24)
    ),
    "another pod took over": Case(
        "AutotunerDown",
        f'{UP} 1x10 stale\n{ACTIVE} 1x10 stale\nautotuner_build_info{{{OPS},pod="b"}} _x9 1x50',
        60,
    ),
    "one of two leads": Case("AutotunerNoLeader", f'{LEADER},pod="a"}} 1x20\n{LEADER},pod="b"}} 0x20', 20),
    "hand-over": Case("AutotunerNoLeader", f'{LEADER},pod="a"}} 1x5 0x20\n{LEADER},pod="b"}} 0x6 1x20', 20),
    "nobody leads": Case(
        "AutotunerNoLeader",
        f'{LEADER},pod="a"}} 1x5 0x20\n{LEADER},pod="b"}} 0x25',
        20,
        (8, 20),
        {"namespace": "ops", "job": "autotuner"},
    ),
    "stuck, then released": Case(
        "AutotunerTeardownStuck",
        f'{STUCK},pod="a"}} 0x4 1x10 0x10',
        20,
        (6, 15),
        {"namespace": "llm", "experiment": "chat-3"},
    ),
    "released in time": Case("AutotunerTeardownStuck", f'{STUCK},pod="a"}} 0x20', 20),
    "a copy that stays": Case(
        "AutotunerForeignObjects", f"{FOREIGN} 0x4 1x40 0x5", 49, (35, 45), {"namespace": "llm", "kind": "Pod"}
    ),
    "a copy that goes soon": Case("AutotunerForeignObjects", f"{FOREIGN} 0x4 1x20 0x5", 30),
    "no progress since the beginning": Case(
        "AutotunerTaskWithoutProgress", f"{PROGRESS} 0x300", 300, (246, 300), {"namespace": "llm", "task": "chat"}
    ),
    "progress every hour": Case(
        "AutotunerTaskWithoutProgress", f"{PROGRESS} 0x59 3600x59 7200x59 10800x59 14400x59", 299
    ),
    "a task that ended": Case("AutotunerTaskWithoutProgress", f"{PROGRESS} 0x200 stale", 300),
    "half of six fail outside": Case(
        "AutotunerExperimentsFailing",
        f'{ENDED},reason="Completed"}} 0x10 1x10 2x10 3x30\n{ENDED},reason="QueueTimeout"}} 0x10 1x10 2x10 3x30',
        60,
    ),
    "most fail outside": Case(
        "AutotunerExperimentsFailing",
        f'{ENDED},reason="Completed"}} 0x10 1x50\n{ENDED},reason="QueueTimeout"}} 0x10 1x10 2x10 3x30',
        60,
        (33, 60),
        {"namespace": "ops", "job": "autotuner"},
    ),
    "most engines fail with their flags": Case(
        "AutotunerExperimentsFailing",
        f'{ENDED},reason="Completed"}} 0x10 1x50\n{ENDED},reason="OutOfMemory"}} 0x10 1x10 2x10 9x30',
        60,
    ),
    "two of two fail outside": Case(
        "AutotunerExperimentsFailing", f'{ENDED},reason="QueueTimeout"}} 0x10 1x10 2x40', 60
    ),
    "an error now and then": Case("AutotunerReconcileErrors", f"{ERRORS} 0x20 1x20 2x20", 60),
    "errors all the time": Case(
        "AutotunerReconcileErrors",
        f"{ERRORS} 0+1x60",
        60,
        (16, 60),
        {"namespace": "ops", "job": "autotuner", "queue": "tasks"},
    ),
    "prompt": Case(
        "AutotunerLate", f'{LATE},le="1"}} 0+10x60\n{LATE},le="10"}} 0+10x60\n{LATE},le="+Inf"}} 0+10x60', 60
    ),
    "late": Case(
        "AutotunerLate",
        f'{LATE},le="1"}} 0+9x60\n{LATE},le="10"}} 0+10x60\n{LATE},le="+Inf"}} 0+10x60',
        60,
        (16, 60),
        {"namespace": "ops", "job": "autotuner", "queue": "experiments"},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_alert_fires_when_it_should(case: Case) -> None:
    rule = RULES[case.alert]

    (answer,) = evaluate(case.load, [Query(rule["expr"], 0, case.minutes * 60, 60)])

    fired = {tuple(one.labels.items()): when for one in answer.series if (when := firing(one, held(rule)))}
    assert list(fired.values()) == ([case.fires] if case.fires else [])
    if case.labels is not None:
        assert [dict(labels) for labels in fired] == [case.labels]


def test_every_alert_is_tested_both_ways() -> None:
    tried = {(case.alert, case.fires is not None) for case in CASES.values()}

    assert tried == set(itertools.product(RULES, (True, False)))


def test_every_expression_of_the_dashboard_is_evaluated() -> None:
    panels = json.loads((ROOT / "monitoring" / "dashboard.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    for name, value in {"$namespace": ".*", "$__rate_interval": "5m", "$__range": "6h"}.items():
        expressions = [text.replace(name, value) for text in expressions]
    parsed = evaluate("up 1", [Query(text, 0, 60, 60) for text in expressions])
    named = sorted({name for answer in parsed for name in answer.metrics})
    labels = [f'namespace="llm",step="pull",le="{bound}"' for bound in ("1", "+Inf")]
    series = "\n".join(f"{name}{{{words}}} 0+1x30" for name in named for words in labels)

    answers = evaluate(series, [Query(text, 1200, 1800, 60) for text in expressions])

    assert [text for text, answer in zip(expressions, answers, strict=True) if not answer.series] == []
