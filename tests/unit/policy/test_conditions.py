"""Conditions and messages."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.conditions import STALLED, ConditionSet, Status, find, is_true, shorten
from autotuner.policy.task import best_so_far, status_message
from tests.unit.builders import after, at, make_level
from tests.unit.task_builders import Story, ended, ending, make_task, observed, reaching, started


def test_the_transition_time_moves_only_with_the_status() -> None:
    first = ConditionSet(None, 1, after(0))
    first.set("Succeeded", "Unknown", "Running", "one")
    second = ConditionSet(first.list(), 2, after(10))
    second.set("Succeeded", "Unknown", "Suspended", "two")
    third = ConditionSet(second.list(), 2, after(20))
    third.set("Succeeded", "True", "Completed")

    assert [one.last_transition_time for one in (*first.list(), *second.list(), *third.list())] == [
        at(0),
        at(0),
        at(20),
    ]
    assert [one.reason for one in second.list()] == ["Suspended"]
    assert [one.message for one in third.list()] == [""]
    assert [one.observed_generation for one in second.list()] == [2]


def test_conditions_keep_their_order_and_those_not_set() -> None:
    before = ConditionSet(None, 1, after(0))
    for kind in ("Scheduled", "ModelReady", "Finished"):
        before.set(kind, "False", "Waiting")
    now = ConditionSet(before.list(), 1, after(5))
    now.set("ModelReady", "True", "Ready")

    assert [one.type for one in now.list()] == ["Scheduled", "ModelReady", "Finished"]
    assert now.get("Valid") == before.get("Valid")
    assert now.get("Other") is None


def test_a_condition_is_true_only_if_it_says_so() -> None:
    conditions = ConditionSet(None, 1, after(0))
    conditions.set("A", "True", "Yes")
    conditions.set("B", "Unknown", "Maybe")

    assert is_true(conditions.list(), "A")
    assert not is_true(conditions.list(), "B")
    assert not is_true(conditions.list(), "C")
    assert not is_true(None, "A")
    assert find(None, "A") is None


@pytest.mark.parametrize(
    ("text", "limit", "want"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("", 3, "")], ids=["fits", "cut", "empty"]
)
def test_shorten(text: str, limit: int, want: str) -> None:
    assert shorten(text, limit) == want


def test_a_long_message_is_cut_where_it_is_written() -> None:
    conditions = ConditionSet(None, 1, after(0))
    conditions.set("A", "True", "Yes", "x" * 5000)

    assert len(conditions.list()[0].message) == 1024


PHASES: list[tuple[str, Object, bool, str]] = [
    ("not looked at", {}, False, "Pending"),
    ("suspended before the start", {}, True, "Suspended"),
    ("started", {"startTime": at(0)}, False, "Running"),
    ("suspended", {"startTime": at(0)}, True, "Suspended"),
    ("running", {"startTime": at(0), "conditions": [("Succeeded", "Unknown")]}, False, "Running"),
    (
        "succeeded",
        {"startTime": at(0), "conditions": [("Succeeded", "True"), ("Finished", "True")]},
        False,
        "Succeeded",
    ),
    ("failed", {"startTime": at(0), "conditions": [("Succeeded", "False"), ("Finished", "True")]}, False, "Failed"),
    (
        "suspended too late",
        {"startTime": at(0), "conditions": [("Succeeded", "True"), ("Finished", "True")]},
        True,
        "Succeeded",
    ),
]


@pytest.mark.parametrize(("status", "suspended", "want"), [row[1:] for row in PHASES], ids=[row[0] for row in PHASES])
def test_the_phase_is_a_projection_of_the_conditions(status: Object, suspended: bool, want: str) -> None:
    conditions = [
        {"type": kind, "status": value, "reason": "X", "lastTransitionTime": at(0)}
        for kind, value in status.get("conditions", [])
    ]
    task = make_task(status={**status, "conditions": conditions})

    assert status_message.phase(observed(task).status, suspended) == want


def test_nothing_measured_is_said_to_be_nothing() -> None:
    assert status_message.nearest([]) == "nothing was measured"


def test_the_best_needs_a_value() -> None:
    story = Story(started())
    story.step()
    story.end(lambda experiment: ended(experiment, "OutOfMemory"))
    seen = observed(story.task, story.experiments)

    assert best_so_far.best(seen.measured, seen.baseline, seen.spec.objectives[0]) is None


def test_of_equal_ones_the_best_is_the_cheapest() -> None:
    slow, quick = ending("SLOViolated", make_level(ttft=0.9)), ending("Completed", make_level(ttft=0.2))
    story = Story(
        started(
            parameters=[{"name": "tp-size", "values": [8, 4, 2, 1]}],
            objectives=[{"metric": "MaxConcurrency"}],
            slos=[{"metric": "TTFT", "max": "500ms"}],
            search={"maxExperiments": 4},
        )
    )
    best = story.run_experiments(slow, quick, quick, quick, quick).status.best

    assert best is not None
    assert best.args[0] == "--tp-size=1"


def test_nothing_that_gave_no_output_is_the_best() -> None:
    status = Story(started()).run_experiments(*[reaching(0)] * 4).status

    assert status.best is None
    assert (status.message or "").startswith("no configuration gave any output; last, chat-3")


@pytest.mark.parametrize(
    ("kind", "status", "reason", "stalled"),
    [
        ("Valid", "False", "InvalidSpec", True),
        ("Valid", "True", "Valid", False),
        ("Succeeded", "False", "NoFeasibleConfiguration", True),
        ("Succeeded", "False", "Cancelled", False),
        ("Succeeded", "Unknown", "Running", False),
        ("Released", "False", "TeardownStuck", True),
        ("Released", "False", "Releasing", False),
        ("ModelReady", "False", "Waiting", False),
    ],
)
def test_what_has_failed_or_needs_somebody_is_stalled(kind: str, status: Status, reason: str, stalled: bool) -> None:
    conditions = ConditionSet(None, 3, after(0))
    conditions.set(kind, status, reason, "why")

    found = find(conditions.list(), STALLED)

    assert (found is not None) == stalled
    assert found is None or (found.status, found.reason, found.message) == ("True", reason, "why")


def test_what_goes_on_is_stalled_no_more() -> None:
    before = ConditionSet(None, 1, after(0))
    before.set("Released", "False", "TeardownStuck")
    now = ConditionSet(before.list(), 1, after(5))
    now.set("Released", "True", "Released")

    assert [one.type for one in now.list()] == ["Released"]


def test_an_acknowledged_generation_is_in_every_condition_and_changes_nothing_else() -> None:
    before = ConditionSet(None, 1, after(0))
    before.set("Succeeded", "False", "OutOfMemory", "no memory")
    before.set("Finished", "True", "OutOfMemory")
    now = ConditionSet(before.list(), 2, after(5))

    now.acknowledge()

    assert [one.observed_generation for one in now.list()] == [2, 2, 2]
    assert [one.model_copy(update={"observed_generation": 1}) for one in now.list()] == before.list()
