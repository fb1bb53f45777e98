"""The InferenceService of an experiment that copies a target, and the patch of the target by what won."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.api.experiment import Service
from autotuner.kubernetes_object import Object
from autotuner.manifest_rendering import render
from autotuner.ownership import owner_reference
from autotuner.serving.backend import Patched, Winner
from autotuner.serving.engine_pod import engine_pod
from autotuner.serving.ome.original_service import RAW
from autotuner.serving.ome.resource_kinds import INFERENCE_SERVICE

_NOTE = (
    "Its args replace those of the InferenceService and of the runtime. OME starts the new pod beside the old one, so"
    " the change needs room for both, or spec.engine.deploymentStrategy: {type: Recreate}."
)


def inference_service(experiment: Mapping[str, Any], service: Service, data: Mapping[str, Any]) -> Object:
    """The InferenceService of an experiment, as it is created and never touched again.

    Args:
        experiment: the TuningExperiment.
        service: what it serves.
        data: of the snapshot.
    """
    meta = experiment["metadata"]
    pods = engine_pod(experiment, service, data["template"], {**_command(data), "args": list(service.args)})
    pod = pods["spec"]
    runner = next(one for one in pod["containers"] if one["name"] == service.container)
    others = [one for one in pod["containers"] if one is not runner]
    engine = {
        **{field: value for field, value in pod.items() if field not in ("containers", "restartPolicy")},
        "minReplicas": 1,
        "maxReplicas": 1,
        # OME 1.3 and later reads the mode here, older ones in the metadata.
        "annotations": {"ome.io/deploymentMode": RAW},
        "runner": runner,
        **({"containers": others} if others else {}),
    }
    return render(
        "inferenceservice-copy.yaml.j2",
        name=meta["name"],
        namespace=meta["namespace"],
        labels=pods["metadata"]["labels"],
        annotations=pods["metadata"].get("annotations") or {},
        owner=owner_reference(experiment),
        model=data["service"]["model"],
        runtime=data["service"]["runtime"],
        engine=engine,
    )


def _command(data: Mapping[str, Any]) -> Object:
    containers = data["template"]["spec"]["containers"]
    command = next(one for one in containers if one["name"] == data["container"]).get("command")
    return {"command": list(command)} if command else {}


def winner(experiment: Mapping[str, Any], service: Service, data: Mapping[str, Any]) -> Winner:
    """A merge patch of the target, whose lists replace those that it had."""
    runner: Object = {"name": data["container"], "args": list(service.args)}
    if service.image:
        runner["image"] = service.image
    if service.env:
        changed = {variable.name: variable.dump() for variable in service.env}
        runner["env"] = [*(one for one in data["service"]["env"] if one["name"] not in changed), *changed.values()]
    if resource := service.accelerator.resource:
        count = {resource: str(service.accelerator.count)}
        runner["resources"] = {"requests": count, "limits": count}
    target = data["target"]
    body = {
        "apiVersion": INFERENCE_SERVICE.api_version,
        "kind": INFERENCE_SERVICE.kind,
        "metadata": {"name": target["name"], "namespace": experiment["metadata"]["namespace"]},
        "spec": {"engine": {"runner": runner}},
    }
    return Winner(body, _NOTE, Patched(INFERENCE_SERVICE, target["name"], "merge"))
