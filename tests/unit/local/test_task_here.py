"""What of a task's file means something else on one machine."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.local.running.task_here import adapted

TASK: dict[str, Any] = {
    "metadata": {"name": "chat"},
    "spec": {"model": {"preset": "m"}, "runtime": {"preset": "r"}, "benchmark": {}, "search": {"maxExperiments": 1}},
}


def task(**spec: Any) -> dict[str, Any]:
    return {**TASK, "spec": {**TASK["spec"], **spec}}


@pytest.mark.parametrize(
    ("spec", "note"),
    [
        ({"placement": {"queueName": "gpus"}}, "placement.queueName: there is no queue"),
        ({"placement": {"nodeSelector": {"a": "b"}}}, "placement.nodeSelector: there is one node"),
        ({"placement": {"tolerations": [{"key": "x"}]}}, "placement.tolerations: "),
        ({"placement": {"priorityClassName": "high"}}, "placement.priorityClassName: "),
        ({"benchmark": {"pod": {"image": "x"}}}, "benchmark.pod: "),
        ({"benchmark": {"placement": "OtherNode"}}, "benchmark.placement: OtherNode: there is one node"),
        ({"backend": "OME"}, "backend: OME: there is no cluster"),
        ({"model": {"preset": "m", "volume": {"claimName": "c", "cache": True}}}, "model.volume: the hub's own cache"),
    ],
)
def test_what_means_nothing_is_told_and_left_out(spec: dict[str, Any], note: str) -> None:
    found = adapted(task(**spec), None)

    assert [words.startswith(note) for words in found.notes] == [True]
    assert not found.refused
    assert not adapted(found.body, None).notes, "a second look finds nothing to tell"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"target": {"kind": "Deployment"}}, "spec.target: there is no cluster that serves it: name model and runtime"),
        ({"model": {"preset": "m", "volume": {"claimName": "c"}}}, "spec.model.volume: there are no claims"),
    ],
)
def test_what_only_a_cluster_has_is_refused_with_the_way_out(spec: dict[str, Any], words: str) -> None:
    assert [found.startswith(words) for found in adapted(task(**spec), None).refused] == [True]


def test_a_task_as_it_runs_here() -> None:
    document = task(runtime={"preset": "r", "local": {"command": ["/opt/vllm", "serve"]}})

    found = adapted(document, 3)

    assert found.body["metadata"]["namespace"] == "default"
    assert found.body["spec"]["backend"] == "Deployment"
    assert found.body["spec"]["search"]["parallelExperiments"] == 3
    assert found.command == ["/opt/vllm", "serve"]
    assert "namespace" not in document["metadata"], "the file's own object stays as it is"
