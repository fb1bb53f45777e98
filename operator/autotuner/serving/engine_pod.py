"""The pod of an experiment: what a snapshot holds, with the experiment's own arguments, image and place."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from autotuner.api.experiment import Service
from autotuner.kubernetes_object import Object
from autotuner.ownership import labels
from autotuner.serving import accelerators, kueue
from autotuner.serving.backend import MODEL_PATH
from autotuner.serving.volumes import claim_mount, claim_volume

GRACE_SECONDS = 10
_VOLUME = "autotuner-weights"


def engine_pod(
    experiment: Mapping[str, Any], service: Service, template: Mapping[str, Any], started: Mapping[str, Any]
) -> Object:
    """The pod template of an experiment.

    Args:
        experiment: the TuningExperiment.
        service: what it serves.
        template: of the snapshot, without labels.
        started: the engine container's `command` and `args` with the experiment's arguments.
    """
    pod: Object = copy.deepcopy(dict(template["spec"]))
    container: Object = next(one for one in pod["containers"] if one["name"] == service.container)
    for field in ("command", "args"):
        container.pop(field, None)
    container.update(started)
    if service.image:
        container["image"] = service.image
    _set_environment(container, service)
    _set_accelerators(container, service)
    _set_weights(pod, container, service)
    _set_place(pod, service)
    # What drains traffic before a pod goes would only hold accelerators: there is none.
    (container.get("lifecycle") or {}).pop("preStop", None)
    pod["terminationGracePeriodSeconds"] = min(pod.get("terminationGracePeriodSeconds", GRACE_SECONDS), GRACE_SECONDS)
    pod["restartPolicy"] = "Always"
    meta = experiment["metadata"]
    annotations = {**((template.get("metadata") or {}).get("annotations") or {}), **(service.annotations or {})}
    return {
        "metadata": {
            "labels": {**(service.labels or {}), **labels(meta["name"], meta["uid"]), **kueue.labels(service)},
            **({"annotations": annotations} if annotations else {}),
        },
        "spec": pod,
    }


def _set_environment(container: Object, service: Service) -> None:
    own = {variable.name: variable.dump() for variable in service.env or []}
    if service.volume:
        own.setdefault(MODEL_PATH, {"name": MODEL_PATH, "value": service.volume.mount_path})
    kept = [variable for variable in container.get("env") or () if variable["name"] not in own]
    if kept or own:
        container["env"] = [*kept, *own.values()]


def _set_accelerators(container: Object, service: Service) -> None:
    """As many accelerators as the arguments take, whatever the snapshot asks for."""
    resource = service.accelerator.resource
    if not resource:
        return
    resources: Object = container.setdefault("resources", {})
    for kind in ("requests", "limits"):
        resources[kind] = {**(resources.get(kind) or {}), resource: str(service.accelerator.count)}


def _set_weights(pod: Object, container: Object, service: Service) -> None:
    if service.volume is not None:
        pod["volumes"] = [*(pod.get("volumes") or ()), claim_volume(_VOLUME, service.volume)]
        container["volumeMounts"] = [*(container.get("volumeMounts") or ()), claim_mount(_VOLUME, service.volume)]


def _set_place(pod: Object, service: Service) -> None:
    own, pinned = pod.get("nodeSelector") or {}, accelerators.pinning(service.accelerator)
    selector = {**own, **(service.node_selector or {}), **pinned}
    if selector:
        pod["nodeSelector"] = selector
    if service.tolerations:
        pod["tolerations"] = [toleration.dump() for toleration in service.tolerations]
    if service.priority_class_name:
        pod["priorityClassName"] = service.priority_class_name
