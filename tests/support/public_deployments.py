"""Deployments of vLLM as strangers write them: five public styles, rebuilt in tests/data/deployments."""

from __future__ import annotations

import copy
from pathlib import Path

from autotuner.kubernetes_object import Object
from testbed.api import load_documents

FOLDER = Path(__file__).parents[1] / "data" / "deployments"
# Style -> what its Deployment is called.
STYLES = {
    "bare-args": "llama",
    "shell": "mistral",
    "image-entry-point": "qwen",
    "production-stack": "stack-llama-deployment-vllm",
    "llm-d-guide": "baseline-nvidia-gpu-vllm-decode",
}
NODES = FOLDER / "nodes.yaml"


def file_of(style: str) -> Path:
    """The file with the Deployment of a style, its claims and its pods."""
    return FOLDER / f"{style}.yaml"


def objects_of(style: str) -> list[Object]:
    """The objects in that file, the Deployment first."""
    return load_documents(file_of(style))


def nodes() -> list[Object]:
    """Two nodes with eight accelerators each."""
    return load_documents(NODES)


def chat(namespace: str) -> list[Object]:
    """A Deployment `chat` in this namespace, and its claims."""
    objects = copy.deepcopy(objects_of("bare-args"))
    objects[0]["metadata"]["name"] = "chat"
    for body in objects:
        body["metadata"]["namespace"] = namespace
    return objects
