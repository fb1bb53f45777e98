"""An LLMInferenceService as it runs: the object, its preset, and the pod that the controller makes of both."""

from __future__ import annotations

from typing import Any

from autotuner import backend_choice
from autotuner.api.experiment import Service
from autotuner.api.model_and_runtime import Target
from autotuner.api.task import TaskSpec
from autotuner.kubernetes_object import Object
from autotuner.policy.target_spec import with_target
from autotuner.serving.backend import FoundTarget
from tests.unit.builders import at, make_experiment
from tests.unit.task_builders import make_task, shipped

BACKEND = backend_choice.BACKENDS["KServeLLMInferenceService"]
TARGET = {"apiVersion": "serving.kserve.io/v1alpha2", "kind": "LLMInferenceService", "name": "chat"}
HUB_ID = "meta-llama/Llama-3.1-8B-Instruct"
# In our own words, what the presets' script looks like.
SCRIPT = """set -e
if [ -n "$KSERVE_X" ]; then export A=1; fi
eval "exec vllm serve /mnt/models \\
  --served-model-name "llama" "publishers/team/models/llama" \\
  --port 8000 $VERSION_FLAGS \\
  --tensor-parallel-size 2 \\
  ${VLLM_ADDITIONAL_ARGS} $@"
"""
PRESET_COMMAND = ["/bin/bash", "-c", SCRIPT, "--"]
PRESET_NAME = "kserve-config-llm-template"


def service(metadata: Object | None = None, **spec: Any) -> Object:
    """The object: by default with a router, labels, two GPUs and arguments of its own."""
    main = {"name": "main", "args": ["--max-num-seqs=64"], "resources": {"limits": {"nvidia.com/gpu": "2"}}}
    return {
        **{key: TARGET[key] for key in ("apiVersion", "kind")},
        "metadata": {"name": "chat", "namespace": "team", "uid": "uid-chat", "generation": 2, **(metadata or {})},
        "spec": {
            "model": {"uri": f"hf://{HUB_ID}", "name": "llama"},
            "replicas": 2,
            "parallelism": {"tensor": 2},
            "labels": {"team": "chat"},
            "router": {"route": {}, "gateway": {}, "scheduler": {}},
            "template": {"containers": [main], "nodeSelector": {"pool": "gpu"}},
            **spec,
        },
        "status": {
            "observedGeneration": 2,
            "appliedConfigs": [{"name": PRESET_NAME, "namespace": "kserve", "source": "Preset"}],
        },
    }


def configuration(name: str = PRESET_NAME, namespace: str = "kserve", **spec: Any) -> Object:
    """A preset, or what a base reference names."""
    meta = {"name": name, "namespace": namespace}
    return {"kind": "LLMInferenceServiceConfig", "metadata": meta, "spec": {"template": {"containers": []}, **spec}}


def pod(created: float = 1, labels: Object | None = None, volumes: list[Object] | None = None, **main: Any) -> Object:
    """The pod of the engine, as the API server has it."""
    container: Object = {
        "name": "main",
        "image": "vllm/vllm-openai:v0.33.0",
        "command": PRESET_COMMAND,
        "args": ["--max-num-seqs=64"],
        "env": [{"name": "HOME", "value": "/home"}],
        "ports": [{"containerPort": 8000}],
        "startupProbe": {"httpGet": {"path": "/health", "port": 8000, "scheme": "HTTP"}, "failureThreshold": 60},
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000, "scheme": "HTTP"}},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "15"]}}},
        "volumeMounts": [{"name": f"kube-api-access-{created:g}", "mountPath": "/var/run/secrets"}],
        **main,
    }
    tolerations = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300}]
    return {
        "metadata": {"name": f"chat-{created:g}", "creationTimestamp": at(created), "labels": labels or {}},
        "spec": {
            "nodeName": f"node-{created:g}",
            "containers": [container],
            "tolerations": [*tolerations, {"key": "gpu", "operator": "Exists"}],
            "volumes": [{"name": f"kube-api-access-{created:g}", "projected": {}}, *(volumes or [])],
        },
    }


def data_of(
    found: Object | None = None, *pods: Object, configurations: list[Object] | None = None, **target: Any
) -> Object:
    """What is read of it."""
    parts = [configuration()] if configurations is None else configurations
    return BACKEND.read_target(
        Target.model_validate({**TARGET, **target}), FoundTarget(found or service(), parts, pods or (pod(),)), shipped()
    )


def task_with(data: Object, **target: Any) -> TaskSpec:
    """A task with that target."""
    body = make_task(target={**TARGET, **target})["spec"]
    del body["model"], body["runtime"]
    return with_target(TaskSpec.model_validate(body), data)


def served(name: str = "tune-1", startup: int = 1800, **changes: Any) -> tuple[Object, Service]:
    """An experiment with a copy, and its service."""
    reference = {"kind": "ControllerRevision", "name": "tune-1"}
    own = {"backend": "KServeLLMInferenceService", "container": "main", "engine": "VLLM", "runtime": reference}
    given = {**own, "image": "", "model": None, "args": ["--max-num-seqs=8"], "accelerator": {"count": 1}, **changes}
    body = make_experiment(name, service=given, timeouts={"startupSeconds": startup})
    return body, Service.model_validate(body["spec"]["service"])
