"""Each kind of object that can be a target: how one looks that serves the simulated engine, and how it is patched."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotuner.kubernetes_object import Object

COMMAND = ["python", "-m", "autotuner.simulator"]
_MODEL = ["--model-path=meta-llama/Llama-3.2-1B-Instruct", "--served-model-name=llama"]
# What a copy keeps as it is, and what is tuned.
KEPT = ["--host=$(POD_IP)", "--port=8080", *_MODEL]
TUNED = ["--dialect=sglang", "--tp-size=1", "--mem-fraction-static=0.85", "--max-running-requests=1"]


@dataclass(frozen=True)
class TargetKind:
    """A kind of target.

    Attributes:
        backend: that copies it.
        api_version: of the object.
        kind: of the object.
        plural: in the API's paths.
        original: the object `chat`.
        patch_type: of the patch that is recommended.
        testbed: switches of `Testbed.start`, for its controller.
        change: an edit of the object that is no winner's, as a merge patch.
        engine: that it runs.
        needs: what is there before the object, by the plural of its path.
        selected: labels of the original's pods by which others select them.
        tuned: the arguments that are tuned, as the engine is given them.
        parameter: the one of them that is searched.
    """

    backend: str
    api_version: str
    kind: str
    plural: str
    original: Callable[[], Object]
    patch_type: str
    change: Object
    testbed: Mapping[str, Any] = field(default_factory=dict)
    engine: str = "SGLang"
    needs: Callable[[], Mapping[str, Object]] = dict
    selected: Mapping[str, str] = field(default_factory=lambda: {"app": "chat"})
    tuned: Sequence[str] = tuple(TUNED)
    parameter: str = "max-running-requests"

    def collection(self, namespace: str) -> str:
        """The path of the objects of this kind."""
        return f"/apis/{self.api_version}/namespaces/{namespace}/{self.plural}"

    def objects(self, namespace: str) -> list[tuple[str, Object]]:
        """The object with what it needs, which comes before it, each with the path to create it at."""
        needs = [(f"/apis/{body['apiVersion']}/namespaces/{namespace}/{of}", body) for of, body in self.needs().items()]
        return [*needs, (self.collection(namespace), self.original())]


def container(name: str, command: Sequence[str], args: Sequence[str]) -> Object:
    """The container of an engine on one GPU."""
    return {
        "name": name,
        "image": "docker.io/autotuner/benchmark:0.1.0",
        "command": list(command),
        "args": list(args),
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "100m"}, "limits": {"nvidia.com/gpu": "1"}},
    }


def _deployment() -> Object:
    labels = {"app": "chat", "team": "x"}
    pod = {"containers": [container("engine", [*COMMAND, *KEPT], TUNED)]}
    return {
        "metadata": {"name": "chat", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


def _inference_service() -> Object:
    model = {"modelFormat": {"name": "huggingface"}, "runtime": "simulated", "args": TUNED}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "chat",
            "labels": {"app": "chat", "team": "x"},
            "annotations": {"serving.kserve.io/deploymentMode": "Standard"},
        },
        "spec": {"predictor": {"minReplicas": 1, "model": model}},
    }


def _serving_runtime() -> Mapping[str, Object]:
    named = [word if "served" not in word else "--served-model-name={{.Name}}" for word in KEPT]
    spec = {"containers": [container("kserve-container", COMMAND, named)]}
    kind = {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ServingRuntime"}
    return {"servingruntimes": {**kind, "metadata": {"name": "simulated"}, "spec": spec}}


# Braces, quotes and blanks, which the shell of the presets reads once more.
_JSON = '--compilation-config={"mode": 0, "custom_ops": ["none", "+rms_norm"]}'
_VLLM = ["--gpu-memory-utilization=0.85", "--max-num-seqs=1"]


def _llm_inference_service() -> Object:
    main = {
        "name": "main",
        "args": [*_VLLM, shlex.quote(_JSON)],
        "env": [{"name": "VLLM_ADDITIONAL_ARGS", "value": "--seed=3"}],
        "startupProbe": {"periodSeconds": 1},
        "resources": {"requests": {"cpu": "100m"}, "limits": {"nvidia.com/gpu": "1"}},
    }
    return {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": {"name": "chat"},
        "spec": {
            "model": {"uri": "hf://meta-llama/Llama-3.2-1B-Instruct", "name": "llama"},
            "replicas": 1,
            "parallelism": {"tensor": 1},
            "labels": {"app": "chat", "team": "x"},
            "template": {"containers": [main]},
        },
    }


# The degrees of a group are those of all its pods.
_OVER_TWO = [word.replace("--tp-size=1", "--tp-size=2") for word in TUNED]
# What a worker does that lends its accelerators and runs no engine; it can be told to fail.
_LENDS = (
    'test "$WORKER" != broken || { echo "torch.OutOfMemoryError: CUDA out of memory" >&2; exit 1; }; exec sleep 1000000'
)


def _leader_worker_set() -> Object:
    leader = container("engine", [*COMMAND, *KEPT], _OVER_TWO)
    worker = container("worker", ["sh", "-c", _LENDS], [])
    del worker["readinessProbe"], worker["ports"]
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "chat", "labels": {"app": "chat", "team": "x"}},
        "spec": {
            "replicas": 1,
            "leaderWorkerTemplate": {
                "size": 2,
                "leaderTemplate": {
                    "metadata": {"labels": {"app": "chat", "team": "x"}},
                    "spec": {"containers": [leader]},
                },
                "workerTemplate": {"spec": {"containers": [worker]}},
            },
        },
    }


# OME's own container; a model and a runtime of the namespace's own, since several stories have the same names.
_OME_FORMAT: Object = {
    "modelFormat": {"name": "safetensors", "version": "1.0.0"},
    "modelFramework": {"name": "transformers", "version": "4.45.0"},
    "modelArchitecture": "LlamaForCausalLM",
}


def _ome_inference_service() -> Object:
    runner = {"name": "ome-container", "args": TUNED, "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    return {
        "apiVersion": "ome.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "chat", "labels": {"app": "chat", "team": "x"}},
        "spec": {
            "model": {"kind": "BaseModel", "name": "llama"},
            "runtime": {"kind": "ServingRuntime", "name": "simulated"},
            "engine": {"minReplicas": 1, "maxReplicas": 1, "runner": runner},
        },
    }


def _ome_model_and_runtime() -> Mapping[str, Object]:
    api: Object = {"apiVersion": "ome.io/v1beta1"}
    storage = {"storageUri": "vendor://simulated", "path": "/models/llama-3-2-1b"}
    runner = container("ome-container", [*COMMAND, *KEPT], [])
    runtime = {
        "supportedModelFormats": [{**_OME_FORMAT, "name": "safetensors"}],
        "modelSizeRange": {"min": "1M", "max": "2000B"},
        "engineConfig": {"runner": runner},
    }
    return {
        "basemodels": {
            **api,
            "kind": "BaseModel",
            "metadata": {"name": "llama"},
            "spec": {"storage": storage, **_OME_FORMAT},
        },
        "servingruntimes": {**api, "kind": "ServingRuntime", "metadata": {"name": "simulated"}, "spec": runtime},
    }


KINDS = [
    TargetKind(
        "Deployment",
        "apps/v1",
        "Deployment",
        "deployments",
        _deployment,
        "application/strategic-merge-patch+json",
        {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 3}}}},
    ),
    TargetKind(
        "KServeInferenceService",
        "serving.kserve.io/v1beta1",
        "InferenceService",
        "inferenceservices",
        _inference_service,
        "application/merge-patch+json",
        {"spec": {"predictor": {"terminationGracePeriodSeconds": 3}}},
        {"kserve": True},
        needs=_serving_runtime,
        selected={"team": "x"},  # KServe's own label app replaces any other
    ),
    TargetKind(
        "KServeLLMInferenceService",
        "serving.kserve.io/v1alpha2",
        "LLMInferenceService",
        "llminferenceservices",
        _llm_inference_service,
        "application/merge-patch+json",
        {"spec": {"annotations": {"changed": "yes"}}},
        {"llmisvc": True},
        engine="VLLM",
        tuned=["--tensor-parallel-size=1", "--seed=3", *_VLLM, _JSON],
        parameter="max-num-seqs",
    ),
    TargetKind(
        "LeaderWorkerSet",
        "leaderworkerset.x-k8s.io/v1",
        "LeaderWorkerSet",
        "leaderworkersets",
        _leader_worker_set,
        "application/json-patch+json",
        {"spec": {"leaderWorkerTemplate": {"leaderTemplate": {"spec": {"terminationGracePeriodSeconds": 3}}}}},
        {"lws": True},
        tuned=tuple(_OVER_TWO),
    ),
    TargetKind(
        "OMEInferenceService",
        "ome.io/v1beta1",
        "InferenceService",
        "inferenceservices",
        _ome_inference_service,
        "application/merge-patch+json",
        {"spec": {"engine": {"terminationGracePeriodSeconds": 3}}},
        {"ome": True},
        needs=_ome_model_and_runtime,
        selected={"team": "x"},
    ),
]
