"""An InferenceService with its runtime and its pod, as KServe leaves them, for tests that change one thing."""

from __future__ import annotations

import copy
from typing import Any

from autotuner.api.experiment import Service
from autotuner.api.model_and_runtime import Target
from autotuner.kubernetes_object import Object
from autotuner.serving.backend import FoundTarget
from autotuner.serving.kserve.inference_services import KServeInferenceServices
from tests.unit.builders import make_experiment
from tests.unit.task_builders import shipped

BACKEND = KServeInferenceServices()
TARGET = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "chat"}
HUB_ID = "meta-llama/Llama-3.1-8B-Instruct"
COMMAND = ["python3", "-m", "vllm.entrypoints.openai.api_server"]
RUNTIME_ARGS = ["--model=/mnt/models", "--served-model-name={{.Name}}", "--enforce-eager", "--max-num-seqs=256"]
OWN_ARGS = ["--max-num-seqs=64", "--max-model-len", "4096"]
FROM_RUNTIME = [*RUNTIME_ARGS[:1], "--served-model-name=chat", *RUNTIME_ARGS[2:]]
MODEL = {
    "modelFormat": {"name": "huggingface"},
    "name": "",
    "args": OWN_ARGS,
    "storageUri": f"hf://{HUB_ID}",
    "resources": {"limits": {"cpu": "8", "nvidia.com/gpu": "1"}},
    "env": [{"name": "HF_HOME", "value": "/tmp"}],
}


def service(model: Object | None = None, status: Object | None = None, **predictor: Any) -> Object:
    """The InferenceService; `model` changes its model, None in it takes a field away."""
    merged = {**MODEL, **(model or {})}
    return {
        "apiVersion": TARGET["apiVersion"],
        "kind": TARGET["kind"],
        "metadata": {
            "name": "chat",
            "namespace": "team",
            "uid": "uid-chat",
            "labels": {"team": "x"},
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                "prometheus.io/scrape": "true",
                "argocd.argoproj.io/tracking-id": "a:b",
                "modelFormat": "huggingface",
            },
        },
        "spec": {
            "predictor": {
                "model": {key: value for key, value in merged.items() if value is not None},
                "minReplicas": 2,
                "labels": {"tier": "gold"},
                **predictor,
            }
        },
        "status": {"clusterServingRuntimeName": "vllm"} if status is None else status,
    }


def annotated(key: str, value: str, found: Object | None = None) -> Object:
    """The InferenceService with one more annotation."""
    body = copy.deepcopy(found or service())
    body["metadata"]["annotations"][key] = value
    return body


def custom(**container: Any) -> Object:
    """A predictor with a container of its own."""
    body = service(status={})
    engine = {"name": "kserve-container", "image": "vllm/vllm-openai:v0.33.0", "command": ["vllm", "serve", HUB_ID]}
    engine |= {"args": ["--port=8080", "--max-num-seqs=64"], "resources": {"limits": {"cpu": "1"}}, **container}
    body["spec"]["predictor"] = {"containers": [engine, {"name": "proxy", "image": "p"}]}
    return body


def runtime(args: list[str] | None = None, command: list[str] | None = None, **spec: Any) -> Object:
    """Its ClusterServingRuntime."""
    container = {"name": "kserve-container", "image": "vllm/vllm-openai:v0.33.0", "command": command or COMMAND}
    return {
        "kind": "ClusterServingRuntime",
        "metadata": {"name": "vllm"},
        "spec": {"containers": [{**container, "args": RUNTIME_ARGS if args is None else args}], **spec},
    }


def pod(args: list[str] | None = None, name: str = "chat-predictor-1", **container: Any) -> Object:
    """A pod of the original, with what only this one has."""
    engine = {
        "name": "kserve-container",
        "image": "vllm/vllm-openai:v0.33.0",
        "command": COMMAND,
        "args": [*FROM_RUNTIME, *OWN_ARGS] if args is None else args,
        "ports": [{"containerPort": 8080}],
        "volumeMounts": [{"name": f"kube-api-access-{name}", "mountPath": "/var/run/secrets"}],
        **container,
    }
    volumes = [{"name": f"kube-api-access-{name}", "projected": {}}]
    labels = {"app": "isvc.chat-predictor", "team": "x"}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [engine], "volumes": volumes, "nodeName": "node-a"},
    }


def read(found: Object | None = None, parts: list[Object] | None = None, pods: list[Object] | None = None) -> Object:
    """What is read of all that."""
    given = FoundTarget(found or service(), [runtime()] if parts is None else parts, [pod()] if pods is None else pods)
    return BACKEND.read_target(Target.model_validate(TARGET), given, shipped())


def read_custom() -> Object:
    """What is read of a predictor with a container of its own."""
    found = custom()
    engine = found["spec"]["predictor"]["containers"][0]
    return read(found, [], [pod(**{key: engine[key] for key in ("args", "command")})])


def experiment(args: list[str], **more: Any) -> tuple[Object, Service]:
    """An experiment with these arguments, and what it serves."""
    reference = {"kind": "ControllerRevision", "name": "chat-1"}
    own = {"backend": "KServeInferenceService", "container": "kserve-container", "runtime": reference, "image": ""}
    body = make_experiment(service={**own, "model": None, "env": None, "args": args, **more})
    return body, Service.model_validate(body["spec"]["service"])
