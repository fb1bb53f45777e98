"""The InferenceService of an experiment, which copies a target's, and the patch of the target by what won."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.api.experiment import Service
from autotuner.kubernetes_object import Object
from autotuner.manifest_rendering import render
from autotuner.ownership import labels, owner_reference
from autotuner.serving import accelerators, kueue
from autotuner.serving.backend import Patched, Winner
from autotuner.serving.engine_pod import GRACE_SECONDS
from autotuner.serving.kserve.resource_kinds import (
    AUTOSCALER_CLASS,
    CONTAINER,
    DEPLOYMENT_MODE,
    INFERENCE_SERVICE,
    VISIBILITY,
    pod_selector,
)
from autotuner.serving.target import snapshots

# No Ingress and no HTTPRoute: each experiment would get a host name that the whole world may resolve.
_LOCAL = {VISIBILITY: "cluster-local"}
_DEFAULT_PORT = 8080  # that KServe's own Service leads to where the engine's container names none
_ROLLOUT = (
    "KServe starts the new pod beside the old one, so the change needs room for both, or predictor.deploymentStrategy:"
    " {type: Recreate}; without room it waits for ever, and Ready stays True."
)


def inference_service(experiment: Mapping[str, Any], service: Service, data: Mapping[str, Any]) -> Object:
    """The InferenceService of an experiment, as it is created and never touched again.

    Args:
        experiment: the TuningExperiment.
        service: what it serves.
        data: of the snapshot.
    """
    meta = experiment["metadata"]
    predictor: Object = copy.deepcopy(dict(data["predictor"]))
    engine = _engine(predictor)
    engine.update(_started(data, service.args, data["completed"]))
    if "model" in predictor and data.get("runtime"):
        predictor["model"]["runtime"] = data["runtime"]["name"]  # which KServe may have chosen by itself
    if service.image:
        engine["image"] = service.image
    _set_environment(engine, service)
    _set_ports(engine, data)
    _set_accelerators(engine, service)
    _set_place(predictor, service)
    # What drains traffic before a pod goes would only hold accelerators: there is none.
    (engine.get("lifecycle") or {}).pop("preStop", None)
    grace = predictor.get("terminationGracePeriodSeconds", GRACE_SECONDS)
    predictor |= {"minReplicas": 1, "maxReplicas": 1, "terminationGracePeriodSeconds": min(grace, GRACE_SECONDS)}
    own = {DEPLOYMENT_MODE: data["mode"], AUTOSCALER_CLASS: "none"}
    return render(
        "kserve-inferenceservice.yaml.j2",
        name=meta["name"],
        namespace=meta["namespace"],
        labels={**(service.labels or {}), **labels(meta["name"], meta["uid"]), **_LOCAL, **kueue.labels(service)},
        annotations={**data["annotations"], **(service.annotations or {}), **own},
        owner=owner_reference(experiment),
        predictor=predictor,
    )


def engine_service(experiment: Mapping[str, Any], service: Service, root: Mapping[str, Any]) -> Object:
    """The Service by which the benchmark reaches the engine: KServe's own has no port where it makes it headless."""
    meta = experiment["metadata"]
    return render(
        "engine-service.yaml.j2",
        name=engine_service_name(meta["name"]),
        namespace=meta["namespace"],
        labels={**(service.labels or {}), **labels(meta["name"], meta["uid"])},
        owner=owner_reference(root, blocks=False),
        selector=pod_selector(meta["name"]),
        port=_port(root),
    )


def engine_service_name(name: str) -> str:
    """The name of that Service."""
    return f"{name}-engine"


def winner(experiment: Mapping[str, Any], service: Service, data: Mapping[str, Any]) -> Winner:
    """A merge patch of the target, in which the arguments that the InferenceService had are replaced as a whole."""
    target, predictor = data["target"], copy.deepcopy(dict(data["predictor"]))
    engine = _engine(predictor)
    changed: Object = _started(data, service.args)
    if service.image:
        changed["image"] = service.image
    if service.env:
        _set_environment(changed := {**changed, "env": list(engine.get("env") or ())}, service)
    if resource := service.accelerator.resource:
        count = {resource: str(service.accelerator.count)}
        changed["resources"] = {"requests": count, "limits": count}
    if "model" in predictor:
        patch: Object = {"model": changed}
    else:  # a merge replaces lists as a whole
        resources = engine.get("resources") or {}
        for kind, count in (changed.pop("resources", None) or {}).items():
            resources = {**resources, kind: {**(resources.get(kind) or {}), **count}}
        engine.update(changed | ({"resources": resources} if resources else {}))
        patch = {"containers": predictor["containers"]}
    body = {
        "apiVersion": INFERENCE_SERVICE.api_version,
        "kind": INFERENCE_SERVICE.kind,
        "metadata": {"name": target["name"], "namespace": experiment["metadata"]["namespace"]},
        "spec": {"predictor": patch},
    }
    return Winner(body, _note(data), Patched(INFERENCE_SERVICE, target["name"], "merge"))


def _note(data: Mapping[str, Any]) -> str:
    if form := data.get("oldForm"):
        return (
            f"{_ROLLOUT} The file that was applied has predictor.{form}, which KServe stores as predictor.model: write"
            f" predictor.model into it, with these arguments and all that predictor.{form} has, else the next apply"
            " takes them away."
        )
    return _ROLLOUT


def _engine(predictor: Object) -> Object:
    """What the InferenceService says of the engine's container."""
    if "model" in predictor:
        found: Object = predictor["model"]
        return found
    named: Object = next(one for one in predictor["containers"] if one["name"] == CONTAINER)
    return named


def _started(data: Mapping[str, Any], args: Sequence[str], completed: Sequence[str] = ()) -> dict[str, list[str]]:
    """The `args` of an InferenceService with these flags, and its `command` where none of it comes from a runtime.

    Args:
        data: of the snapshot.
        args: of the engine; none keep what the target has.
        completed: arguments that come before them, so that a runtime's template with the object's name makes no
            difference.
    """
    started = snapshots.started(data, args)
    kept = data.get("kept", 0)
    if not kept:
        return started
    words = [*started.get("command", ()), *started.get("args", ())]
    return {"args": [*completed, *words[kept:]]}


def _set_environment(engine: Object, service: Service) -> None:
    own = {variable.name: variable.dump() for variable in service.env or []}
    kept = [variable for variable in engine.get("env") or () if variable["name"] not in own]
    if kept or own:
        engine["env"] = [*kept, *own.values()]


def _set_accelerators(engine: Object, service: Service) -> None:
    """As many accelerators as the arguments take; KServe keeps the runtime's CPU and memory beside them."""
    if not (resource := service.accelerator.resource):
        return
    resources: Object = engine.get("resources") or {}
    count = {resource: str(service.accelerator.count)}
    for kind in ("requests", "limits"):
        resources[kind] = {**(resources.get(kind) or {}), **count}
    engine["resources"] = resources


def _set_place(predictor: Object, service: Service) -> None:
    own, pinned = predictor.get("nodeSelector") or {}, accelerators.pinning(service.accelerator)
    if selector := {**own, **(service.node_selector or {}), **pinned}:
        predictor["nodeSelector"] = selector
    if service.tolerations:
        predictor["tolerations"] = [toleration.dump() for toleration in service.tolerations]
    if service.priority_class_name:
        predictor["priorityClassName"] = service.priority_class_name


def _set_ports(engine: Object, data: Mapping[str, Any]) -> None:
    """The ports of the runtime too, which KServe merges into themselves: our Service is made of this object alone."""
    containers = data["template"]["spec"]["containers"]
    if ports := next(one for one in containers if one["name"] == CONTAINER).get("ports"):
        engine["ports"] = copy.deepcopy(ports)


def _port(root: Mapping[str, Any]) -> int:
    ports = _engine(root["spec"]["predictor"]).get("ports") or [{}]
    return int(ports[0].get("containerPort", _DEFAULT_PORT))
