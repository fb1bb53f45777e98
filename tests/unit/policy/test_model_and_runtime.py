"""Which model and which runtime a task's words mean."""

from __future__ import annotations

import pytest

from autotuner import backend_choice, engines
from autotuner.api.common import EnvironmentVariable
from autotuner.api.model_and_runtime import TaskModel
from autotuner.kubernetes_object import Object
from autotuner.policy import model_and_runtime
from tests.unit.builders import make_runtime
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


def template(command: list[str], env: list[Object], task: list[Object]) -> tuple[list[str], list[str]]:
    runtime = make_runtime(args=["--tp=$(TP)", "--max-num-seqs=$(SEQS)"])
    runtime["spec"]["engineConfig"]["runner"] |= {"command": command, "env": env}
    given = [EnvironmentVariable.model_validate(one) for one in task]
    found = model_and_runtime.engine_template(backend_choice.DEFAULT, runtime["spec"], given)
    return found.command, found.args


def test_variables_that_stand_for_numbers_are_read_as_these() -> None:
    env = [{"name": "TP", "value": "4"}, {"name": "MODEL_PATH", "value": "/m"}, {"name": "SEQS", "valueFrom": {}}]

    assert template(["serve", "$(MODEL_PATH)", "--tp", "$(TP)"], env, []) == (
        ["serve", "$(MODEL_PATH)", "--tp", "4"],
        ["--tp=4", "--max-num-seqs=$(SEQS)"],
    )
    assert template(["serve"], env, [{"name": "TP", "value": "2"}])[1][0] == "--tp=2"


def test_a_runtimes_variables_count_its_accelerators() -> None:
    command, args = template(["serve"], [{"name": "TP", "value": "4"}], [])
    assert engines.get("VLLM").accelerators(args, command) == 4


DIFFERENCES: list[tuple[Object, Object, list[str]]] = [
    ({"vendor": "me"}, {"vendor": "meta"}, ["vendor (me instead of meta)"]),
    ({"storage": {"path": "/a", "extra": 1}}, {"storage": {"path": "/b"}}, ["storage.path (/a instead of /b)"]),
    ({}, {"version": "1"}, ["version (nothing instead of '1')"]),
    ({"disabled": True}, {"disabled": False}, ["disabled (true instead of false)"]),
    ({"kinds": ["a", "b"]}, {"kinds": ["a"]}, ["kinds ([a, b] instead of [a])"]),
    ({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "A", "value": "x"}]},
     ["env[0].value ('1' instead of x)"]),
    ({"storage": "x"}, {"storage": {"path": "/b"}}, ["storage (x instead of {path: /b})"]),
    ({"ports": [{"containerPort": 80, "protocol": "TCP"}]}, {"ports": [{"containerPort": 80}]}, []),
]  # fmt: skip


@pytest.mark.parametrize(("live", "wanted", "want"), DIFFERENCES)
def test_differences_tell_both_values_as_yaml(live: Object, wanted: Object, want: list[str]) -> None:
    assert model_and_runtime.difference(live, wanted) == want


def test_long_values_are_cut() -> None:
    (found,) = model_and_runtime.difference({}, {"text": "a" * 99})
    assert found == f"text (nothing instead of {'a' * 57}...)"
