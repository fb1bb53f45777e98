"""What a task takes of the operator's defaults, and what it keeps."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.task import TaskSpec
from autotuner.api.task_defaults import TaskDefaults
from autotuner.kubernetes_object import Object
from autotuner.policy import spec_completion
from autotuner.policy.task.decide import decide
from autotuner.validation_messages import Kind
from tests.unit.builders import after
from tests.unit.task_builders import make_task, observed, written

PLATFORM: Object = {"benchmark": {"pod": {"securityContext": "Platform"}}}
LABELS: Object = {"placement": {"labels": {"cost-centre": "0", "team": "ml"}}}


def completed(own: Object, defaults: Object) -> spec_completion.Completed:
    spec = TaskSpec.model_validate(make_task(**own)["spec"])
    return spec_completion.completed(spec, TaskDefaults.model_validate(defaults))


def pod(**fields: Any) -> Object:
    return {"benchmark": {"pod": fields}}


A, B, C = ({"name": name, "value": value} for name, value in (("X", "1"), ("X", "2"), ("Y", "3")))
CASES: list[tuple[str, Object, Object, Object]] = [
    ("nothing is given", {}, {}, {}),
    ("nothing is said", {}, PLATFORM, PLATFORM),
    ("another value is said", pod(securityContext="Restricted"), PLATFORM, {}),
    ("another field is said", pod(image="x:1"), PLATFORM, PLATFORM),
    ("an empty image is not said", pod(image=""), pod(image="mirror/x:1"), pod(image="mirror/x:1")),
    (
        "labels are joined by key",
        {"placement": {"labels": {"cost-centre": "4711"}}},
        LABELS,
        {"placement": {"labels": {"team": "ml"}}},
    ),
    ("variables are joined by name", pod(env=[A]), pod(env=[B, C]), pod(env=[C])),
    (
        "tolerations are not joined",
        {"placement": {"tolerations": [{"operator": "Exists"}]}},
        {"placement": {"tolerations": [{"key": "x", "operator": "Exists"}]}},
        {},
    ),
    (
        "resources are not joined",
        pod(resources={"requests": {"cpu": "2"}}),
        pod(resources={"limits": {"cpu": "1"}}),
        {},
    ),
]


@pytest.mark.parametrize(("own", "defaults", "taken"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_a_tasks_own_value_wins(own: Object, defaults: Object, taken: Object) -> None:
    assert completed(own, defaults).taken == taken


def test_a_spec_has_its_own_and_what_it_takes() -> None:
    own = {"placement": {"labels": {"cost-centre": "4711"}}, **pod(env=[A])}
    spec = completed(own, {**LABELS, **pod(env=[B, C], securityContext="Platform")}).spec

    assert spec.placement.labels == {"cost-centre": "4711", "team": "ml"}
    assert spec.placement.accelerator_resource == "nvidia.com/gpu"
    assert spec.benchmark.pod is not None
    assert [one.dump() for one in spec.benchmark.pod.env or []] == [C, A]
    assert spec.benchmark.pod.security_context == "Platform"


def test_what_was_taken_is_taken_again() -> None:
    """The status keeps it, and a later reconcile reads it from there."""
    first = completed(pod(env=[A]), {**LABELS, **pod(env=[B, C])})
    again = completed(pod(env=[A]), first.taken)

    assert again == first


def test_more_than_a_task_may_say_is_told_with_the_field() -> None:
    many = {"placement": {"labels": {f"own-{number}": "x" for number in range(16)}}}
    found = completed(many, LABELS)

    assert found.problem is not None
    assert (found.problem.field, found.problem.kind) == ("placement.labels", Kind.DEFAULTS_DO_NOT_FIT)
    assert (found.taken, len(found.spec.placement.labels or {})) == ({}, 16)


@pytest.mark.parametrize(
    ("defaults", "words"),
    [
        ({"placement": {"acceleratorResource": "amd.com/gpu"}}, "placement.acceleratorResource: every task says"),
        ({"benchmark": {"concurrency": [1]}}, "Extra inputs are not permitted"),
        ({"placement": {"labels": {"autotuner.io/task": "x"}}}, "are set by controllers"),
    ],
)
def test_defaults_that_cannot_be_are_refused(defaults: Object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TaskDefaults.model_validate(defaults)


class TestInATask:
    def test_valid_tells_them_and_the_start_keeps_them(self) -> None:
        body = make_task()
        taken = PLATFORM | LABELS
        status = decide(observed(body, defaults=taken), after(0)).status

        (valid,) = [one for one in status.conditions or [] if one.type == "Valid"]
        assert "from the operator's taskDefaults: benchmark.pod.securityContext, placement.labels" in valid.message
        assert status.start_time is not None
        assert written(body, status)["status"]["defaults"] == taken

    def test_what_does_not_fit_keeps_it_from_starting(self) -> None:
        many = {"placement": {"labels": {f"own-{number}": "x" for number in range(16)}}}
        problem = completed(many, LABELS).problem
        status = decide(observed(make_task(**many), defaults_problem=problem), after(0)).status

        assert status.start_time is None
        assert "placement.labels: together with the operator's taskDefaults" in (status.message or "")
