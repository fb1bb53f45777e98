from __future__ import annotations

import copy
from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from testbed.ome.merge import TemplateError, expand, merge


def runner(**fields: Any) -> Object:
    return {"runner": {"name": "ome-container", **fields}}


def merged_runner(base: Object, patch: Object) -> Object:
    result: Object = merge(runner(**base), runner(**patch))["runner"]
    del result["name"]
    return result


@pytest.mark.parametrize(
    ("base", "patch", "expected"),
    [
        pytest.param({"args": ["--a", "1"]}, {"args": ["--b"]}, {"args": ["--b"]}, id="args are replaced whole"),
        pytest.param({"args": ["--a"]}, {"args": []}, {"args": ["--a"]}, id="an empty list of args counts as unset"),
        pytest.param({"args": ["--a"]}, {"args": ["", "X"]}, {"args": ["", "X"]}, id="an empty argument stays"),
        pytest.param({"command": ["a", "b"]}, {"command": ["c"]}, {"command": ["c"]}, id="command is replaced whole"),
        pytest.param({"command": ["a"]}, {"args": ["b"]}, {"command": ["a"], "args": ["b"]}, id="unset keeps"),
        pytest.param({"image": "a"}, {"image": "b"}, {"image": "b"}, id="image is replaced"),
        pytest.param({"image": "a"}, {"image": ""}, {"image": "a"}, id="an empty image counts as unset"),
        pytest.param(
            {"env": [{"name": "RT", "value": "rt"}, {"name": "SHARED", "value": "rt"}]},
            {"env": [{"name": "OWN", "value": "isvc"}, {"name": "SHARED", "value": "isvc"}]},
            {
                "env": [
                    {"name": "OWN", "value": "isvc"},
                    {"name": "RT", "value": "rt"},
                    {"name": "SHARED", "value": "isvc"},
                ]
            },
            id="env is merged by name, in the order seen on a real OME",
        ),
        pytest.param(
            {"env": [{"name": "A", "value": "rt"}]},
            {"env": [{"name": "A", "value": ""}]},
            {"env": [{"name": "A", "value": "rt"}]},
            id="an empty value of env is lost by Go's omitempty",
        ),
        pytest.param(
            {"env": [{"name": "A", "value": "rt"}]},
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]},
            {"env": [{"name": "A", "value": "rt", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]},
            id="value and valueFrom of one variable add up, which the API server then refuses",
        ),
        pytest.param(
            {"ports": [{"containerPort": 8080, "name": "http1"}]},
            {"ports": [{"containerPort": 9000}]},
            {"ports": [{"containerPort": 9000}, {"containerPort": 8080, "name": "http1"}]},
            id="ports are merged by number with the service's first",
        ),
        pytest.param(
            {"volumeMounts": [{"mountPath": "/dev/shm", "name": "dshm"}]},
            {"volumeMounts": [{"mountPath": "/models", "name": "models"}, {"mountPath": "/dev/shm", "name": "mine"}]},
            {"volumeMounts": [{"mountPath": "/models", "name": "models"}, {"mountPath": "/dev/shm", "name": "mine"}]},
            id="volume mounts are merged by path",
        ),
        pytest.param(
            {"resources": {"limits": {"cpu": "4", "nvidia.com/gpu": 1}, "requests": {"nvidia.com/gpu": 1}}},
            {"resources": {"limits": {"nvidia.com/gpu": 2}}},
            {"resources": {"limits": {"cpu": "4", "nvidia.com/gpu": 2}, "requests": {"nvidia.com/gpu": 1}}},
            id="resources are merged per key, so that a limit alone ends unequal to the request",
        ),
        pytest.param(
            {"readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 60}},
            {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 5}},
            {
                "readinessProbe": {
                    "httpGet": {"path": "/health", "port": 8080},
                    "tcpSocket": {"port": 8080},
                    "periodSeconds": 5,
                }
            },
            id="probes are merged deep, so that another handler ends beside the runtime's",
        ),
    ],
)
def test_a_runner_is_merged_as_ome_does(base: Object, patch: Object, expected: Object) -> None:
    assert merged_runner(base, patch) == expected


@pytest.mark.parametrize(
    ("base", "patch", "expected"),
    [
        pytest.param(
            {"tolerations": [{"key": "gpu"}]},
            {"tolerations": [{"key": "mine"}]},
            {"tolerations": [{"key": "mine"}]},
            id="tolerations are replaced whole",
        ),
        pytest.param(
            {"volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory"}}]},
            {"volumes": [{"name": "pvc", "persistentVolumeClaim": {"claimName": "c"}}]},
            {
                "volumes": [
                    {"name": "pvc", "persistentVolumeClaim": {"claimName": "c"}},
                    {"name": "dshm", "emptyDir": {"medium": "Memory"}},
                ]
            },
            id="volumes are merged by name",
        ),
        pytest.param({}, {"volumes": [{"name": "v", "emptyDir": {}}]}, {"volumes": [{"name": "v", "emptyDir": {}}]}),
        pytest.param(
            {"nodeSelector": {"a": "1", "b": "1"}},
            {"nodeSelector": {"b": "2", "c": ""}},
            {"nodeSelector": {"a": "1", "b": "2", "c": ""}},
            id="the node selector is merged per key, empty values included",
        ),
        pytest.param(
            {"minReplicas": 1, "maxReplicas": 3},
            {"minReplicas": 0, "maxReplicas": 0},
            {"minReplicas": 0, "maxReplicas": 3},
            id="a zero counts where the Go field is a pointer",
        ),
        pytest.param(
            {"hostNetwork": True}, {"hostNetwork": False}, {"hostNetwork": True}, id="false cannot undo a plain flag"
        ),
        pytest.param(
            {"terminationGracePeriodSeconds": 30},
            {"terminationGracePeriodSeconds": 5},
            {"terminationGracePeriodSeconds": 5},
            id="other scalars are replaced",
        ),
        pytest.param(
            {"affinity": {"nodeAffinity": {"x": [1]}, "podAffinity": {}}},
            {"affinity": {"nodeAffinity": {"x": [2]}}},
            {"affinity": {"nodeAffinity": {"x": [2]}, "podAffinity": {}}},
            id="affinity is merged deep, its lists are replaced",
        ),
    ],
)
def test_an_engine_is_merged_as_ome_does(base: Object, patch: Object, expected: Object) -> None:
    assert merge(base, patch) == expected


def test_items_of_the_runtime_keep_their_place_before_the_ones_that_follow_them() -> None:
    base = [{"name": name, "value": "rt"} for name in "abcd"]
    patch = [{"name": name, "value": "isvc"} for name in ("c", "new", "a")]
    names = [item["name"] for item in merge({"env": base}, {"env": patch})["env"]]
    # b and d are the runtime's alone: b goes before c, which the patch puts first.
    assert names == ["b", "c", "new", "a", "d"]


def test_merging_changes_neither_side() -> None:
    base, patch = runner(env=[{"name": "A", "value": "1"}]), runner(env=[{"name": "A", "value": "2"}])
    before = copy.deepcopy((base, patch))
    merge(base, patch)["runner"]["env"][0]["value"] = "3"
    assert (base, patch) == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--served-model-name={{.Name}}", "--served-model-name=exp-one"),
        ("{{ .Namespace }}/{{- .Name -}}", "tune/exp-one"),
        ("{{.Labels.task}}{{.Annotations.none}}", "demo<no value>"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ("$(MODEL_PATH)", "$(MODEL_PATH)"),
    ],
)
def test_templates_that_go_expands(text: str, expected: str) -> None:
    metadata = {"name": "exp-one", "namespace": "tune", "labels": {"task": "demo"}}
    assert expand({"args": [text, 1]}, metadata) == {"args": [expected, 1]}


@pytest.mark.parametrize(
    "text", ["{{ messages }}", "{{.Nmae}}", "{{", '{{"x": 1}', "{{.Name}} {{ for m in messages }}"]
)
def test_templates_that_go_refuses(text: str) -> None:
    with pytest.raises(TemplateError):
        expand(["fine", text], {"name": "exp-one"})
