"""Snapshots of pods: what experiments run, kept in a ControllerRevision so that nothing can change it.

A ControllerRevision is of the cluster itself and immutable; the task that made it owns it. Its `data` holds the pod
template, without labels, the name of the engine's container, and what is known of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.hashing import digest
from autotuner.kubernetes_object import Object, Resource
from autotuner.serving.backend import EngineTemplate
from autotuner.serving.target import engine_container
from autotuner.serving.target.engine_container import EngineContainer

CONTROLLER_REVISION = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")


def snapshot(name: str, namespace: str, data: Mapping[str, Any]) -> Object:
    """The ControllerRevision of a snapshot's data, named after it.

    Args:
        name: that its own begins with.
        namespace: of the task.
        data: `template`, of the pods without labels; `container`, that runs the engine; `model`, what is known of it;
            `engine`, where that is read from the container's command, because somebody else wrote it; and where there
            are such, `kept`, how many of the first words of its command line no experiment can change, and `elsewhere`,
            the variables in it which no container names.
    """
    return {
        "apiVersion": CONTROLLER_REVISION.api_version,
        "kind": CONTROLLER_REVISION.kind,
        "metadata": {"name": f"{name}-{digest(data)}", "namespace": namespace},
        "data": dict(data),
        "revision": 1,
    }


def engine_of(data: Mapping[str, Any]) -> EngineTemplate:
    """The engine in a snapshot's data."""
    pod: Mapping[str, Any] = (data.get("template") or {}).get("spec") or {}
    named = [one for one in pod.get("containers") or () if one["name"] == data.get("container")]
    if not named:
        return EngineTemplate()
    if not data.get("engine"):
        return EngineTemplate(named[0], pod)
    found = _engine_container(named[0], data)
    return EngineTemplate({**named[0], "command": list(found.head), "args": list(found.flags)}, pod)


def started(data: Mapping[str, Any], args: Sequence[str]) -> dict[str, list[str]]:
    """The `command` and `args` of the engine's container with other arguments; none keep its own."""
    pod: Mapping[str, Any] = data["template"]["spec"]
    container = next(one for one in pod["containers"] if one["name"] == data["container"])
    if not args:
        return {field: list(container[field]) for field in ("command", "args") if container.get(field)}
    if data.get("engine"):
        return _engine_container(container, data).started_with(args)
    command = container.get("command")
    return {**({"command": list(command)} if command else {}), "args": list(args)}


def _engine_container(container: Mapping[str, Any], data: Mapping[str, Any]) -> EngineContainer:
    kept, elsewhere = data.get("kept", 0), data.get("elsewhere") or {}
    return engine_container.find([container], engine=data["engine"], kept=kept, elsewhere=elsewhere)
