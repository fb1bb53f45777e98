"""What experiments make of an LLMInferenceService, and the patch with which the original runs what won."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from autotuner import yaml_text
from autotuner.kubernetes_object import Object
from autotuner.serving.backend import Endpoint
from autotuner.serving.pods import view
from tests.unit.builders import make_pod
from tests.unit.serving.llm_inference_service.made_up_service import (
    BACKEND,
    HUB_ID,
    configuration,
    data_of,
    pod,
    served,
    service,
)

ADDITIONAL = "VLLM_ADDITIONAL_ARGS"
PLAIN = {"command": ["vllm", "serve", "/m", "--port=8000"]}
JSON = '--compilation-config={"level": 3, "sizes": [1, 2]}'


def rendered(data: Object | None = None, **changes: Any) -> Object:
    body, spec = served(**changes)
    return BACKEND.render(body, spec, {"data": data or data_of()})


def main_of(root: Object) -> Object:
    (main,) = root["spec"]["template"]["containers"]
    return dict(main)


def patch_of(data: Object, **changes: Any) -> Object:
    body, spec = served(**changes)
    found = BACKEND.winner(body, spec, {"data": data}, "any")
    assert isinstance(found.body, dict)
    return found.body


def applied(live: Object, patch: Object) -> Object:
    """What a JSON merge patch makes of an object (RFC 7396)."""
    result = copy.deepcopy(live)
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = applied(result[key], value)
        else:
            result[key] = value
    return result


def test_an_experiment_is_one_pod_without_a_way_in_for_others() -> None:
    data = data_of()
    before = copy.deepcopy(data)
    root = rendered(data, labels={"cost": "lab"}, annotations={"note": "x"}, queueName="gpus")
    spec = root["spec"]
    ours = {"autotuner.io/experiment": "tune-1", "autotuner.io/experiment-uid": "uid-tune-1"}
    expected = {"cost": "lab", **ours, "kueue.x-k8s.io/queue-name": "gpus"}

    assert (root["apiVersion"], root["kind"]) == ("serving.kserve.io/v1alpha2", "LLMInferenceService")
    assert root["metadata"]["ownerReferences"][0]["uid"] == "uid-tune-1"
    assert root["metadata"]["labels"] == spec["labels"] == expected, "only spec.labels reach the pods"
    assert root["metadata"]["annotations"] == spec["annotations"] == {"note": "x"}
    assert spec["replicas"] == 1
    assert not {"router", "scaling"} & set(spec)
    assert spec["model"] == {"uri": f"hf://{HUB_ID}", "name": "llama"}
    assert spec["template"]["nodeSelector"] == {"pool": "gpu"}
    assert data == before, "the snapshot is not touched"


@pytest.mark.parametrize(
    ("main", "args"),
    [
        ({}, ["--a=1", f"'{JSON}'", "'--b=x y'", "'--c=$HOME'", "--d"]),
        (PLAIN, ["--a=1", JSON, "--b=x y", "--c=$HOME", "--d"]),
    ],
)
def test_arguments_are_quoted_for_the_presets_shell_and_nowhere_else(main: Object, args: list[str]) -> None:
    given = ["--a=1", JSON, "--b=x y", "--c=$HOME", "--d"]
    data = data_of(None, pod(**main))
    root, patch = rendered(data, args=given), patch_of(data, args=given)

    for found in (main_of(root), patch["spec"]["template"]["containers"][0]):
        assert found["args"][-len(args) :] == args
        again = BACKEND.engine_template(data_of(None, pod(**{**main, **found}))).args
        assert again == ["--tensor-parallel-size=2", *given] if not main else again == given


def test_flags_that_are_no_ones_to_tune_stay() -> None:
    data = data_of(None, pod(args=["--port=8000", "'--served-model-name=a b'", "--max-num-seqs=64"]))
    assert main_of(rendered(data))["args"] == ["--port=8000", "'--served-model-name=a b'", "--max-num-seqs=8"]


def test_an_experiment_without_arguments_has_the_originals() -> None:
    assert main_of(rendered(args=[]))["args"] == ["--tensor-parallel-size=2", "--max-num-seqs=64"]


@pytest.mark.parametrize(
    ("args", "count", "tensor"),
    [
        (["--tensor-parallel-size=4"], 4, 4),
        (["-tp", "2", "--pipeline-parallel-size=2"], 4, 2),
        (["--max-num-seqs=8"], 1, 1),
    ],
)
def test_accelerators_and_parallelism_follow_the_arguments(args: list[str], count: int, tensor: int) -> None:
    data = data_of()
    root, patch = (
        rendered(data, args=args, accelerator={"count": count}),
        patch_of(data, args=args, accelerator={"count": count}),
    )
    for spec in (root["spec"], patch["spec"]):
        assert spec["parallelism"] == {"tensor": tensor}, "the controller makes a flag of it, before the arguments"
        wanted = {"nvidia.com/gpu": str(count)}
        assert spec["template"]["containers"][0]["resources"] == {"requests": wanted, "limits": wanted}


def test_a_degree_that_the_object_does_not_have_is_not_added() -> None:
    data = data_of(service(parallelism=None), pod(command=PLAIN["command"]))
    args = ["--tensor-parallel-size=4"]
    assert rendered(data, args=args)["spec"]["parallelism"] is None
    assert "parallelism" not in patch_of(data, args=args)["spec"]


def test_a_slow_start_has_its_time_and_an_end_is_no_wait() -> None:
    main = main_of(rendered(startup=3600))
    assert main["startupProbe"] == {"periodSeconds": 1, "failureThreshold": 3660}
    assert main["readinessProbe"] == {"periodSeconds": 1}
    assert main["lifecycle"] == {"preStop": {"exec": {"command": ["true"]}}}
    assert rendered()["spec"]["template"]["terminationGracePeriodSeconds"] == 10


def test_what_the_pod_does_not_have_is_not_changed() -> None:
    data = data_of(None, pod(startupProbe=None, readinessProbe=None, lifecycle={"preStop": {"httpGet": {"port": 1}}}))
    for probe in ("startupProbe", "readinessProbe"):
        del data["template"]["spec"]["containers"][0][probe]
    assert not {"startupProbe", "readinessProbe", "lifecycle"} & set(main_of(rendered(data)))


@pytest.mark.parametrize("name", ["tune-1", "a" * 43, "a" * 40 + "-123", "a" * 32 + "-" * 9 + "1234"])
def test_names_leave_room_for_those_of_the_children(name: str) -> None:
    body, _ = served(name)
    found = BACKEND.root_name(body)
    assert (found == name) == (len(name) <= 43)
    assert len(f"{found}-kserve-workload-svc") <= 63, "of a longer one the controller makes another name"
    assert "---" not in found.replace(name, "")
    assert rendered(name=name)["metadata"]["name"] == found
    (deployment,) = BACKEND.related(body)
    assert (deployment.resource.kind, deployment.name) == ("Deployment", f"{found}-kserve")
    endpoint = BACKEND.endpoint(body, view(make_pod(), "ome-container"))
    assert endpoint == Endpoint("http", f"{found}-kserve-workload-svc.team.svc", 8000)


def test_two_long_names_are_two() -> None:
    names = {BACKEND.root_name(served("a" * 60 + f"-{index}")[0]) for index in range(20)}
    assert len(names) == 20


def test_the_patch_makes_the_original_run_what_won() -> None:
    side_car = {"name": "metrics", "image": "metrics:1"}
    main = {
        "name": "main",
        "args": ["--max-num-seqs=64"],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "ports": [{"containerPort": 8000, "hostPort": 80}],
        "resources": {"limits": {"nvidia.com/gpu": "2", "memory": "8Gi"}},
    }
    live = service(template={"containers": [side_car, main], "nodeSelector": {"pool": "gpu"}})
    patch = patch_of(data_of(live), image="vllm:2", env=[{"name": "B", "value": "3"}])
    after = applied(live, yaml.safe_load(yaml_text.dump(patch)))

    assert set(patch) == {"apiVersion", "kind", "metadata", "spec"}
    assert patch["metadata"] == {"name": "chat", "namespace": "team"}
    assert set(patch["spec"]) == {"template", "parallelism"}, "neither labels nor replicas nor router"
    assert after["spec"]["template"]["nodeSelector"] == {"pool": "gpu"}
    first, second = after["spec"]["template"]["containers"]
    assert first == side_car, "a merge patch replaces the whole list"
    assert second == {
        **main,
        "image": "vllm:2",
        "args": ["--max-num-seqs=8"],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}],
        "resources": {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1", "memory": "8Gi"}},
    }
    assert {**after["spec"], "template": 0, "parallelism": 0} == {**live["spec"], "template": 0, "parallelism": 0}


def test_the_patch_of_an_object_without_containers_brings_the_one() -> None:
    patch = patch_of(data_of(service(template=None)), accelerator={"count": 1, "resource": ""})
    assert patch["spec"]["template"] == {"containers": [{"name": "main", "args": ["--max-num-seqs=8"]}]}


@pytest.mark.parametrize(("inherited", "expected"), [(False, None), (True, [{"name": ADDITIONAL, "value": " "}])])
def test_additional_flags_are_not_given_twice(inherited: bool, expected: object) -> None:
    own = {"name": ADDITIONAL, "value": "--max-num-seqs=64 --enforce-eager"}
    holder = {"containers": [{"name": "main", "env": [own]}]}
    live = service(template=None if inherited else holder)
    base = configuration(template=holder if inherited else {})
    data = data_of(live, pod(args=[], env=[own]), configurations=[base])
    for main in (main_of(rendered(data)), patch_of(data)["spec"]["template"]["containers"][0]):
        assert (main.get("env") or None) == expected
        assert main["args"] == ["--max-num-seqs=8"]


def test_the_patch_says_what_it_costs() -> None:
    quoted = BACKEND.winner(*served(), {"data": data_of()}, "any")
    plain = BACKEND.winner(*served(), {"data": data_of(None, pod(**PLAIN))}, "any")
    assert "needs room for both" in plain.note
    assert "quotes" in quoted.note
    assert "quotes" not in plain.note
    for found in (quoted, plain):
        assert found.patch_of is not None
        assert found.patch_of.type == "merge"
        assert found.patch_of.command_target == "llminferenceservices.serving.kserve.io/chat"
