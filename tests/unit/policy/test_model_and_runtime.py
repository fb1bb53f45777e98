"""Which model and which runtime a task's words mean."""

from __future__ import annotations

import pytest

from autotuner import backend_choice
from autotuner.api.model_and_runtime import TaskModel
from autotuner.kubernetes_object import Object
from autotuner.policy import model_and_runtime
from tests.unit.task_builders import MODEL, shipped

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
    found = model_and_runtime.model(TaskModel.model_validate(spec), shipped(), "team", backend_choice.DEFAULT)

    assert found == model_and_runtime.Reference(kind, name, field, kind.startswith("Cluster"))


def test_an_unknown_preset_means_nothing() -> None:
    assert model_and_runtime.model(TaskModel(preset="absent"), shipped(), "team", backend_choice.DEFAULT) is None


def test_differences_tell_both_values() -> None:
    live = {"vendor": "me", "storage": {"path": "/a", "extra": 1}}
    wanted = {"vendor": "meta", "storage": {"path": "/b"}, "version": "1"}

    assert model_and_runtime.difference(live, wanted) == [
        "vendor (me instead of meta)",
        "storage.path (/a instead of /b)",
        "version (nothing instead of 1)",
    ]
