"""What KServe makes of an InferenceService and its runtime in mode Standard. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

from autotuner.kubernetes_object import Object
from testbed.ome.merge import TemplateError, expand, merge

GROUP = "serving.kserve.io"
LABEL = f"{GROUP}/inferenceservice"
CONTAINER = "kserve-container"
MODES = ("Standard", "RawDeployment")
_LONGEST = 63
# Fields of a predictor or a runtime that are not a pod's.
_COMPONENT_FIELDS = {
    *("model", "containers", "labels", "annotations", "minReplicas", "maxReplicas", "scaleTarget", "scaleMetric"),
    *("autoScaling", "canaryTrafficPercent", "containerConcurrency", "timeout", "batcher", "logger", "workerSpec"),
    *("deploymentStrategy", "supportedModelFormats", "protocolVersions", "multiModel", "disabled"),
}
_NOT_PASSED_ON = ("kubectl.kubernetes.io/last-applied-configuration",)


class InvalidSpecError(Exception):
    """Final until somebody edits the object: the reason, and KServe's words."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RefusedError(Exception):
    """What KServe tells as ReconcileFailed."""


@dataclass(frozen=True)
class Chosen:
    """An InferenceService with its runtime; None for a predictor with containers of its own."""

    isvc: Object
    runtime: Object | None

    @property
    def name(self) -> str:
        """The InferenceService's name."""
        return str(self.isvc["metadata"]["name"])

    @property
    def predictor(self) -> Object:
        """Its predictor."""
        found: Object = self.isvc["spec"]["predictor"]
        return found

    @property
    def base(self) -> Object:
        """The runtime's spec."""
        found: Object = self.runtime["spec"] if self.runtime else {}
        return found


def predictor_name(name: str) -> str:
    """Returns the name of Deployment and Service."""
    return f"{name}-predictor"


def choose(isvc: Object, namespaced: Iterable[Object], clusterwide: Iterable[Object]) -> Chosen:
    """Finds the runtime: the one that is named, or the first for the model's format, namespaced ones first.

    Raises:
        InvalidSpecError: there is none.
    """
    model = isvc["spec"]["predictor"].get("model")
    if not model:
        return Chosen(isvc, None)
    known = [*namespaced, *clusterwide]
    wanted, form = model.get("runtime"), model.get("modelFormat", {}).get("name", "")
    if wanted:
        found = [one for one in known if one["metadata"]["name"] == wanted]
        if not found:
            raise InvalidSpecError("RuntimeNotRecognized", f"Waiting for runtime {wanted} to become available")
        return Chosen(isvc, found[0])
    for one in known:
        if form in [supported.get("name") for supported in one["spec"].get("supportedModelFormats") or ()]:
            return Chosen(isvc, one)
    raise InvalidSpecError("NoSupportingRuntime", f"No runtime found to support predictor with model type: {form}")


def children(chosen: Chosen) -> list[Object]:
    """Returns Deployment and Service.

    Raises:
        InvalidSpecError: the runtime cannot be used, or a template cannot be filled in.
        RefusedError: the host name would be too long.
    """
    container = _container(chosen)
    metadata = chosen.isvc["metadata"]
    host = f"{predictor_name(chosen.name)}-{metadata['namespace']}"
    if len(host) > _LONGEST:
        raise RefusedError(f'invalid domain name "{host}.example.com": must be no more than {_LONGEST} characters')
    return [_deployment(chosen, container), _service(chosen, container)]


def _container(chosen: Chosen) -> Object:
    own = chosen.predictor.get("model")
    if own is None:
        containers = chosen.predictor.get("containers") or [{}]
        found: Object = copy.deepcopy(containers[0])
        return found
    base = next((one for one in chosen.base.get("containers") or () if one["name"] == CONTAINER), None)
    if base is None:
        raise InvalidSpecError("InvalidPredictorSpec", "no container configuration found in selected serving runtime")
    fields = ("modelFormat", "runtime", "storageUri", "storage", "storageUris", "protocolVersion", "args", "name")
    merged = merge(base, {key: value for key, value in own.items() if key not in fields})
    merged["args"] = [*(base.get("args") or ()), *(own.get("args") or ())]
    try:
        expanded: Object = expand(merged, chosen.isvc["metadata"])
    except TemplateError as error:
        raise InvalidSpecError("InvalidPredictorSpec", f"failed to replace placeholders in runtime: {error}") from error
    env = [one for one in expanded.get("env") or () if one["name"] != "INFERENCE_SERVICE_NAME"]
    expanded["env"] = [*env, {"name": "INFERENCE_SERVICE_NAME", "value": chosen.name}]
    return expanded


def _metadata(chosen: Chosen) -> Object:
    """Labels and annotations of all that is made."""
    meta = chosen.isvc["metadata"]
    labels, annotations = (
        {**chosen.base.get(kind, {}), **meta.get(kind, {}), **chosen.predictor.get(kind, {})}
        for kind in ("labels", "annotations")
    )
    for key in _NOT_PASSED_ON:
        annotations.pop(key, None)
    own = {"app": f"isvc.{predictor_name(chosen.name)}", LABEL: chosen.name, "component": "predictor"}
    return {
        "name": predictor_name(chosen.name),
        "namespace": meta["namespace"],
        "labels": {**labels, **own},
        "annotations": annotations,
        "ownerReferences": [owner_reference(chosen.isvc)],
    }


def owner_reference(isvc: Object) -> Object:
    """Returns the reference by which children belong to an InferenceService."""
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "InferenceService",
        "name": isvc["metadata"]["name"],
        "uid": isvc["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _deployment(chosen: Chosen, container: Object) -> Object:
    metadata, predictor = _metadata(chosen), chosen.predictor
    pod = merge(
        *(
            {key: value for key, value in one.items() if key not in _COMPONENT_FIELDS}
            for one in (chosen.base, predictor)
        )
    )
    others = list(predictor.get("containers") or ())
    pod["containers"] = [container, *(others if predictor.get("model") else others[1:])]
    uri = str((predictor.get("model") or {}).get("storageUri") or "")
    if uri.startswith("pvc://"):
        _mount(pod, container, uri)
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    labels = {key: metadata["labels"][key] for key in metadata["labels"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": predictor.get("minReplicas", 1),
            "selector": {"matchLabels": {"app": labels["app"]}},
            "strategy": predictor.get("deploymentStrategy") or rolling,
            "template": {"metadata": {"labels": labels, "annotations": metadata["annotations"]}, "spec": pod},
        },
    }


def _mount(pod: Object, container: Object, uri: str) -> None:
    claim, _, path = uri.removeprefix("pvc://").partition("/")
    source = {"claimName": claim, "readOnly": True}
    pod["volumes"] = [*(pod.get("volumes") or ()), {"name": "kserve-pvc-source", "persistentVolumeClaim": source}]
    mount = {"name": "kserve-pvc-source", "mountPath": "/mnt/models", "readOnly": True}
    container["volumeMounts"] = [*(container.get("volumeMounts") or ()), mount | ({"subPath": path} if path else {})]


def _service(chosen: Chosen, container: Object) -> Object:
    metadata = _metadata(chosen)
    ports = container.get("ports") or [{"containerPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": metadata["labels"]["app"]},
            "ports": [{"name": metadata["name"], "port": 80, "targetPort": ports[0]["containerPort"]}],
        },
    }
