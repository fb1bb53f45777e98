"""What is read of an InferenceService that runs, and which cannot be copied."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving.backend import UnusableTargetError
from autotuner.serving.target.reading import same
from tests.unit.serving.kserve.stored import (
    BACKEND,
    COMMAND,
    FROM_RUNTIME,
    HUB_ID,
    OWN_ARGS,
    RUNTIME_ARGS,
    annotated,
    custom,
    pod,
    read,
    read_custom,
    runtime,
    service,
)

ROLLOUT = "runs other arguments than the InferenceService and its runtime say"


def test_arguments_are_its_own_and_the_runtimes_are_a_part_of_the_command() -> None:
    template = BACKEND.engine_template(read())

    assert template.command == [*COMMAND, *FROM_RUNTIME]
    assert template.args == OWN_ARGS


def test_a_model_is_known_by_its_address_on_the_hub() -> None:
    model = read()["model"]

    assert (model["storage"]["storageUri"], model["modelArchitecture"]) == (f"hf://{HUB_ID}", "LlamaForCausalLM")
    assert BACKEND.weights(model).downloaded


def test_a_model_on_a_claim_is_not_downloaded() -> None:
    source = {"name": "kserve-pvc-source", "persistentVolumeClaim": {"claimName": "weights"}}
    running = pod(volumeMounts=[{"name": source["name"], "mountPath": "/mnt/models", "subPath": "llama"}])
    running["spec"]["volumes"].append(source)
    found = BACKEND.weights(read(service(model={"storageUri": "pvc://weights/llama"}), pods=[running])["model"])

    assert not found.downloaded
    assert found.claim is not None
    assert (found.claim.volume.claim_name, found.claim.volume.sub_path) == ("weights", "llama")


def test_a_predictor_with_containers_of_its_own_has_no_runtime() -> None:
    data = read_custom()
    template = BACKEND.engine_template(data)

    assert template.command == ["vllm", "serve", HUB_ID, "--port=8080"]
    assert template.args == ["--max-num-seqs=64"]
    assert "runtime" not in data


def test_a_file_is_read_without_pods() -> None:
    found = service(model={"runtime": "vllm"})
    del found["status"]

    assert BACKEND.engine_template(read(found, pods=[])).args == OWN_ARGS


@pytest.mark.parametrize(
    ("status", "asked", "named"),
    [
        ({"servingRuntimeName": "own"}, None, [("ServingRuntime", "own")]),
        ({"clusterServingRuntimeName": "all"}, "own", [("ClusterServingRuntime", "all")]),
        ({}, "own", [("ServingRuntime", "own"), ("ClusterServingRuntime", "own")]),
        ({}, None, []),
    ],
)
def test_runtime_and_pods_are_read_too(status: Object, asked: str | None, named: list[tuple[str, str]]) -> None:
    parts = BACKEND.target_parts(service(model={"runtime": asked}, status=status))

    assert [(one.resource.kind, one.name) for one in parts.named] == named
    assert parts.pods == "app=isvc.chat-predictor"


@pytest.mark.parametrize(
    ("change", "alike"),
    [
        ({"pods": [pod(name="chat-predictor-2")]}, True),
        ({"found": annotated("prometheus.io/port", "80")}, False),
        ({"parts": [runtime(nodeSelector={"a": "b"})]}, False),
        ({"found": service(minReplicas=3)}, True),
        ({"found": service(model={"storageUri": "pvc://weights/a"})}, False),
    ],
)
def test_a_task_notices_what_would_be_measured_otherwise(change: dict[str, Any], alike: bool) -> None:
    assert same(read(), read(**change)) is alike


def test_a_copy_keeps_nothing_that_brings_traffic_or_replicas() -> None:
    found = service(
        hostNetwork=True, serviceAccountName="models", containerConcurrency=4, annotations={"sidecar": "no"}
    )
    data = read(found)

    assert set(data["predictor"]) == {"model", "serviceAccountName"}
    assert "args" not in data["predictor"]["model"]
    assert data["annotations"] == {"prometheus.io/scrape": "true", "modelFormat": "huggingface", "sidecar": "no"}
    assert "copies have no hostNetwork" in data["notes"]


@pytest.mark.parametrize(
    ("found", "parts", "note"),
    [
        (service(), None, f"each experiment downloads the model anew from hf://{HUB_ID}; a claim"),
        (
            service(model={"storageUri": None, "storage": {"key": "s3"}}),
            None,
            "downloads the model anew from its storage",
        ),
        (
            service(model={"storageUri": None, "modelFormat": {"name": "vllm"}}),
            None,
            "without a storageUri KServe puts an agent beside each engine",
        ),
        (service(), [runtime(labels={"role": "llm"})], "ClusterServingRuntime vllm gives its labels to copies too"),
    ],
)
def test_what_differs_in_a_copy_is_told(found: Object, parts: list[Object] | None, note: str) -> None:
    assert any(note in one for one in read(found, parts)["notes"])


def test_a_claim_and_a_format_of_its_own_need_no_word() -> None:
    assert read(service(model={"storageUri": "pvc://weights/a"}))["notes"] == []
    assert read(service(model={"storageUri": None}))["notes"] == []


def test_a_transformer_is_not_copied() -> None:
    found = service()
    found["spec"]["transformer"] = {"containers": []}

    assert "copies have no transformer: the predictor alone is measured" in read(found)["notes"]


def test_the_old_form_of_the_users_own_file_is_known() -> None:
    applied = '{"spec":{"predictor":{"huggingface":{"args":[]}}}}'

    assert read(annotated("kubectl.kubernetes.io/last-applied-configuration", applied))["oldForm"] == "huggingface"
    assert "oldForm" not in read(annotated("kubectl.kubernetes.io/last-applied-configuration", "no JSON"))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"found": annotated("serving.kserve.io/stop", "true")}, "is stopped"),
        ({"found": annotated("serving.kserve.io/deploymentMode", "Knative")}, "only Standard"),
        ({"found": annotated("serving.kserve.io/disable-auto-update", "true")}, "so no patch either"),
        ({"found": service(minReplicas=0)}, "minReplicas 0"),
        ({"found": service(workerSpec={})}, ""),
        ({"found": service(workerSpec={"size": 1})}, "runs on several nodes"),
        ({"parts": [runtime(workerSpec={"size": 1})]}, "runs on several nodes"),
        ({"parts": []}, "has no runtime that can be read"),
        ({"found": {**service(), "spec": {"predictor": {"triton": {}}}}}, "stored with predictor.triton"),
        (
            {"found": {**service(), "spec": {"predictor": {}}}},
            "neither predictor.model nor a container kserve-container",
        ),
        ({"pods": []}, r"has no pods \(app=isvc.chat-predictor\)"),
        ({"pods": [pod(), pod(args=["--old"], name="chat-predictor-0")]}, f"pod chat-predictor-0 {ROLLOUT}"),
        ({"pods": [pod(args=[*FROM_RUNTIME, *OWN_ARGS[:-1], "8192"])]}, ROLLOUT),
        (
            {
                "parts": [runtime(args=["exec vllm serve /mnt/models"], command=["sh", "-c"])],
                "pods": [pod(args=["exec vllm serve /mnt/models", *OWN_ARGS], command=["sh", "-c"])],
            },
            "ClusterServingRuntime vllm starts the engine by a shell script, which gets none of the arguments",
        ),
    ],
)
def test_what_cannot_be_copied_is_refused_with_the_reason(given: dict[str, Any], why: str) -> None:
    if not why:  # an empty workerSpec is none
        assert read(**given)["kept"] == len(COMMAND) + len(RUNTIME_ARGS)
        return
    with pytest.raises(UnusableTargetError, match=why):
        read(**given)


def test_a_script_of_its_own_is_read() -> None:
    script = ["exec vllm serve /mnt/models --max-num-seqs 64"]
    found = service(model={"command": ["sh", "-c"], "args": script})
    data = read(found, [runtime(args=[])], [pod(args=script, command=["sh", "-c"])])

    assert BACKEND.engine_template(data).args == ["--max-num-seqs", "64"]


def test_custom_needs_its_engine_where_kserve_looks_for_it() -> None:
    unnamed = pod()
    unnamed["spec"]["containers"][0]["name"] = "engine"
    with pytest.raises(UnusableTargetError, match="has no container kserve-container"):
        read(custom(), [], [unnamed])
