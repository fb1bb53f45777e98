"""What KServe makes of an LLMInferenceService, its preset and its base references: one engine on one node. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.kubernetes_object import Object
from testbed.llmisvc.install import PORT
from testbed.ome.merge import merge

GROUP = "serving.kserve.io"
NAME = "app.kubernetes.io/name"
PART_OF = "app.kubernetes.io/part-of"
COMPONENT = "kserve.io/component"
OWN = "llminferenceservice"
SWITCH = "testbed.autotuner.io/llmisvc"
_LONGEST = 63
_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)


class FinalError(Exception):
    """The reason of PresetsCombined=False, and KServe's words."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def child_name(name: str, suffix: str) -> str:
    """Returns the name of a child, shortened where it would be too long."""
    if len(name) + len(suffix) <= _LONGEST:
        return name + suffix
    end = f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}{suffix}"
    return name[: _LONGEST - len(end)] + end


def deployment_name(name: str) -> str:
    """Returns the name of the Deployment."""
    return child_name(name, "-kserve")


def service_name(name: str) -> str:
    """Returns the name of the Service."""
    return child_name(name, "-kserve-workload-svc")


def combined(service: Object, configurations: Sequence[Object | None], tls: bool) -> Object:
    """Returns the spec that counts.

    Args:
        service: the object.
        configurations: the preset and the base references in their order; None for one that is missing.
        tls: whether engines serve by HTTPS.

    Raises:
        FinalError: it cannot be made.
    """
    if service["spec"].get("worker") is not None or service["spec"].get("prefill") is not None:
        raise FinalError("ConfigNotFound", 'LLMInferenceServiceConfig "kserve-config-llm-worker" not found')
    result: Object = {}
    for configuration in configurations:
        if configuration is None:
            raise FinalError("ConfigNotFound", "LLMInferenceServiceConfig not found")
        result = merge(result, configuration["spec"])
    result = merge(result, service["spec"])
    result.setdefault("model", {}).setdefault("name", service["metadata"]["name"])
    filled = _filled(result, _values(service, result, tls))
    assert isinstance(filled, dict)
    return filled


def _values(service: Object, spec: Object, tls: bool) -> dict[str, str]:
    tensor = (spec.get("parallelism") or {}).get("tensor")
    return {
        ".Spec.Model.Name": spec["model"]["name"],
        ".ObjectMeta.Name": service["metadata"]["name"],
        ".ObjectMeta.Namespace": service["metadata"]["namespace"],
        "TensorFlag": f"--tensor-parallel-size {tensor}" if tensor else "",  # for the presets' own condition
        "Scheme": "HTTPS" if tls else "HTTP",
    }


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    if not isinstance(value, str) or "{{" not in value:
        return value

    def replace(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise FinalError("CombineBaseError", f"template: config:1: function {match[1]!r} not defined")
        return values[match[1]]

    text = _ACTION.sub(replace, value)
    if "{{" in text:
        raise FinalError("CombineBaseError", "template: config:1: unclosed action")
    return text


def children(service: Object, spec: Object, tls: bool) -> list[Object]:
    """Returns Deployment and Service."""
    return [_deployment(service, spec), _service(service, tls)]


def _metadata(service: Object, name: str) -> Object:
    meta = service["metadata"]
    blocks = (meta.get("annotations") or {}).get(SWITCH) != "leaves-pods"
    owner = {
        "apiVersion": service["apiVersion"],
        "kind": service["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": blocks,
    }
    passed_on = {key: value for key, value in (meta.get("labels") or {}).items() if key.startswith("kueue.x-k8s.io/")}
    labels = {**passed_on, NAME: meta["name"], PART_OF: OWN}
    return {
        "name": name,
        "namespace": meta["namespace"],
        "labels": labels,
        "annotations": {},
        "ownerReferences": [owner],
    }


def _selector(service: Object) -> dict[str, str]:
    return {NAME: service["metadata"]["name"], PART_OF: OWN, COMPONENT: "workload"}


def _deployment(service: Object, spec: Object) -> Object:
    metadata = _metadata(service, deployment_name(service["metadata"]["name"]))
    more = {"app.kubernetes.io/component": "llminferenceservice-workload", "llm-d.ai/role": "both"}
    # The object's are stronger than the controller's own.
    labels = {**metadata["labels"], **_selector(service), **more, **(spec.get("labels") or {})}
    template = {"metadata": {"labels": labels, "annotations": spec.get("annotations") or {}}, "spec": spec["template"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": spec.get("replicas", 1),
            "selector": {"matchLabels": {**_selector(service), **(spec.get("labels") or {})}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": template,
        },
    }


def _service(service: Object, tls: bool) -> Object:
    scheme = "https" if tls else "http"
    port = {"name": scheme, "appProtocol": scheme, "port": PORT, "targetPort": PORT, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(service, service_name(service["metadata"]["name"])),
        "spec": {"type": "ClusterIP", "selector": _selector(service), "ports": [port]},
    }
