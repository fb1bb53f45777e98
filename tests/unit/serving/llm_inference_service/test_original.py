"""LLMInferenceServices that somebody runs: what is read of them, and which cannot be copied."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.preflight import Surroundings, check, warnings
from autotuner.serving.backend import FoundTarget, UnusableTargetError
from autotuner.serving.target.reading import claims, same
from tests.unit.serving.llm_inference_service.made_up_service import (
    BACKEND,
    HUB_ID,
    PRESET_NAME,
    TARGET,
    configuration,
    data_of,
    pod,
    service,
    task_with,
)
from tests.unit.task_builders import shipped

HTTPS = {"httpGet": {"path": "/health", "port": 8000, "scheme": "HTTPS"}}
ADDITIONAL = "VLLM_ADDITIONAL_ARGS"


def flags(data: Object) -> list[str]:
    return BACKEND.engine_template(data).args


def test_engine_model_and_flags_are_recognised() -> None:
    data = data_of()
    spec, template = task_with(data), BACKEND.engine_template(data)

    assert (data["container"], data["engine"], spec.runtime.engine) == ("main", "VLLM", "VLLM")
    assert template.args == ["--tensor-parallel-size=2", "--max-num-seqs=64"]
    assert template.command[:3] == ["vllm", "serve", "/mnt/models"]
    assert template.image == "vllm/vllm-openai:v0.33.0"
    assert data["model"]["modelArchitecture"] == "LlamaForCausalLM", "a preset knows this id"
    assert data["model"]["storage"] == {"storageUri": f"hf://{HUB_ID}"}
    assert spec.runtime.served_model_name == "llama", "the engine lists a second name"


def test_what_is_read_besides_it() -> None:
    live = service(baseRefs=[{"name": "base"}, {"name": PRESET_NAME}])
    parts = BACKEND.target_parts(live)

    assert [(one.resource.kind, one.namespace, one.name) for one in parts.named] == [
        ("LLMInferenceServiceConfig", "kserve", PRESET_NAME),
        ("LLMInferenceServiceConfig", "team", "base"),
    ]
    workload = "app.kubernetes.io/part-of=llminferenceservice,kserve.io/component=workload"
    assert parts.pods == f"app.kubernetes.io/name=chat,{workload}", "its scheduler's pod has other words"
    renamed = service(labels={"app.kubernetes.io/name": "other"})
    assert BACKEND.target_parts(renamed).pods == f"app.kubernetes.io/name=other,{workload}"


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        ({"args": []}, []),
        ({"args": ["--a=1 --b 2"]}, ["--a=1", "--b", "2"]),
        ({"args": ["--json='{\"a\": [1, 2]}'"]}, ['--json={"a": [1, 2]}']),
        ({"env": [{"name": ADDITIONAL, "value": "--a='x y'"}], "args": ["--b"]}, ["--a=x y", "--b"]),
        ({"env": [{"name": "N", "value": "7"}], "args": ["--a=$(N)", "--b=$N"]}, ["--a=7", "--b=7"]),
        ({"args": ["--served-model-name=z", "--a=1", "--port", "9"]}, ["--a=1"]),
        ({"command": ["vllm", "serve", "/m"], "args": ["--a='x y'", "--b={1,2}"]}, ["--a='x y'", "--b={1,2}"]),
        ({"command": ["sh", "-c", "exec vllm serve /m --a 'x y'"], "args": None}, ["--a", "x y"]),
    ],
)
def test_the_baseline_is_what_the_engine_is_given(main: Object, expected: list[str]) -> None:
    found = flags(data_of(None, pod(**main)))
    assert [flag for flag in found if flag != "--tensor-parallel-size=2"] == expected


def test_a_tensor_degree_among_the_arguments_is_the_one_that_counts() -> None:
    assert flags(data_of(None, pod(args=["-tp", "4"]))) == ["-tp", "4"]


@pytest.mark.parametrize(
    ("main", "live", "name"),
    [
        ({}, service(), "llama"),
        ({}, service(model={"uri": "hf://a/b"}), "llama"),  # the script says so
        ({"args": ["--served-model-name=z"]}, service(), "z"),
        ({"command": ["vllm", "serve", "/m"]}, service(), ""),
        ({"command": ["vllm", "serve", "/m", "--served-model-name", "q"]}, service(), "q"),
    ],
)
def test_the_name_in_requests_is_what_the_original_answers_to(main: Object, live: Object, name: str) -> None:
    assert data_of(live, pod(**main))["servedModelName"] == name
    assert data_of(live, pod(**main), servedModelName="mine")["servedModelName"] == "mine"


def test_of_several_pods_the_newest_is_read() -> None:
    scheduler: Object = {"metadata": {"creationTimestamp": "2030"}, "spec": {"containers": [{"name": "epp"}]}}
    newest = pod(created=9, args=["--new=1"])
    assert flags(data_of(None, pod(created=8), newest, pod(created=7), scheduler))[-1] == "--new=1"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "LLMInferenceService chat does not exist"),
        (service({"deletionTimestamp": "x"}), "is being deleted"),
        (
            service({"ownerReferences": [{"controller": True, "kind": "App", "name": "n"}]}),
            "is made by App n, which would undo a change of it",
        ),
        (service(replicas=0), "has no replicas"),
        (
            service({"annotations": {"serving.kserve.io/stop": "true"}}),
            "LLMInferenceService chat is stopped by its annotation",
        ),
        (service(worker={"containers": []}), "has spec.worker: one engine over several nodes"),
        (service(prefill={}), "has spec.prefill: prefill and decode apart"),
        (service(parallelism={"data": 4, "dataLocal": 2}), r"has spec.parallelism.data: one engine over several pods"),
        (service(parallelism={"pipeline": 2}), r"has spec.parallelism.pipeline"),
        (service({"generation": 3}), "has just been edited"),
    ],
)
def test_what_cannot_be_copied_is_refused(found: Object | None, why: str) -> None:
    from autotuner.api.model_and_runtime import Target

    with pytest.raises(UnusableTargetError, match=why):
        BACKEND.read_target(Target.model_validate(TARGET), FoundTarget(found, [], [pod()]), shipped())


@pytest.mark.parametrize(
    ("main", "why"),
    [
        ({"command": ["bash", "-c", 'eval "exec vllm serve /m"', "--"]}, "its script takes no arguments"),
        ({"command": ["bash", "-c", 'eval "exec tgi $@"', "--"]}, "say target.engine: VLLM"),
        ({"command": ["python", "-m", "sglang.launch_server"]}, "starts? vLLM alone, and container 'main' runs SGLang"),
        ({"command": ["nginx"]}, "starts no engine that is known"),
        ({"args": ["--a=`id`"]}, "its arguments cannot be read.*put each of them in quotes"),
        ({"args": ['--a={"b":1,"c":2}']}, "its arguments cannot be read"),
        ({"env": [{"name": ADDITIONAL, "valueFrom": {"configMapKeyRef": {}}}]}, "is not written in it"),
        ({"readinessProbe": HTTPS}, "serves by HTTPS"),
        ({"name": "engine"}, "LLMInferenceService chat has no pod whose arguments could be read"),
    ],
)
def test_a_pod_that_cannot_be_read_is_refused(main: Object, why: str) -> None:
    with pytest.raises(UnusableTargetError, match=why):
        data_of(None, pod(**main))


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ({"engine": "SGLang"}, "starts? vLLM alone, and SGLang is wanted"),
        ({"container": "engine"}, "always called 'main', and target.container is 'engine'"),
        ({"extraArgs": ["--a={{ messages }}"]}, 'target.extraArgs has "{{"'),
        ({"env": [{"name": "A", "value": "{{ x }}"}]}, 'target.env has "{{"'),
    ],
)
def test_a_task_that_wants_something_else_is_refused(target: Object, why: str) -> None:
    with pytest.raises(UnusableTargetError, match=why):
        data_of(**target)


@pytest.mark.parametrize("field", ["router", "labels", "scaling", "worker", "prefill"])
def test_what_a_base_reference_brings_cannot_be_left_out(field: str) -> None:
    live = service(baseRefs=[{"name": "base"}])
    brings: dict[str, Any] = {field: {"a": "b"}}
    with pytest.raises(UnusableTargetError, match=rf"takes spec.{field} from LLMInferenceServiceConfig base"):
        data_of(live, configurations=[configuration("base", "team", **brings)])
    assert data_of(configurations=[configuration(**brings)]), "a copy gets presets by what it has itself"


def test_any_part_of_it_makes_another_engine() -> None:
    first = data_of()
    assert same(first, data_of(None, pod(created=5))), "another pod of the same template"
    assert same(first, data_of(service(router={}))), "what no copy has"
    assert same(first, data_of(configurations=[configuration(router={"route": {"x": 1}})]))
    assert not same(first, data_of(None, pod(args=["--max-num-seqs=65"])))
    assert not same(first, data_of(None, pod(image="vllm/vllm-openai:v0.34.0")))
    assert not same(first, data_of(configurations=[configuration(annotations={"a": "b"})])), "before the pods roll"
    assert not same(first, data_of(configurations=[])), "a deleted base reference"
    assert not same(first, data_of(service(storageInitializer={"enabled": False})))


def test_a_copy_keeps_nothing_that_leads_traffic_to_it() -> None:
    main = {"name": "main", "ports": [{"containerPort": 8000, "hostPort": 80}]}
    term = {"labelSelector": {"matchLabels": {"team": "chat"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    template = {"containers": [main], "affinity": affinity, "serviceAccountName": "loader"}
    live = service(
        template=template,
        scaling={"maxReplicas": 4},
        annotations={"serving.kserve.io/x": "y", "prometheus.io/scrape": "true"},
        kvCacheOffloading={"cpuBytesToUse": 1},
    )
    copied = data_of(live, pod(labels={"team": "chat"}))["copied"]

    assert copied == {
        "model": {"uri": f"hf://{HUB_ID}", "name": "llama"},
        "parallelism": {"tensor": 2},
        "annotations": {"prometheus.io/scrape": "true"},
        "kvCacheOffloading": {"cpuBytesToUse": 1},
        "template": {
            "containers": [{"name": "main", "ports": [{"containerPort": 8000}]}],
            "serviceAccountName": "loader",
        },
    }


def test_a_copy_serves_the_model_under_the_originals_name() -> None:
    assert data_of(service(model={"uri": "pvc://weights/m"}))["copied"]["model"]["name"] == "chat"


@pytest.mark.parametrize(
    ("uri", "more", "downloaded"),
    [
        (f"hf://{HUB_ID}", {}, True),
        ("s3://bucket/model", {}, True),
        ("pvc://weights/model", {}, False),
        (f"hf://{HUB_ID}", {"storageInitializer": {"enabled": False}}, False),
    ],
)
def test_only_a_claim_saves_each_pod_its_download(uri: str, more: Object, downloaded: bool) -> None:
    data = data_of(service(model={"uri": uri}, **more))
    assert BACKEND.weights(data["model"]).downloaded == downloaded
    told = [one.explanation for one in warnings(task_with(data), shipped(), Surroundings(BACKEND, None, None))]
    assert (f"each experiment downloads {uri} anew; on a claim (pvc://) it would be shared" in told) == downloaded


def test_the_claims_of_the_pod_are_known() -> None:
    claim = {"name": "w", "persistentVolumeClaim": {"claimName": "weights"}}
    mount = {"name": "w", "mountPath": "/mnt/models", "subPath": "llama", "readOnly": True}
    data = data_of(None, pod(volumes=[claim], volumeMounts=[mount]))
    assert claims(data) == ["weights"]
    found = BACKEND.weights(data["model"]).claim
    assert found is not None
    assert (found.volume.claim_name, found.volume.sub_path) == ("weights", "llama")


def test_the_additional_flags_become_arguments_of_the_copy() -> None:
    own = {"name": ADDITIONAL, "value": "--a=1"}
    main = {"name": "main", "env": [own, {"name": "B", "value": "2"}]}
    live, running = service(template={"containers": [main]}), pod(env=[own])
    (copied,) = data_of(live, running)["copied"]["template"]["containers"]
    assert copied["env"] == [{"name": "B", "value": "2"}]

    base = configuration("base", "team", template={"containers": [{"name": "main", "env": [own]}]})
    (copied,) = data_of(service(template=None), running, configurations=[base])["copied"]["template"]["containers"]
    assert copied == {"name": "main", "env": [{"name": ADDITIONAL, "value": " "}]}, "an empty value would be inherited"


@pytest.mark.parametrize(
    ("model", "target", "refused"),
    [
        ({"uri": "hf://meta-llama/Llama-3.3-70B-Instruct"}, {}, True),
        ({"uri": "hf://meta-llama/Llama-3.3-70B-Instruct"}, {"allowDownload": True}, False),
        ({"uri": "pvc://weights/llama"}, {}, False),
        ({"uri": f"hf://{HUB_ID}"}, {}, False),
    ],
)
def test_a_large_download_for_each_experiment_has_to_be_allowed(model: Object, target: Object, refused: bool) -> None:
    spec = task_with(data_of(service(model=model)), **target)
    found = [
        one.explanation for one in check(spec, shipped(), Surroundings(BACKEND, None, None)) if "target" in one.field
    ]
    assert any("each experiment would download 141 GB anew" in words for words in found) == refused
