"""Which objects of OME a task's words mean."""

from __future__ import annotations

import pytest

from autotuner.api.model_and_runtime import TaskModel, TaskRuntime
from autotuner.objects import Object
from autotuner.policy import model_and_runtime
from tests.unit.task_builders import MODEL, RUNTIME, live_model, live_runtime, shipped

OWN: Object = {"name": "own", "spec": {"storage": {"storageUri": "hf://a/b"}}, "labels": {"team": "chat"}}

MODELS: list[tuple[str, Object, str, str, str]] = [
    ("a preset", {"preset": MODEL}, "ClusterBaseModel", MODEL, "model.preset"),
    ("an existing one", {"name": "x"}, "ClusterBaseModel", "x", "model.name"),
    ("an existing one of the namespace", {"name": "x", "kind": "BaseModel"}, "BaseModel", "x", "model.name"),
    ("one in full", {"custom": OWN}, "ClusterBaseModel", "own", "model.custom"),
    ("one in full of the namespace", {"custom": OWN, "scope": "Namespaced"}, "BaseModel", "own", "model.custom"),
    (
        "a preset, whatever the scope",
        {"preset": MODEL, "scope": "Namespaced"},
        "ClusterBaseModel",
        MODEL,
        "model.preset",
    ),
]


@pytest.mark.parametrize(("spec", "kind", "name", "field"), [row[1:] for row in MODELS], ids=[row[0] for row in MODELS])
def test_the_model_that_is_meant(spec: Object, kind: str, name: str, field: str) -> None:
    found = model_and_runtime.model(TaskModel.model_validate(spec), shipped(), "team")

    assert found == model_and_runtime.Reference(kind, name, field)


def test_an_unknown_preset_means_nothing() -> None:
    assert model_and_runtime.model(TaskModel(preset="absent"), shipped(), "team") is None


def overridden(scope: str = "Cluster", path: str = "/mnt/a") -> Object:
    spec = TaskModel.model_validate({"preset": MODEL, "overrides": {"storage": {"path": path}}, "scope": scope})
    body = model_and_runtime.wanted_model(spec, shipped(), "team")
    assert body is not None
    return body


def test_an_overridden_model_is_named_after_its_content() -> None:
    body = overridden()

    assert body["metadata"]["name"].rpartition("-")[0] == MODEL
    assert body["spec"]["storage"]["path"] == "/mnt/a"
    assert body["spec"]["storage"]["storageUri"] == live_model()["spec"]["storage"]["storageUri"]
    assert overridden(path="/mnt/b")["metadata"]["name"] != body["metadata"]["name"]
    assert overridden()["metadata"]["name"] == body["metadata"]["name"]


def test_an_overridden_model_of_the_namespace() -> None:
    body = overridden("Namespaced")

    assert (body["kind"], body["metadata"]["namespace"]) == ("BaseModel", "team")


def test_one_in_full_keeps_its_labels_and_says_who_made_it() -> None:
    body = model_and_runtime.wanted_model(TaskModel.model_validate({"custom": OWN}), shipped(), "team")

    assert body is not None
    assert body["metadata"]["labels"] == {"team": "chat", "app.kubernetes.io/managed-by": "autotuner"}
    assert "namespace" not in body["metadata"]


def test_an_existing_model_is_never_made() -> None:
    assert model_and_runtime.wanted_model(TaskModel(name="x"), shipped(), "team") is None


def test_a_runtime_of_a_preset_is_the_same_whatever_the_task_is_called() -> None:
    spec = TaskRuntime(preset=RUNTIME)

    assert model_and_runtime.wanted_runtime(spec, shipped(), live_model(), "team") == live_runtime()


def test_overrides_make_another_runtime_that_still_fits_the_model() -> None:
    overrides = {"engineConfig": {"runner": {"args": ["--tp-size=2"], "image": None}}}
    spec = TaskRuntime.model_validate({"preset": RUNTIME, "overrides": overrides, "scope": "Namespaced"})
    body = model_and_runtime.wanted_runtime(spec, shipped(), live_model(), "team")

    assert body is not None
    runner = body["spec"]["engineConfig"]["runner"]
    assert (runner["args"], "image" in runner) == (["--tp-size=2"], False)
    assert runner["command"] == live_runtime()["spec"]["engineConfig"]["runner"]["command"]
    assert body["spec"]["supportedModelFormats"] == live_runtime()["spec"]["supportedModelFormats"]
    assert body["metadata"]["name"] != live_runtime()["metadata"]["name"]
    assert (body["kind"], body["metadata"]["namespace"]) == ("ServingRuntime", "team")


def test_a_runtime_in_full_says_itself_what_it_serves() -> None:
    spec = TaskRuntime.model_validate({"custom": {**OWN, "spec": {"engineConfig": {}}}, "engine": "Custom"})
    body = model_and_runtime.wanted_runtime(spec, shipped(), live_model(), "team")

    assert body is not None
    assert (body["kind"], body["metadata"]["name"], body["spec"]) == (
        "ClusterServingRuntime",
        "own",
        {"engineConfig": {}},
    )
