"""A JSON patch (RFC 6902) of one container in a list: custom resources know no strategic merge, by its name. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.api.experiment import Service
from autotuner.kubernetes_object import Object


def operations(
    containers: Sequence[Mapping[str, Any]],
    name: str,
    path: str,
    started: Mapping[str, Sequence[str]] | None,
    service: Service,
    accelerators: int,
) -> list[Object]:
    """What makes a container of a user's object run what won; it fails where the container is not at its place.

    Args:
        containers: as the object has them.
        name: of the one to change.
        path: of the list.
        started: its `command` and `args`; None to leave them alone.
        service: what won.
        accelerators: of this pod.
    """
    index = next(index for index, one in enumerate(containers) if one["name"] == name)
    container, own = containers[index], f"{path}/{index}"
    changes: list[Object] = [{"op": "test", "path": f"{own}/name", "value": name}]
    if started is not None:
        for field in ("command", "args"):
            if field in started:
                changes += _set(container, own, field, list(started[field]))
            elif container.get(field):
                changes.append({"op": "remove", "path": f"{own}/{field}"})
    if service.image and service.image != container.get("image"):
        changes.append(_add(f"{own}/image", service.image))
    changes += _variables(container, own, [variable.dump() for variable in service.env or ()])
    if resource := service.accelerator.resource:
        changes += _resources(container, own, resource, str(accelerators))
    return changes


def _set(container: Mapping[str, Any], path: str, field: str, value: list[str]) -> list[Object]:
    return [] if list(container.get(field) or ()) == value else [_add(f"{path}/{field}", value)]


def _add(path: str, value: object) -> Object:
    """Sets a member of an object, whether it is there or not; appends where the path ends in a dash."""
    return {"op": "add", "path": path, "value": value}


def _variables(container: Mapping[str, Any], path: str, wanted: Sequence[Object]) -> list[Object]:
    known = list(container.get("env") or ())
    if wanted and not known:
        return [_add(f"{path}/env", list(wanted))]
    places = {one["name"]: index for index, one in enumerate(known)}
    changed = [one for one in wanted if one["name"] not in places or known[places[one["name"]]] != one]
    return [
        {"op": "replace", "path": f"{path}/env/{places[one['name']]}", "value": one}
        if one["name"] in places
        else _add(f"{path}/env/-", one)
        for one in changed
    ]


def _resources(container: Mapping[str, Any], path: str, resource: str, count: str) -> list[Object]:
    """The accelerators, as limit and where the object has one as request; nothing where it says so already."""
    has: Mapping[str, Any] = container.get("resources") or {}
    limits, requests = has.get("limits") or {}, has.get("requests") or {}
    key = resource.replace("~", "~0").replace("/", "~1")
    changes: list[Object] = []
    if str(limits.get(resource)) != count:
        if limits:
            changes.append(_add(f"{path}/resources/limits/{key}", count))
        elif has:
            changes.append(_add(f"{path}/resources/limits", {resource: count}))
        else:
            changes.append(_add(f"{path}/resources", {"limits": {resource: count}}))
    if resource in requests and str(requests[resource]) != count:
        changes.append(_add(f"{path}/resources/requests/{key}", count))
    return changes
