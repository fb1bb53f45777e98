"""How OME lays an InferenceService's engine over its runtime's: a strategic merge, as Kubernetes does it for pods."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.kubernetes_object import Object

# Lists that are merged, and by which field of their items; every other list is replaced as a whole.
_KEYS = {
    "containers": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumes": "name",
}


def merged(runtime: Mapping[str, Any], own: Mapping[str, Any]) -> Object:
    """The engine of a runtime with that of an InferenceService on top; an empty list or text counts as unset."""
    result: Object = copy.deepcopy(dict(runtime))
    for field, value in own.items():
        if value is None or value in ("", []):
            continue
        if isinstance(value, Mapping):
            result[field] = merged(result.get(field) or {}, value)
        elif field in _KEYS and isinstance(value, list):
            result[field] = _list(result.get(field) or [], value, _KEYS[field])
        else:
            result[field] = copy.deepcopy(value)
    return result


def _list(runtime: Sequence[Object], own: Sequence[Object], key: str) -> list[Object]:
    """The InferenceService's items come first: the first port is the one that its Service leads to."""
    before = {item[key]: item for item in runtime}
    first = [merged(before.get(item[key], {}), item) for item in own]
    taken = {item[key] for item in own}
    return [*first, *(copy.deepcopy(item) for item in runtime if item[key] not in taken)]
