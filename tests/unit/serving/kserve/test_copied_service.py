"""The InferenceService of an experiment, its Service, and the patch by which a target takes what won."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from tests.unit.serving.kserve.stored import (
    BACKEND,
    MODEL,
    annotated,
    custom,
    experiment,
    pod,
    read,
    read_custom,
    runtime,
    service,
)

OURS = {"autotuner.io/experiment", "autotuner.io/experiment-uid"}
TUNED = ["--max-num-seqs=8"]


def rendered(data: Object, args: list[str] | None = None, **more: object) -> Object:
    body, served = experiment(TUNED if args is None else args, **more)
    return BACKEND.render(body, served, {"data": data})


def patched(data: Object, **more: object) -> Object:
    body, served = experiment(TUNED, **more)
    found = BACKEND.winner(body, served, {"data": data}, "any").body
    assert isinstance(found, dict)
    predictor: Object = found["spec"]["predictor"]
    return predictor


def test_a_copy_is_local_alone_and_not_scaled() -> None:
    copied = rendered(read(), labels={"cost": "7"}, annotations={"own": "a"})
    meta, predictor = copied["metadata"], copied["spec"]["predictor"]

    assert set(meta["labels"]) == OURS | {"networking.kserve.io/visibility", "cost"}
    assert meta["labels"]["networking.kserve.io/visibility"] == "cluster-local"
    assert meta["annotations"] == {
        "serving.kserve.io/deploymentMode": "Standard",
        "serving.kserve.io/autoscalerClass": "none",
        "prometheus.io/scrape": "true",
        "modelFormat": "huggingface",
        "own": "a",
    }
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (1, 1)
    assert predictor["model"]["runtime"] == "vllm", "KServe may not choose another one for a copy"
    assert predictor["model"]["storageUri"] == MODEL["storageUri"]
    assert predictor["terminationGracePeriodSeconds"] == 10


def test_arguments_come_after_the_runtimes_and_a_template_makes_no_difference() -> None:
    args = rendered(read())["spec"]["predictor"]["model"]["args"]

    assert args == ["--served-model-name=chat", "--max-num-seqs=8"]


def test_without_arguments_a_copy_has_those_of_the_target() -> None:
    assert rendered(read(), [])["spec"]["predictor"]["model"]["args"][1:] == MODEL["args"]


def test_accelerators_follow_the_arguments_beside_cpu_and_memory() -> None:
    copied = rendered(read(), accelerator={"resource": "nvidia.com/gpu", "count": 4})

    assert copied["spec"]["predictor"]["model"]["resources"] == {
        "limits": {"cpu": "8", "nvidia.com/gpu": "4"},
        "requests": {"nvidia.com/gpu": "4"},
    }


def test_what_is_placed_and_set_for_all_experiments_comes_along() -> None:
    predictor = rendered(
        read(),
        nodeSelector={"pool": "a"},
        tolerations=[{"key": "gpu", "operator": "Exists"}],
        priorityClassName="low",
        image="vllm/vllm-openai:v0.34.0",
        env=[{"name": "HF_HOME", "value": "/data"}, {"name": "NEW", "value": "1"}],
    )["spec"]["predictor"]

    assert predictor["nodeSelector"]["pool"] == "a"
    assert (predictor["tolerations"], predictor["priorityClassName"]) == ([{"key": "gpu", "operator": "Exists"}], "low")
    assert predictor["model"]["image"] == "vllm/vllm-openai:v0.34.0"
    assert predictor["model"]["env"] == [{"name": "HF_HOME", "value": "/data"}, {"name": "NEW", "value": "1"}]


def test_an_older_kserve_gets_its_own_word_for_the_mode() -> None:
    data = read(annotated("serving.kserve.io/deploymentMode", "RawDeployment"))

    assert rendered(data)["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "RawDeployment"


def test_a_container_of_ones_own_is_started_with_other_arguments() -> None:
    engine, proxy = rendered(read_custom())["spec"]["predictor"]["containers"]

    assert engine["command"] == custom()["spec"]["predictor"]["containers"][0]["command"]
    assert engine["args"] == ["--port=8080", "--max-num-seqs=8"]
    assert proxy == {"name": "proxy", "image": "p"}


def test_a_script_of_ones_own_has_other_arguments() -> None:
    script = ["exec vllm serve /mnt/models --max-num-seqs 64"]
    found = service(model={"command": ["sh", "-c"], "args": script})
    data = read(found, [runtime(args=[])], [pod(args=script, command=["sh", "-c"])])
    model = rendered(data)["spec"]["predictor"]["model"]

    assert (model["command"], model["args"]) == (["sh", "-c"], ["exec vllm serve /mnt/models --max-num-seqs=8"])


@pytest.mark.parametrize(("ports", "port"), [([{"containerPort": 9000}], 9000), (None, 8080)])
def test_the_benchmark_reaches_the_port_of_the_pod_whatever_service_kserve_makes(
    ports: list[Object] | None, port: int
) -> None:
    running = pod()
    running["spec"]["containers"][0]["ports"] = ports
    body, served = experiment(TUNED)
    root = BACKEND.render(body, served, {"data": read(pods=[running])})
    ((resource, made),) = BACKEND.companions(body, served, {**root, "metadata": {**root["metadata"], "uid": "u"}})

    assert (resource.kind, made["metadata"]["name"]) == ("Service", "chat-1-engine")
    assert made["spec"]["selector"] == {"app": "isvc.chat-1-predictor"}
    assert [one["port"] for one in made["spec"]["ports"]] == [port]
    assert made["metadata"]["ownerReferences"][0]["kind"] == "InferenceService"


def test_the_patch_replaces_the_users_list_as_a_whole_and_says_what_it_costs() -> None:
    body, served = experiment(TUNED, accelerator={"resource": "nvidia.com/gpu", "count": 2})
    found = BACKEND.winner(body, served, {"data": read()}, "any")

    count = {"nvidia.com/gpu": "2"}
    assert found.body == {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "chat", "namespace": "team"},
        "spec": {"predictor": {"model": {"args": TUNED, "resources": {"requests": count, "limits": count}}}},
    }
    assert found.patch_of is not None
    assert (found.patch_of.command_target, found.patch_of.type) == ("inferenceservices.serving.kserve.io/chat", "merge")
    assert "room for both" in found.note


def test_a_patch_keeps_the_variables_of_the_target() -> None:
    model = patched(read(), env=[{"name": "NEW", "value": "1"}], image="i:1")["model"]

    assert model["env"] == [*MODEL["env"], {"name": "NEW", "value": "1"}]
    assert model["image"] == "i:1"


def test_a_patch_of_containers_holds_all_of_them() -> None:
    engine, proxy = patched(read_custom(), accelerator={"resource": "nvidia.com/gpu", "count": 2})["containers"]

    assert engine["args"] == ["--port=8080", "--max-num-seqs=8"]
    assert engine["resources"] == {
        "limits": {"cpu": "1", "nvidia.com/gpu": "2"},
        "requests": {"nvidia.com/gpu": "2"},
    }
    assert proxy["name"] == "proxy"


def test_whoever_applied_the_old_form_is_told_where_the_arguments_go() -> None:
    applied = '{"spec":{"predictor":{"huggingface":{}}}}'
    data = read(annotated("kubectl.kubernetes.io/last-applied-configuration", applied))
    body, served = experiment(TUNED)

    assert (
        "The file that was applied has predictor.huggingface" in BACKEND.winner(body, served, {"data": data}, "").note
    )
