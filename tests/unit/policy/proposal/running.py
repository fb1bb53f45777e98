"""Engines that run already, as `create` recognises them."""

from __future__ import annotations

from typing import Any

from autotuner import engines
from autotuner.engines import EngineVersion
from autotuner.kubernetes_object import Object
from autotuner.policy.proposal.recognised import Recognised
from autotuner.serving.accelerators import Fleet, NodeAccelerators
from autotuner.serving.backend import EngineTemplate

H100 = NodeAccelerators("a", 8, "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.product", memory_mib=81_559)
FLEET = Fleet("nvidia.com/gpu", (H100,), looked=True)


def running(*args: str, model: Object | None = None, command: tuple[str, ...] = (), **container: Any) -> Recognised:
    """A Deployment of vLLM 0.33.0 with these flags; `container` holds further fields of its container."""
    own = {
        "name": "vllm",
        "image": "vllm/vllm-openai:v0.33.0",
        "command": ["vllm", "serve", "org/model", *command],
        "args": list(args),
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
        **container,
    }
    version: EngineVersion = engines.version_of("VLLM", image=own["image"])
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}
    known = {"storage": {"storageUri": "hf://org/model"}} if model is None else model
    return Recognised(target, version, EngineTemplate(own, {"containers": [own]}), known)
