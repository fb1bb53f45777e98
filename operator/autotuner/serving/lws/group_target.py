"""A LeaderWorkerSet that somebody runs, read so that it can be copied and tuned."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autotuner.api.model_and_runtime import Target
from autotuner.kubernetes_object import Object
from autotuner.presets import Presets
from autotuner.serving.backend import UnusableTargetError
from autotuner.serving.lws import leader_worker_group
from autotuner.serving.lws.leader_worker_group import EXCLUSIVE, templates
from autotuner.serving.target import engine_container, pod_copy, reading
from autotuner.serving.target.engine_container import EngineContainer, NoEngineError, NoEngineThereError

# Fields of the group that a copy keeps beside its templates.
_KEPT = ("startupPolicy", "networkConfig")


def read(target: Target, found: Object | None, known: Presets) -> Object:
    """The data of its snapshot.

    Beside what `reading.of_pod` says of the leader: `size` of the group; `workers`, with their `template`, the
    `container` that has the accelerators and whether it `runs_engine`, whose arguments then follow the leader's; absent
    for a group of one; `own_leader`, whether the leader has a template of its own; `spec`, its other
    fields that a copy keeps.

    Args:
        target: what the task says of it.
        found: the live object.
        known: presets, whose models tell what a model is by its id on the hub.

    Raises:
        UnusableTargetError: it cannot be copied.
    """
    found = reading.usable(target, found)
    spec = found["spec"]
    group, (leader, worker) = spec["leaderWorkerTemplate"], templates(spec)
    size, what = int(group.get("size") or 1), f"{target.kind} {target.name}"
    _refuse_claims(what, group)
    _refuse_own_hosts(what, target.name, found, {"leaderTemplate": leader, "workerTemplate": worker})
    data = reading.of_pod(target, leader, known, elsewhere=leader_worker_group.variables(size))
    workers = _workers(target, data, leader, worker) if size > 1 else None
    if workers is not None:
        _refuse_uneven(what, data, workers)
    return {
        **data,
        "size": size,
        "own_leader": "leaderTemplate" in group,
        "spec": {field: spec[field] for field in _KEPT if spec.get(field)},
        **({"workers": workers} if workers is not None else {}),
        **({reading.NOTES: notes} if (notes := list(_notes(found))) else {}),
    }


def _notes(found: Mapping[str, Any]) -> Iterator[str]:
    """What a copy does without that may make it slower or faster than the original."""
    if found["spec"]["leaderWorkerTemplate"].get("subGroupPolicy"):
        yield "copies have no subGroupPolicy, so their pods may be placed otherwise than the original's"
    if EXCLUSIVE in (found["metadata"].get("annotations") or {}):
        yield (
            f"copies are not placed exclusively ({EXCLUSIVE}), so their pods may be placed otherwise than the"
            " original's; keep engines where the original may run with placement.nodeSelector"
        )


def _workers(target: Target, data: Mapping[str, Any], leader: Object, worker: Object) -> Object:
    containers: Sequence[Object] = worker["spec"]["containers"]
    engine = _engine_of_workers(target, data, leader, containers)
    name = engine.name if engine is not None else _accelerated(containers)
    template = pod_copy.without_traffic(worker).template
    return {"template": template, "container": name, "runs_engine": engine is not None}


def _engine_of_workers(
    target: Target, data: Mapping[str, Any], leader: Object, containers: Sequence[Object]
) -> EngineContainer | None:
    """The engine in the workers' pod; None where they only lend it their accelerators.

    Raises:
        UnusableTargetError: they run an engine whose flags cannot be read, so that only the leader's would change.
    """
    what = f"{target.kind} {target.name}"
    try:
        return engine_container.find(containers, elsewhere=data["elsewhere"])
    except NoEngineThereError:
        pass
    except NoEngineError as problem:
        raise UnusableTargetError(f"{what}: workerTemplate: {problem}") from problem
    if target.engine is None:
        return None
    leads = engine_container.find(
        leader["spec"]["containers"], data["container"], target.engine, elsewhere=data["elsewhere"]
    )
    same = [found for found in _as_told(containers, target, data["elsewhere"]) if found.program == leads.program]
    if len(same) > 1:
        names = ", ".join(found.name for found in same)
        raise UnusableTargetError(f"{what}: workerTemplate: more than one container runs the engine: {names}")
    return same[0] if same else None


def _as_told(containers: Sequence[Object], target: Target, elsewhere: Mapping[str, str]) -> Iterator[EngineContainer]:
    """The containers read as if each ran the engine that the task names."""
    for container in containers:
        try:
            yield engine_container.find([container], container["name"], target.engine, elsewhere=elsewhere)
        except NoEngineError:
            continue


def _accelerated(containers: Sequence[Object]) -> str:
    """The container that has accelerators, else the first."""
    return str(next((one for one in containers if _accelerators(one)), containers[0])["name"])


def _accelerators(container: Mapping[str, Any]) -> dict[str, str]:
    """The extended resources that a container asks for: those of a domain."""
    limits: Mapping[str, Any] = (container.get("resources") or {}).get("limits") or {}
    return {name: str(count) for name, count in limits.items() if "/" in name}


def _refuse_uneven(what: str, data: Object, workers: Object) -> None:
    pods = {"leader": data, "workers": {**workers}}
    asked = {
        role: _accelerators(
            next(one for one in pod["template"]["spec"]["containers"] if one["name"] == pod["container"])
        )
        for role, pod in pods.items()
    }
    if asked["leader"] != asked["workers"]:
        said = "; ".join(f"{role}: {_written(resources)}" for role, resources in asked.items())
        raise UnusableTargetError(
            f"{what} has not as many accelerators in each pod ({said}), and an engine is only spread evenly; give"
            " leaderTemplate and workerTemplate the same limits"
        )


def _written(resources: Mapping[str, str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in resources.items()) or "none"


def _refuse_claims(what: str, group: Mapping[str, Any]) -> None:
    if group.get("volumeClaimTemplates"):
        raise UnusableTargetError(
            f"{what} has leaderWorkerTemplate.volumeClaimTemplates, by which each copy would leave claims behind; mount"
            " a claim that many may read, or an emptyDir"
        )


def _refuse_own_hosts(what: str, name: str, found: Mapping[str, Any], pods: Mapping[str, Object]) -> None:
    """Refuse the hosts of the original in its own templates: a copy would talk to the original."""
    own, namespace = re.escape(name), re.escape(str(found["metadata"].get("namespace") or ""))
    # A pod by its service, or the service by its namespace or with a port.
    hosts = rf"{own}(?:-\d+){{1,2}}\.{own}(?:-\d+)?(?!\w)|{own}\.{namespace}(?![\w-])|{own}:\d+"
    pattern = re.compile(rf"(?<![\w.-])(?:{hosts})")
    for field, template in pods.items():
        for place, text in _texts(template["spec"]):
            if host := pattern.search(text):
                raise UnusableTargetError(
                    f"{what}: leaderWorkerTemplate.{field}.spec.{place} names {host[0]}, a host of this very set, with"
                    " which a copy would talk; write $(LWS_LEADER_ADDRESS) instead"
                )


def _texts(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Whatever a container is told, with its place."""
    for kind in ("initContainers", "containers"):
        for container in pod.get(kind) or ():
            place = f"{kind}[{container['name']}]"
            for field in ("command", "args"):
                yield from ((f"{place}.{field}", str(word)) for word in container.get(field) or ())
            for variable in container.get("env") or ():
                yield f"{place}.env[{variable['name']}]", str(variable.get("value") or "")


def engine_pods(data: Mapping[str, Any]) -> int:
    """Over how many pods the engine is spread."""
    return int(data.get("size") or 1)
