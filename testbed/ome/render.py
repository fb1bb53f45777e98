"""The objects that OME makes for an InferenceService in mode RawDeployment with an engine alone. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from autotuner.kubernetes_object import Object
from testbed.ome.merge import TemplateError, expand, merge

LABEL = "ome.io/inferenceservice"
CONTAINER = "ome-container"
GPU = "nvidia.com/gpu"

# Fields of an engine that are not a pod's.
_COMPONENT_FIELDS = {
    "annotations",
    "labels",
    "minReplicas",
    "maxReplicas",
    "minAvailable",
    "maxUnavailable",
    "scaleMetric",
    "scaleTarget",
    "canaryTrafficPercent",
    "containerConcurrency",
    "timeoutSeconds",
    "deploymentStrategy",
    "kedaConfig",
    "acceleratorOverride",
    "leader",
    "worker",
    "runner",
    "containers",
}


class SilentError(Exception):
    """OME fails here without a word: no event, no status."""


@dataclass(frozen=True)
class Service:
    """An InferenceService with the model and the runtime that it names."""

    isvc: Object
    model: Object
    runtime: Object

    @property
    def name(self) -> str:
        """The InferenceService's name."""
        return str(self.isvc["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The InferenceService's namespace."""
        return str(self.isvc["metadata"]["namespace"])

    @property
    def annotations(self) -> dict[str, str]:
        """The InferenceService's annotations that OME passes on."""
        found = dict(self.isvc["metadata"].get("annotations", {}))
        found.pop("kubectl.kubernetes.io/last-applied-configuration", None)
        return found

    def engine(self) -> Object:
        """Returns the engine: the runtime's engineConfig with the InferenceService's engine on top.

        Raises:
            SilentError: OME would stop here.
        """
        own = self.isvc["spec"]["engine"]
        merged = merge(self.runtime["spec"].get("engineConfig") or {}, own)
        runner = merged.setdefault("runner", {})
        # Go writes an unnamed runner with the name "", which hides the runtime's.
        runner["name"] = own.get("runner", runner).get("name", "")
        if merged.get("minReplicas", 1) == 0:
            raise SilentError("no replicas means Serverless, which has no Knative to run on")
        if merged.get("leader") or merged.get("worker"):
            raise SilentError("leader and worker need LeaderWorkerSet")
        try:
            merged["runner"] = expand(merged["runner"], self.isvc["metadata"])
        except TemplateError as error:
            raise SilentError(str(error)) from error
        return merged


def owner_reference(isvc: Object) -> Object:
    """Returns the reference by which children belong to an InferenceService."""
    return {
        "apiVersion": "ome.io/v1beta1",
        "kind": "InferenceService",
        "name": isvc["metadata"]["name"],
        "uid": isvc["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def model_label(model: Object) -> str:
    """Returns the label that a node bears on which a model is ready."""
    name = model["metadata"]["name"]
    short = f"{_hash(name)}-{name[-23:]}" if len(name) > 32 else name
    return f"models.ome.io/{_model_scope(model)}.{short}"


def model_key(model: Object) -> str:
    """Returns the key of a model in the ConfigMap of a node."""
    return f"{_model_scope(model)}.{model['metadata']['name']}"


def _model_scope(model: Object) -> str:
    if model["kind"] == "ClusterBaseModel":
        return "clusterbasemodel"
    return f"{model['metadata']['namespace']}.basemodel"


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def engine_name(isvc: str) -> str:
    """Returns the name of an engine's Deployment, HPA and PodDisruptionBudget."""
    return f"{isvc}-engine"


def engine_service_name(isvc: str) -> str:
    """Returns the name of an engine's Service, which must fit into 63 characters."""
    return engine_name(isvc) if len(isvc) <= 56 else f"{_hash(isvc)}-{isvc[-47:].lstrip('-')}-engine"


def first_port(engine: Object) -> int:
    """Returns the port under which the service is reached."""
    ports = engine.get("runner", {}).get("ports") or [{"containerPort": 8080}]
    return int(ports[0]["containerPort"])


def model_config(isvc: Object, model: Object) -> Object:
    """Returns the ConfigMap that describes the model."""
    spec = model.get("spec", {})
    storage, form = spec.get("storage", {}), spec.get("modelFormat", {})
    entry = {
        "modelName": model["metadata"]["name"],
        "modelSpec": {
            "storageUri": storage.get("storageUri", ""),
            "path": storage.get("path", ""),
            "format": form.get("name", ""),
            "framework": spec.get("modelFramework", {}).get("name", ""),
        },
    }
    name = isvc["metadata"]["name"]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"modelconfig-{name}",
            "namespace": isvc["metadata"]["namespace"],
            "labels": {LABEL: name},
            "ownerReferences": [owner_reference(isvc)],
        },
        "data": {"models.json": json.dumps([entry])},
    }


def children(service: Service, engine: Object) -> list[Object]:
    """Returns Deployment, Services, HPA and PodDisruptionBudget in the order in which OME makes them."""
    found = [deployment(service, engine), _engine_service(service, engine)]
    if service.annotations.get("ome.io/autoscalerClass") != "external":
        found.append(_autoscaler(service, engine))
    return [*found, _disruption_budget(service, engine), _external_service(service, engine)]


def _labels(service: Service, engine: Object) -> dict[str, str]:
    spec, metadata = service.model.get("spec", {}), service.model["metadata"]
    labels = {**service.isvc["metadata"].get("labels", {}), **engine.get("labels", {})}
    labels |= {
        "app": engine_name(service.name),
        "component": "engine",
        LABEL: service.name,
        "serving-runtime": service.runtime["metadata"]["name"],
        "base-model-name": metadata["name"],
        "base-model-size": metadata.get("annotations", {}).get("models.ome.io/category", "SMALL"),
        "base-model-type": "Serving",
        "fine-tuned-serving": "false",
    }
    if vendor := spec.get("vendor"):
        labels["base-model-vendor"] = vendor
    return labels


def _annotations(service: Service, engine: Object) -> dict[str, str]:
    spec = service.model.get("spec", {})
    form = spec.get("modelFormat", {})
    added = {
        "ome.io/base-model-name": service.model["metadata"]["name"],
        "ome.io/base-model-format": form.get("name"),
        "ome.io/base-model-format-version": form.get("version"),
        "ome.io/base-model-vendor": spec.get("vendor"),
        "ome.io/serving-runtime": service.runtime["metadata"]["name"],
        "ome.io/deploymentMode": "RawDeployment",
    }
    own = {key: value for key, value in added.items() if value}
    return {**service.annotations, **engine.get("annotations", {}), **own}


def _metadata(service: Service, name: str, labels: dict[str, str], annotations: dict[str, str]) -> Object:
    return {
        "name": name,
        "namespace": service.namespace,
        "labels": labels,
        "annotations": annotations,
        "ownerReferences": [owner_reference(service.isvc)],
    }


def deployment(service: Service, engine: Object) -> Object:
    """Returns the engine's Deployment."""
    labels, annotations = _labels(service, engine), _annotations(service, engine)
    # The pod webhook of OME adds these two.
    scraping = {"ome.io/enable-metric-aggregation": "false", "ome.io/enable-prometheus-scraping": "false"}
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(service, engine_name(service.name), labels, annotations),
        "spec": {
            "replicas": engine.get("minReplicas", 1),
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": engine_name(service.name)}},
            "strategy": engine.get("deploymentStrategy") or rolling,
            "template": {
                "metadata": {"labels": labels, "annotations": {**annotations, **scraping}},
                "spec": _pod_spec(service, engine),
            },
        },
    }


def _pod_spec(service: Service, engine: Object) -> Object:
    spec = {key: value for key, value in engine.items() if key not in _COMPONENT_FIELDS}
    model, path = service.model["metadata"]["name"], service.model.get("spec", {}).get("storage", {}).get("path")
    runner = _container(engine["runner"], model, path)
    spec["containers"] = [runner, *engine.get("containers", [])]
    spec["nodeSelector"] = {**spec.get("nodeSelector", {}), model_label(service.model): "Ready"}
    spec.setdefault("terminationGracePeriodSeconds", 30)
    if path:
        spec["volumes"] = [*spec.get("volumes", []), {"name": model, "hostPath": {"path": path, "type": ""}}]
    return spec


def _container(runner: Object, model: str, path: str | None) -> Object:
    container = dict(runner)
    env = list(container.get("env", []))
    if path and not any(item["name"] == "MODEL_PATH" for item in env):
        env.append({"name": "MODEL_PATH", "value": path})
    if gpus := int(container.get("resources", {}).get("limits", {}).get(GPU, 0)):
        env = [item for item in env if item["name"] != "PARALLELISM_SIZE"]
        env.append({"name": "PARALLELISM_SIZE", "value": str(gpus)})
    container["env"] = env
    if path:
        mounts = [mount for mount in container.get("volumeMounts", []) if mount["mountPath"] != path]
        container["volumeMounts"] = [*mounts, {"name": model, "mountPath": path, "readOnly": True}]
    container.setdefault(
        "readinessProbe",
        {"tcpSocket": {"port": 8080}, "periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3},
    )
    return container


def _engine_service(service: Service, engine: Object) -> Object:
    ports = engine["runner"].get("ports") or [{"name": CONTAINER, "containerPort": 8080}]
    annotations = _annotations(service, engine)
    annotations.pop("prometheus.io/scrape", None)
    name = engine_service_name(service.name)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(service, name, _labels(service, engine), annotations),
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": engine_name(service.name)},
            "ports": [
                {
                    "name": port.get("name") or f"port-{port['containerPort']}",
                    "port": port["containerPort"],
                    "targetPort": port["containerPort"],
                    "protocol": port.get("protocol", "TCP"),
                }
                for port in ports
            ],
        },
    }


def _external_service(service: Service, engine: Object) -> Object:
    port = first_port(engine)
    labels = {"component": "external-service", LABEL: service.name}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(service, service.name, labels, {}),
        "spec": {
            "type": "ClusterIP",
            "selector": {"component": "engine", LABEL: service.name},
            "ports": [{"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}],
        },
    }


def _autoscaler(service: Service, engine: Object) -> Object:
    low = engine.get("minReplicas", 1)
    target = {"type": "Utilization", "averageUtilization": 80}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(
            service, engine_name(service.name), _labels(service, engine), _annotations(service, engine)
        ),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": engine_name(service.name)},
            "minReplicas": low,
            "maxReplicas": max(low, engine.get("maxReplicas", 3)),
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def _disruption_budget(service: Service, engine: Object) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(
            service, engine_name(service.name), _labels(service, engine), _annotations(service, engine)
        ),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": engine_name(service.name)}}},
    }
