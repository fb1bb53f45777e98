"""The port of an engine on one machine: all share its address, so each pod gets a port of its own. Pure."""

from __future__ import annotations

import copy
from typing import Any

from autotuner.kubernetes_object import Object
from autotuner.local.pod_workload import ADDRESS

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def with_port(template: Object, port: int) -> Object:
    """A pod template whose containers listen on this machine's own address only, the first port of each on `port`.

    What its arguments, ports and probes say is changed; nothing of a container whose port no flag `--port` tells.
    """
    found = copy.deepcopy(template)
    for container in found["spec"]["containers"]:
        ports = container.get("ports")
        if ports and _tells_port(container):
            _listen(container, str(ports[0]["containerPort"]), port)
            container["ports"] = [{**ports[0], "containerPort": port}, *ports[1:]]
    return found


def _tells_port(container: Object) -> bool:
    words = [str(word) for field in ("command", "args") for word in container.get(field) or ()]
    return any(word == "--port" or word.startswith("--port=") for word in words)


def _listen(container: Object, before: str, port: int) -> None:
    for field in ("command", "args"):
        if words := container.get(field):
            container[field] = _with_value(_with_value(words, "--port", str(port)), "--host", ADDRESS)
    for probe in _PROBES:
        for action in (container.get(probe) or {}).values():
            if isinstance(action, dict) and str(action.get("port")) == before:
                action["port"] = port


def _with_value(words: list[Any], flag: str, value: str) -> list[Any]:
    """Words in which a flag that stands there has another value."""
    found = [f"{flag}={value}" if str(word).startswith(f"{flag}=") else word for word in words]
    return [value if index and found[index - 1] == flag else word for index, word in enumerate(found)]
