"""LeaderWorkerSets that somebody wrote, and what becomes of them."""

from __future__ import annotations

import copy
from typing import Any

from autotuner import backend_choice
from autotuner.api.experiment import Service
from autotuner.api.model_and_runtime import Target
from autotuner.kubernetes_object import Object
from autotuner.serving.backend import FoundTarget
from tests.unit.builders import make_experiment
from tests.unit.task_builders import shipped

BACKEND = backend_choice.BACKENDS["LeaderWorkerSet"]
TARGET = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": "chat"}
GPU = "nvidia.com/gpu"
MODEL = "meta-llama/Llama-3.1-405B-Instruct"
IMAGE = "vllm/vllm-openai:v0.33.0"
# vLLM under Ray, as LWS's own example has it: the workers lend their accelerators, and run no engine of their own.
RAY_LEADER = {
    "command": ["sh", "-c"],
    "args": [
        "bash /vllm-workspace/multi-node-serving.sh leader --ray_cluster_size=$(LWS_GROUP_SIZE);"
        f" vllm serve {MODEL} --port 8080 --tensor-parallel-size 8 --pipeline-parallel-size 2"
    ],
}
RAY_WORKER = {
    "command": ["sh", "-c"],
    "args": ["bash /vllm-workspace/multi-node-serving.sh worker --ray_address=$(LWS_LEADER_ADDRESS)"],
}
# SGLang: every pod runs the engine with the same words.
EVERYWHERE = {
    "command": ["python3", "-m", "sglang.launch_server", "--model-path", MODEL],
    "args": [
        *("--tp", "16", "--dist-init-addr", "$(LWS_LEADER_ADDRESS):20000", "--nnodes", "$(LWS_GROUP_SIZE)"),
        *("--node-rank", "$(LWS_WORKER_INDEX)", "--mem-fraction-static=0.85"),
    ],
}


def pod(container: Object, gpus: int | None = 8, name: str = "engine", **spec: Any) -> Object:
    limits = {"resources": {"limits": {GPU: str(gpus)}}} if gpus else {}
    return {
        "metadata": {"labels": {"app": "chat", "role": "x"}},
        "spec": {"containers": [{"name": name, "image": IMAGE, **limits, **container}], **spec},
    }


def lws(leader: Object | None, workers: Object, size: int = 2, **spec: Any) -> Object:
    group: Object = {"size": size, "restartPolicy": "RecreateGroupOnPodRestart", "workerTemplate": workers}
    if leader is not None:
        group["leaderTemplate"] = leader
    meta = {"name": "chat", "namespace": "team", "uid": "uid-target"}
    return {
        "metadata": meta,
        "spec": {"replicas": 2, "startupPolicy": "LeaderCreated", "leaderWorkerTemplate": group, **spec},
    }


RAY = lws(pod(RAY_LEADER), pod(RAY_WORKER, name="ray"))
ALIKE = lws(None, pod(EVERYWHERE))


def data_of(found: Object | None, **target: Any) -> Object:
    return BACKEND.read_target(
        Target.model_validate({**TARGET, **target}), FoundTarget(copy.deepcopy(found)), shipped()
    )


def experiment_of(data: Object, args: list[str], gpus: int = 16, **service: Any) -> tuple[Object, Service]:
    own = {
        "backend": "LeaderWorkerSet",
        "container": data["container"],
        "engine": data["engine"],
        "runtime": {"kind": "ControllerRevision", "name": "chat-1"},
        "image": "",
        "env": None,
        "args": args,
        "accelerator": {"resource": GPU, "count": gpus},
    }
    body = make_experiment(service={**own, **service})
    del body["spec"]["service"]["model"]  # the engine finds its own
    return body, Service.model_validate(body["spec"]["service"])


def rendered(data: Object, args: list[str], gpus: int = 16, **service: Any) -> Object:
    body, served = experiment_of(data, args, gpus, **service)
    return BACKEND.render(body, served, {"data": data})
