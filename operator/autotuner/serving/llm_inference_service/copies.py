"""The LLMInferenceService of an experiment, and the patch that makes the original run what won."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.api.experiment import Service
from autotuner.hashing import digest
from autotuner.kubernetes_object import Object
from autotuner.ownership import labels, owner_reference
from autotuner.serving import kueue
from autotuner.serving.backend import Patched, Winner
from autotuner.serving.engine_pod import engine_pod
from autotuner.serving.llm_inference_service import engine_start, original
from autotuner.serving.llm_inference_service.engine_start import ENGINE, MAIN, EngineStart
from autotuner.serving.llm_inference_service.preset_script import ADDITIONAL

# Of a longer name the Service's is shortened by a hash, and the address would have to be asked for.
NAME_MAX = 63 - len("-kserve-workload-svc")
PORT = 8000
# That the controller's own limit on a start comes after the experiment's.
_SLACK_SECONDS = 60


def root_name(experiment: Mapping[str, Any]) -> str:
    """The experiment's own name, or so much of it that all children can be named after it."""
    name = str(experiment["metadata"]["name"])
    if len(name) <= NAME_MAX:
        return name
    end = digest(name)
    return f"{name[: NAME_MAX - len(end) - 1].rstrip('-')}-{end}"


def service_host(name: str, namespace: str) -> str:
    """Where the engine of an LLMInferenceService answers."""
    return f"{name}-kserve-workload-svc.{namespace}.svc"


def deployment_name(name: str) -> str:
    """The Deployment of its engine."""
    return f"{name}-kserve"


def llm_inference_service(experiment: Mapping[str, Any], service: Service, data: Mapping[str, Any]) -> Object:
    """The LLMInferenceService of an experiment, as it is created and never touched again.

    Args:
        experiment: the TuningExperiment.
        service: what it serves.
        data: of the snapshot.
    """
    spec: Object = copy.deepcopy(dict(data["copied"]))
    flags = list(service.args) or start_of(data).flags
    seconds = int(((experiment["spec"].get("timeouts") or {}).get("startupSeconds")) or 0)
    template = engine_pod(
        experiment,
        service,
        {"metadata": {"annotations": spec.get("annotations") or {}}, "spec": spec["template"]},
        start_of(data).with_flags(flags),
    )
    main = next(one for one in template["spec"]["containers"] if one["name"] == MAIN)
    _hurry(main, data["template"]["spec"]["containers"][0], seconds)
    spec["template"] = template["spec"]
    spec["replicas"] = 1
    # They are part of an immutable selector: never to be changed.
    spec["labels"] = template["metadata"]["labels"]
    if annotations := template["metadata"].get("annotations"):
        spec["annotations"] = annotations
    _set_tensor(spec, flags)
    meta = experiment["metadata"]
    own = {**(service.labels or {}), **labels(meta["name"], meta["uid"]), **kueue.labels(service)}
    return {
        "apiVersion": original.ROOT.api_version,
        "kind": original.ROOT.kind,
        "metadata": {
            "name": root_name(experiment),
            "namespace": meta["namespace"],
            "labels": own,
            **({"annotations": dict(service.annotations)} if service.annotations else {}),
            "ownerReferences": [owner_reference(experiment)],
        },
        "spec": spec,
    }


def start_of(data: Mapping[str, Any]) -> EngineStart:
    """How the engine of a snapshot is started."""
    return engine_start.read(data["template"]["spec"]["containers"][0], ENGINE)


def winner(experiment: Mapping[str, Any], service: Service, data: Mapping[str, Any]) -> Winner:
    """A merge patch, which has all containers of the object: it knows no other than to replace lists."""
    start, target = start_of(data), data["target"]
    flags = list(service.args) or start.flags
    containers: list[Object] = copy.deepcopy(list(data["containers"]))
    if all(one["name"] != MAIN for one in containers):
        containers.append({"name": MAIN})
    main = next(one for one in containers if one["name"] == MAIN)
    main.update(start.with_flags(flags))
    inherited = any(one["name"] == ADDITIONAL for one in _main(data["copied"]).get("env") or ())
    original.read_again(main, inherited=inherited)
    if service.image:
        main["image"] = service.image
    if service.env:
        own = {variable.name: variable.dump() for variable in service.env}
        main["env"] = [*(one for one in main.get("env") or () if one["name"] not in own), *own.values()]
    if resource := service.accelerator.resource:
        resources: Object = main.setdefault("resources", {})
        for kind in ("requests", "limits"):
            resources[kind] = {**(resources.get(kind) or {}), resource: str(service.accelerator.count)}
    spec: Object = {"template": {"containers": containers}}
    if "tensor" in (data["copied"].get("parallelism") or {}):
        spec["parallelism"] = {"tensor": engine_start.tensor_degree(flags) or 1}
    note = "The rollout starts the new pod beside the old one and needs room for both."
    if start.evaluated:
        note += " The preset's shell reads the arguments once more, so some of them have quotes here."
    body = {
        "apiVersion": original.ROOT.api_version,
        "kind": original.ROOT.kind,
        "metadata": {"name": target["name"], "namespace": experiment["metadata"]["namespace"]},
        "spec": spec,
    }
    return Winner(body, note, Patched(original.ROOT, target["name"], "merge"))


def _main(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    containers: Sequence[Mapping[str, Any]] = spec["template"]["containers"]
    return next(one for one in containers if one["name"] == MAIN)


def _hurry(main: Object, running: Mapping[str, Any], startup_seconds: int) -> None:
    """Let the start take its time, tell its end at once, and let the engine stop at once.

    Only what the pod has already is changed: the controller merges these fields into the presets'.

    Args:
        main: the container of the experiment.
        running: that of the original's pod.
        startup_seconds: that the experiment gives a start.
    """
    if "startupProbe" in running:
        limit = {"periodSeconds": 1, "failureThreshold": startup_seconds + _SLACK_SECONDS}
        main["startupProbe"] = {**(main.get("startupProbe") or {}), **limit}
    if "readinessProbe" in running:
        main["readinessProbe"] = {**(main.get("readinessProbe") or {}), "periodSeconds": 1}
    # Another handler than the one that is there would be a second one, which is refused.
    if "exec" in ((running.get("lifecycle") or {}).get("preStop") or {}):
        main["lifecycle"] = {**(main.get("lifecycle") or {}), "preStop": {"exec": {"command": ["true"]}}}


def _set_tensor(spec: Object, flags: Sequence[str]) -> None:
    """Keep the degree of which the controller makes a flag equal to the engine's own, where the object has one."""
    parallelism = spec.get("parallelism") or {}
    if "tensor" in parallelism:
        spec["parallelism"] = {**parallelism, "tensor": engine_start.tensor_degree(flags) or 1}
