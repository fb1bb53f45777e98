"""A task whose engine runs in a snapshot: no object stands for its model, and the snapshot is the task's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autotuner import backend_choice
from autotuner.kubernetes_object import Object
from autotuner.policy.evidence import experiment_spec
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task.decide import decide
from tests.unit.builders import after, condition
from tests.unit.task_builders import make_task, observed, shipped, started

BACKEND = backend_choice.BACKENDS["Deployment"]
ENGINE = {"image": "engine:1", "command": ["engine"], "args": ["--tp-size=1"]}
CUSTOM = {"custom": {"name": "mine", "spec": {"engineConfig": {"runner": ENGINE}}}, "engine": "SGLang"}


def seen_with(task: Object, runtime: Object | None = None) -> ObservedTask:
    seen = replace(observed(task, wanted_model=None), backend=BACKEND)
    model = BACKEND.wanted_model(seen.spec.model, shipped(), "team")
    assert model is not None
    wanted = BACKEND.wanted_runtime(seen.spec, shipped(), model, "team")
    assert wanted is not None
    wanted = experiment_spec.own_snapshot(wanted, task)
    return replace(seen, model=model, wanted_runtime=wanted, runtime=wanted if runtime else None)


@pytest.mark.parametrize("fields", [{}, {"runtime": CUSTOM}], ids=["preset", "in full"])
def test_a_snapshot_is_made_and_belongs_to_the_task(fields: dict[str, Any]) -> None:
    plan = decide(seen_with(started(backend="Deployment", **fields)), after(1))

    assert condition(plan.status, "ModelReady") == ("True", "Ready")
    assert condition(plan.status, "RuntimeReady") == ("False", "Waiting")
    assert plan.create_model is None
    made = plan.create_runtime
    assert made is not None
    assert (made["kind"], made["metadata"]["name"].startswith("chat-")) == ("ControllerRevision", True)
    assert made["metadata"]["labels"] == {"autotuner.io/task": "chat"}
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("TuningTask", "chat")


@pytest.mark.parametrize("fields", [{}, {"runtime": CUSTOM}], ids=["preset", "in full"])
def test_an_experiment_names_the_snapshot_and_no_model(fields: dict[str, Any]) -> None:
    task = started(backend="Deployment", **fields)
    plan = decide(seen_with(task, runtime=task), after(1))

    assert plan.status.resolved is not None
    assert (plan.status.resolved.backend, plan.status.created) == ("Deployment", None)
    (experiment,) = plan.create_experiments
    service = experiment["spec"]["service"]
    assert service["runtime"] == {"kind": "ControllerRevision", "name": plan.status.resolved.runtime}
    assert (service["backend"], service["container"], "model" in service) == ("Deployment", "engine", False)


def test_a_name_of_an_object_is_refused_before_anything_is_made() -> None:
    task = make_task(backend="Deployment", model={"name": "mine"})
    plan = decide(replace(observed(task, model=None, wanted_model=None), backend=BACKEND), after(0))

    assert condition(plan.status, "Valid") == ("False", "InvalidSpec")
    assert "model.name" in plan.status.message
    assert (plan.create_runtime, plan.create_experiments) == (None, ())
