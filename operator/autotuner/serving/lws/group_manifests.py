"""The LeaderWorkerSet and the Service of an experiment, and the patch by which a user's own set runs what won."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.api.common import EXPERIMENT_UID_LABEL
from autotuner.api.experiment import Service
from autotuner.kubernetes_object import Object
from autotuner.manifest_rendering import render
from autotuner.ownership import labels, owner_reference
from autotuner.serving import kueue
from autotuner.serving.backend import Patched, Winner
from autotuner.serving.engine_pod import engine_pod
from autotuner.serving.lws import worker_arguments
from autotuner.serving.lws.leader_worker_group import (
    CONTAINER_ANNOTATION,
    LEADER_WORKER_SET,
    OWN,
    RANK_LABEL,
    root_name,
    variables,
)
from autotuner.serving.target import container_patch, engine_port, snapshots

_GROUP = "/spec/leaderWorkerTemplate"


def leader_worker_set(experiment: Mapping[str, Any], service: Service, data: Mapping[str, Any]) -> Object:
    """The LeaderWorkerSet of an experiment, as it is created and never touched again.

    Args:
        experiment: the TuningExperiment.
        service: what it serves.
        data: of the snapshot.
    """
    meta = experiment["metadata"]
    leader = _pods(experiment, service, data, data, snapshots.started(data, service.args))
    return render(
        "engine-leader-worker-set.yaml.j2",
        name=root_name(meta["name"]),
        namespace=meta["namespace"],
        labels={**(service.labels or {}), **labels(meta["name"], meta["uid"]), **OWN, **kueue.labels(service)},
        annotations=service.annotations or {},
        owner=owner_reference(experiment),
        kept=data["spec"],
        size=data["size"],
        leader=leader,
        workers=_workers(experiment, service, data) if "workers" in data else leader,
    )


def service_name(experiment: str) -> str:
    """The name of an experiment's Service; the set's own name is that of its headless one."""
    return f"{root_name(experiment)}-engine"


def engine_service(experiment: Mapping[str, Any], service: Service, root: Mapping[str, Any]) -> Object:
    """The Service of an experiment, which leads to the leader and which its set owns."""
    meta, group = experiment["metadata"], root["spec"]["leaderWorkerTemplate"]
    containers = group["leaderTemplate"]["spec"]["containers"]
    container = next(one for one in containers if one["name"] == service.container)
    return render(
        "engine-service.yaml.j2",
        name=service_name(meta["name"]),
        namespace=meta["namespace"],
        labels={**(service.labels or {}), **labels(meta["name"], meta["uid"])},
        owner=owner_reference(root, blocks=False),
        selector={EXPERIMENT_UID_LABEL: meta["uid"], **OWN, RANK_LABEL: "0"},
        port=engine_port.SERVICE_PORT,
        target=engine_port.of_container(container, service.engine, variables(int(group["size"]))),
    )


def patch(service: Service, data: Mapping[str, Any]) -> Winner:
    """A JSON patch: custom resources know no strategic merge, and a merge patch would replace all containers."""
    pods, body = _accelerators(service, data), list[Object]()
    field = "leaderTemplate" if data["own_leader"] else "workerTemplate"
    started = snapshots.started(data, service.args)
    body += _changes(data, field, started, service, pods)
    # Without a template of its own the leader has that of the workers, and both run the engine.
    if "workers" in data and data["own_leader"]:
        workers = worker_arguments.of_workers(data)
        changed = worker_arguments.started(data, service.args)
        body += _changes(workers, "workerTemplate", changed, _of_workers(service, data), pods)
    note = (
        "Any change restarts whole groups, one after the other and without room for a second one: with one replica"
        " nothing answers meanwhile."
    )
    return Winner(body, note, Patched(LEADER_WORKER_SET, data["target"]["name"], "json"))


def _changes(
    data: Mapping[str, Any], field: str, started: Mapping[str, list[str]] | None, service: Service, accelerators: int
) -> list[Object]:
    containers = data["template"]["spec"]["containers"]
    path = f"{_GROUP}/{field}/spec/containers"
    return container_patch.operations(containers, data["container"], path, started, service, accelerators)


def _workers(experiment: Mapping[str, Any], service: Service, data: Mapping[str, Any]) -> Object:
    workers = worker_arguments.of_workers(data)
    started = worker_arguments.started(data, service.args)
    own = snapshots.started(workers, ())
    return _pods(experiment, _of_workers(service, data), data, workers, own if started is None else started)


def _of_workers(service: Service, data: Mapping[str, Any]) -> Service:
    """The service as far as it is about the workers' container; another image only where all had the same."""
    workers = worker_arguments.of_workers(data)
    same = _image(data) == _image(workers)
    return service.model_copy(update={"container": workers["container"], "image": service.image if same else ""})


def _image(data: Mapping[str, Any]) -> str:
    containers = data["template"]["spec"]["containers"]
    return str(next(one for one in containers if one["name"] == data["container"]).get("image") or "")


def _pods(
    experiment: Mapping[str, Any],
    service: Service,
    data: Mapping[str, Any],
    pods: Mapping[str, Any],
    started: Mapping[str, Any],
) -> Object:
    """The pod template of leader or workers, with their share of the accelerators.

    It has no queue's label: Kueue queues a group by the label of its set, and would queue each pod by itself.
    """
    share = service.accelerator.model_copy(update={"count": _accelerators(service, data)})
    alone = {"accelerator": share, "queue_name": None, "workload_priority_class_name": None}
    template = engine_pod(experiment, service.model_copy(update=alone), pods["template"], started)
    template["metadata"]["labels"].update(OWN)
    template["metadata"].setdefault("annotations", {})[CONTAINER_ANNOTATION] = pods["container"]
    return template


def _accelerators(service: Service, data: Mapping[str, Any]) -> int:
    """The accelerators of each pod; an experiment that no task made may ask for some that do not divide."""
    return -(-service.accelerator.count // int(data["size"]))
