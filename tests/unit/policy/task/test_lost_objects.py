"""What a task made and somebody deletes while it is needed is made again; what a user made is left to the user."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.experiment import fingerprint
from tests.unit.builders import condition, merged
from tests.unit.task_builders import MODEL, Story, live_model, live_runtime, reaching, running

RUNTIME = live_runtime()["metadata"]["name"]
BOTH = {"clusterBaseModel": MODEL, "clusterServingRuntime": RUNTIME}
RECREATED = {
    "ClusterBaseModel": (
        f"ClusterBaseModel {MODEL} was deleted while it is needed: making it again as model.preset says"
    ),
    "ClusterServingRuntime": (
        f"ClusterServingRuntime {RUNTIME} was deleted while it is needed: making it again as runtime.preset says"
    ),
}


def measuring(created: Object | None = None, *, suspend: bool = False) -> Story:
    """A task that made these objects and measures its second experiment."""
    story = Story()
    story.run_experiments(reaching(1000))
    story.end(running)
    story.task = merged(story.task, {"status": {"created": created}, "spec": {"suspend": suspend}})
    return story


@pytest.mark.parametrize("suspend", [False, True], ids=["running", "suspended, but not released yet"])
@pytest.mark.parametrize(
    ("gone", "kinds"),
    [
        ({"model": None, "wanted_runtime": None}, ["ClusterBaseModel"]),
        ({"runtime": None}, ["ClusterServingRuntime"]),
        ({}, []),
    ],
    ids=["model", "runtime", "nothing"],
)
def test_while_an_experiment_needs_it(suspend: bool, gone: Object, kinds: list[str]) -> None:
    plan = measuring(BOTH, suspend=suspend).step(**gone)

    made = [body["kind"] for body in (plan.create_model, plan.create_runtime) if body is not None]
    assert made == kinds
    assert [event for event in plan.events if event.reason == "Recreated"] == [
        ("Warning", "Recreated", RECREATED[kind]) for kind in kinds
    ]


@pytest.mark.parametrize(
    ("created", "around"),
    [
        (None, {"model": None}),
        ({"clusterServingRuntime": RUNTIME}, {"model": None}),
        ({"clusterBaseModel": "another"}, {"model": None}),
        (BOTH, {"model": None, "may_create": False}),
        (BOTH, {"model": None, "wanted_model": None}),
        (BOTH, {"runtime": None, "wanted_runtime": merged(live_runtime(), {"metadata": {"name": "newer-preset"}})}),
        (BOTH, {"model": live_model(""), "runtime": live_runtime()}),
    ],
    ids=["a user's", "only the runtime", "another", "not allowed", "named", "another content", "there"],
)
def test_nothing_else_is_made_again(created: Object | None, around: dict[str, Any]) -> None:
    plan = measuring(created).step(**around)

    assert (plan.create_model, plan.create_runtime) == (None, None)
    assert "Recreated" not in [event.reason for event in plan.events]


def test_one_that_the_api_server_cannot_make_is_tried_again_soon_and_told_once() -> None:
    story = measuring(BOTH)
    plan = story.step(model=None, unanswered=("ClusterBaseModel", "failed calling webhook"))

    assert plan.create_model is None
    assert [event.reason for event in plan.events] == ["NotCreated"]
    words = "the API server cannot create the ClusterBaseModel: failed calling webhook"
    assert (plan.status.message or "").endswith(words)
    assert plan.look_again is not None


def test_between_experiments_the_task_goes_on_when_the_model_is_ready_again() -> None:
    story = Story()
    story.run_experiments(reaching(1000))
    found = fingerprint.hashes(live_model(), live_runtime())
    assert found is not None
    story.experiments[0] = merged(story.experiments[0], {"status": {"hashes": found.dump()}})
    story.end(reaching(1100))
    story.task = merged(story.task, {"status": {"created": BOTH}})

    lost = story.step(model=None, runtime=None)
    assert lost.create_model is not None
    assert [event.message for event in lost.events] == [RECREATED["ClusterBaseModel"]]
    unfilled = merged(live_model("In_Transit"), {"spec": {"modelArchitecture": None}})
    waiting = story.step(model=unfilled, wanted_runtime=None)
    assert condition(waiting.status, "ModelReady") == ("False", "Waiting")
    assert condition(waiting.status, "Succeeded") == ("Unknown", "Running")

    assert story.step().create_experiments


def test_a_model_that_is_being_deleted_is_waited_for() -> None:
    story = Story()
    story.run_experiments(reaching(1000))
    story.end(reaching(1100))
    going = merged(live_model(), {"metadata": {"deletionTimestamp": "2026-03-01T12:00:00Z"}})

    plan = story.step(model=going)

    assert not plan.create_experiments and plan.create_model is None
    assert condition(plan.status, "ModelReady") == ("False", "Waiting")
