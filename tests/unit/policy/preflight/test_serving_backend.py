"""Which backend serves a task, whether it can, and what it knows of the task's objects and downloads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autotuner import backend_choice
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import Resolved, TaskStatus
from autotuner.policy.model_and_runtime import chosen_backend
from autotuner.policy.preflight import Surroundings, check, warnings
from autotuner.policy.target_spec import with_target
from autotuner.serving.backend import Backends
from autotuner.serving.deployment.deployments import Deployments
from autotuner.serving.ome.adapter import Ome
from autotuner.validation_messages import Kind
from tests.unit.task_builders import make_task, shipped

ABSENT = {"OME": "inferenceservices.ome.io: 404"}
LARGE = {"preset": "llama-3-3-70b-instruct"}
LARGE_VLLM = {"preset": "vllm-llama-large"}
NOTHING = {"configurations": 1, "engine": "VLLM", "model": "m", "runtime": "r"}


def spec_of(**fields: Any) -> TaskSpec:
    return TaskSpec.model_validate({**make_task()["spec"], **fields})


def around(name: str, absent: dict[str, str] | None = None) -> Surroundings:
    return Surroundings(backend_choice.BACKENDS[name], None, None, absent=absent or {})


@pytest.mark.parametrize(
    ("wanted", "absent", "resolved", "chosen"),
    [
        ("Auto", {}, None, "OME"),
        ("Auto", ABSENT, None, "Deployment"),
        ("OME", ABSENT, None, "OME"),
        ("Deployment", {}, None, "Deployment"),
        ("Auto", {}, "Deployment", "Deployment"),
        ("Auto", ABSENT, "OME", "OME"),
    ],
)
def test_auto_takes_what_can_serve_and_a_task_keeps_its_own(
    wanted: str, absent: dict[str, str], resolved: str | None, chosen: str
) -> None:
    backends = Backends(Ome(), Deployments())
    backends.absent.update(absent)
    status = TaskStatus()
    if resolved:
        status = TaskStatus(resolved=Resolved.model_validate({**NOTHING, "backend": resolved}))
    assert chosen_backend(spec_of(backend=wanted), status, backends) == chosen


@pytest.mark.parametrize(
    ("name", "fields", "field", "words"),
    [
        ("OME", {"backend": "OME"}, "backend", "OME cannot serve here (inferenceservices.ome.io: 404)"),
        ("Deployment", {"model": {"name": "mine"}}, "model.name", "backend Deployment knows none"),
        (
            "Deployment",
            {"runtime": {"name": "mine", "engine": "VLLM"}, "model": {"preset": "llama-3-2-1b-instruct"}},
            "runtime.name",
            "backend Deployment knows none",
        ),
        ("Deployment", {"model": LARGE, "runtime": LARGE_VLLM}, "model", "each experiment would download"),
    ],
)
def test_what_the_backend_cannot_is_told_first(name: str, fields: dict[str, Any], field: str, words: str) -> None:
    (found,) = check(spec_of(**fields), shipped(), around(name, ABSENT))
    assert found.field == field
    assert words in found.explanation


KSERVE = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "chat"}


@pytest.mark.parametrize(
    ("name", "namespace", "experiments", "fits"),
    [
        ("t" * 28, "n" * 20, 20, True),
        ("t" * 29, "n" * 20, 20, False),
        ("t" * 28, "n" * 20, 1000, False),
        ("t" * 40, "", 20, True),
    ],
)
def test_names_fit_the_last_experiment_in_its_namespace(
    name: str, namespace: str, experiments: int, fits: bool
) -> None:
    body = make_task(target=KSERVE, search={"maxExperiments": experiments})["spec"]
    del body["model"], body["runtime"]
    seen = replace(around("KServeInferenceService"), name=name, namespace=namespace)
    found = check(with_target(TaskSpec.model_validate(body), None), shipped(), seen)

    assert [one.field for one in found if one.kind is Kind.NAME_UNFIT] == ([] if fits else ["target"])


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("KServeInferenceService", ["target.env[1].value", "parameters[a].variants[b].env[0].value"]),
        ("KServeLLMInferenceService", ["target.env[1].value", "parameters[a].variants[b].env[0].value"]),
        ("Deployment", []),
    ],
)
def test_templates_in_variables_are_refused_where_they_would_be_filled_in(name: str, refused: list[str]) -> None:
    templates = [{"name": "T", "value": "{{ messages }}"}]
    variants = [{"name": "b", "env": templates}, {"name": "c"}]
    env = [{"name": "PLAIN", "value": "{"}, *templates]
    body = make_task(target={**KSERVE, "env": env}, parameters=[{"name": "a", "variants": variants}])["spec"]
    del body["model"], body["runtime"]
    data = {
        "template": {"spec": {"containers": [{"name": "main", "image": "i", "args": ["vllm", "serve"]}]}},
        "container": "main",
    }
    spec = with_target(TaskSpec.model_validate(body), data)

    found = check(spec, shipped(), around(name))
    assert [one.field for one in found if one.kind is Kind.TEMPLATE_IN_VALUE] == refused


def test_what_no_copy_can_take_away_is_told_as_the_targets() -> None:
    container = {"name": "x", "image": "i", "command": ["vllm", "serve"], "args": ["--trust-remote-code", "--seed=1"]}
    data = {"template": {"spec": {"containers": [container]}}, "container": "x", "engine": "VLLM", "kept": 4}
    unset = [{"name": "trust-remote-code", "toggle": True}, {"name": "seed", "values": [1, 2], "allowUnset": True}]
    body = make_task(target=KSERVE, parameters=unset)["spec"]
    del body["model"], body["runtime"]
    found = check(with_target(TaskSpec.model_validate(body), data), shipped(), around("KServeInferenceService"))

    kept = [(one.field, one.kind) for one in found if one.kind in (Kind.FLAG_IN_COMMAND, Kind.FLAG_IN_TARGET)]
    assert kept == [("parameters[seed]", Kind.FLAG_IN_TARGET)]


def test_how_copies_differ_from_a_target_is_told() -> None:
    body = make_task(target=KSERVE)["spec"]
    del body["model"], body["runtime"]
    spec = with_target(TaskSpec.model_validate(body), {"notes": ["copies have no hostNetwork"], "engine": "VLLM"})

    assert "target: copies have no hostNetwork" in [
        one.message for one in warnings(spec, shipped(), around("KServeInferenceService"))
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"allowDownload": True},
        {"volume": {"claimName": "hub", "cache": True}},
        {"volume": {"claimName": "weights"}},
        {"overrides": {"storage": {"path": "/models/llama"}}},
    ],
)
def test_a_large_model_that_is_not_downloaded_anew_is_fine(more: dict[str, Any]) -> None:
    spec = spec_of(model={**LARGE, **more}, runtime=LARGE_VLLM)
    found = check(spec, shipped(), around("Deployment"))
    assert [one.sentence for one in found if one.field == "model" and "download" in one.explanation] == []


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"volume": {"claimName": "hub", "cache": True}}, "model.volume.cache"),
        ({"tokenSecret": {"name": "hf", "key": "token"}}, "model.tokenSecret"),
        ({"allowDownload": True}, "model.allowDownload"),
    ],
)
def test_a_backend_that_brings_models_takes_no_word_about_downloads(more: dict[str, Any], field: str) -> None:
    (found,) = check(spec_of(model={"preset": "llama-3-2-1b-instruct", **more}), shipped(), around("OME"))
    assert (found.field, found.reason) == (field, "InvalidSpec")


def test_auto_says_which_one_serves_where_not_all_can() -> None:
    (found, *_) = warnings(spec_of(), shipped(), around("Deployment", ABSENT))
    assert found.explanation == "Deployment serves the engines, since OME cannot (inferenceservices.ome.io: 404)"
    assert "backend" not in {one.field for one in warnings(spec_of(), shipped(), around("OME"))}
