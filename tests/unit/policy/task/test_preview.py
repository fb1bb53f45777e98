"""What a task that is suspended before its start shows: the first InferenceService, and nothing of an experiment."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from autotuner.kubernetes_object import Object
from autotuner.policy.task import preview
from tests.unit.task_builders import MODEL, live_runtime, make_task, observed


def shown(task: Object | None = None, **around: Any) -> Object:
    seen = observed(task or make_task(suspend=True), **around)
    body = preview.config_map(seen)
    assert body is not None
    return body


def test_the_first_inference_service_is_complete_and_belongs_to_nobody() -> None:
    body = shown(make_task(suspend=True, baseline={"args": ["--tp-size=2"]}))
    service = yaml.safe_load(body["data"]["inferenceservice.yaml"])

    assert service["kind"] == "InferenceService"
    assert service["metadata"]["name"] == "chat-0"
    assert service["metadata"].keys() == {"name", "namespace", "annotations"}
    assert service["spec"]["model"] == {"kind": "ClusterBaseModel", "name": MODEL}
    assert "--tp-size=2" in service["spec"]["engine"]["runner"]["args"]
    assert service["spec"]["engine"]["runner"]["resources"]["limits"] == {"nvidia.com/gpu": "2"}


def test_the_config_map_goes_with_the_task() -> None:
    meta = shown()["metadata"]

    assert (meta["name"], meta["namespace"]) == ("chat-preview", "team")
    assert [owner["uid"] for owner in meta["ownerReferences"]] == ["uid-chat"]


def test_what_would_be_created_before_is_shown_too() -> None:
    body = shown(model=None, runtime=None, wanted_runtime=None)
    documents = list(yaml.safe_load_all(body["data"]["created-before.yaml"]))

    assert [document["kind"] for document in documents] == ["ClusterBaseModel", "ClusterServingRuntime"]
    assert documents[1]["metadata"]["name"] == live_runtime()["metadata"]["name"]


def test_what_is_there_is_not_created() -> None:
    assert "created-before.yaml" not in shown()["data"]


def test_is_written_only_when_it_changes() -> None:
    task = make_task(suspend=True)
    body = shown(task)

    assert preview.config_map(observed(task, preview=body)) is None
    changed = make_task(suspend=True, runtime={"image": "engine:2"})
    assert preview.config_map(observed(changed, preview=body)) is not None


def test_more_experiments_cost_more() -> None:
    one = preview.status(observed(make_task(suspend=True, parameters=[{"name": "tp-size", "values": [1]}])))
    four = preview.status(observed(make_task(suspend=True, search={"maxExperiments": 4})))

    assert one.config_map == "chat-preview"
    assert one.gpu_hours is not None
    assert four.gpu_hours is not None
    assert 0 < one.gpu_hours < four.gpu_hours


def test_repeats_cost_too() -> None:
    search = {"maxExperiments": 2, "confirm": {"maxRepeats": 0}}
    none = preview.status(observed(make_task(suspend=True, search=search)))
    some = preview.status(observed(make_task(suspend=True, search={**search, "confirm": {"top": 1, "maxRepeats": 3}})))

    assert none.gpu_hours is not None
    # The baseline and two more; then the baseline and one of them, three times each.
    assert some.gpu_hours == pytest.approx(none.gpu_hours * 9 / 3, rel=0.02)
