"""The Deployment and the Service of an experiment, and the Deployment of what won."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.api.common import EXPERIMENT_UID_LABEL, GROUP
from autotuner.api.experiment import Service
from autotuner.kube import DEPLOYMENT
from autotuner.kubernetes_object import Object
from autotuner.manifest_rendering import render
from autotuner.ownership import labels, owner_reference
from autotuner.serving import kueue
from autotuner.serving.backend import Patched, Winner
from autotuner.serving.engine_pod import engine_pod
from autotuner.serving.target import engine_port, snapshots

# Other products pass an experiment's labels on to Deployments of their own, and its benchmark has them too.
_OWN = {f"{GROUP}/backend": "Deployment"}
MARK = f"{GROUP}/backend=Deployment"


def deployment(experiment: Mapping[str, Any], service: Service, data: Mapping[str, Any]) -> Object:
    """The Deployment of an experiment, as it is created and never touched again.

    Args:
        experiment: the TuningExperiment.
        service: what it serves.
        data: of the snapshot.
    """
    meta = experiment["metadata"]
    return render(
        "engine-deployment.yaml.j2",
        name=meta["name"],
        namespace=meta["namespace"],
        labels={
            **(service.labels or {}),
            **labels(meta["name"], meta["uid"]),
            **_OWN,
            **kueue.labels(service),
        },
        annotations=service.annotations or {},
        owner=owner_reference(experiment),
        selector=_selector(experiment),
        pods=_pods(experiment, service, data),
    )


def engine_service(experiment: Mapping[str, Any], service: Service, root: Mapping[str, Any]) -> Object:
    """The Service of an experiment, which its Deployment owns."""
    meta, containers = experiment["metadata"], root["spec"]["template"]["spec"]["containers"]
    container = next(one for one in containers if one["name"] == service.container)
    return render(
        "engine-service.yaml.j2",
        name=meta["name"],
        namespace=meta["namespace"],
        labels={**(service.labels or {}), **labels(meta["name"], meta["uid"])},
        owner=owner_reference(root, blocks=False),
        selector=_selector(experiment),
        port=engine_port.SERVICE_PORT,
        target=engine_port.of_container(container, service.engine),
    )


def winner(experiment: Mapping[str, Any], service: Service, data: Mapping[str, Any], name: str) -> Winner:
    """What won, as a Deployment that stays: ready to apply, with a label of its own; of a target, as its patch."""
    if target := data.get("target"):
        return _patch(experiment, service, data, target)
    plain = service.model_copy(update={"queue_name": None, "workload_priority_class_name": None})
    body = deployment(experiment, plain, data)
    own = {"app": name}
    meta, spec = body["metadata"], body["spec"]
    meta["name"], meta["labels"] = name, {**(service.labels or {}), **own}
    del meta["ownerReferences"], spec["progressDeadlineSeconds"], spec["strategy"]
    spec["selector"] = {"matchLabels": own}
    spec["template"]["metadata"]["labels"] = {**(service.labels or {}), **own}
    for key in ("terminationGracePeriodSeconds", "priorityClassName"):
        spec["template"]["spec"].pop(key, None)
    return Winner(body, f"Give it a Service that selects app: {name}.")


def _selector(experiment: Mapping[str, Any]) -> dict[str, str]:
    return {EXPERIMENT_UID_LABEL: experiment["metadata"]["uid"], **_OWN}


def _pods(experiment: Mapping[str, Any], service: Service, data: Mapping[str, Any]) -> Object:
    template = engine_pod(experiment, service, data["template"], snapshots.started(data, service.args))
    template["metadata"]["labels"].update(_OWN)
    return template


def _patch(
    experiment: Mapping[str, Any], service: Service, data: Mapping[str, Any], target: Mapping[str, str]
) -> Winner:
    """A strategic merge patch, by which a Deployment's container is known by its name."""
    container: Object = {"name": service.container, **snapshots.started(data, service.args)}
    if service.image:
        container["image"] = service.image
    if service.env:
        container["env"] = [variable.dump() for variable in service.env]
    if resource := service.accelerator.resource:
        count = {resource: str(service.accelerator.count)}
        container["resources"] = {"requests": count, "limits": count}
    where = {"name": target["name"], "namespace": experiment["metadata"]["namespace"]}
    body = {
        "apiVersion": "apps/v1",
        "kind": target["kind"],
        "metadata": where,
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    note = "The rollout starts the new pod beside the old one and needs room for both, unless the strategy is Recreate."
    return Winner(body, note, Patched(DEPLOYMENT, target["name"], "strategic"))
