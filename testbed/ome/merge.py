"""How OME combines a runtime's engineConfig with an InferenceService's engine: a Kubernetes strategic merge patch.

Pure. The order of merged lists follows apimachinery's strategicpatch, because the order of container ports decides
the address of the service.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from autotuner.kubernetes_object import Object

# Lists of objects that are merged, and by which of their fields; every other list is replaced whole.
MERGE_KEYS = {
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "volumes": "name",
    "imagePullSecrets": "name",
    "containers": "name",
    "initContainers": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
    "schedulingGates": "name",
}
# Go's `omitempty` loses an empty value before the merge sees it, except inside these maps of strings ...
VERBATIM = {"labels", "annotations", "nodeSelector", "limits", "requests", "matchLabels", "config"}
# ... and a false or a zero only where the Go field is not a pointer.
PLAIN_ZERO = {"hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly", "maxReplicas"}

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_MAP_FIELD = re.compile(r"\.(Labels|Annotations)\.(\w+)")


class TemplateError(Exception):
    """Go's text/template would refuse this string."""


def merge(base: Object, patch: Object) -> Object:
    """Returns `base` with what is set in `patch` on top; neither is changed."""
    result = copy.deepcopy(base)
    for key, value in patch.items():
        if key in VERBATIM and isinstance(value, dict):
            result[key] = {**result.get(key, {}), **value}
        elif _unset(key, value):
            continue
        elif isinstance(value, dict):
            result[key] = merge(result.get(key) or {}, value)
        elif isinstance(value, list) and key in MERGE_KEYS:
            result[key] = _merge_list(result.get(key) or [], value, MERGE_KEYS[key])
        else:
            result[key] = copy.deepcopy(value)
    return result


def _unset(key: str, value: Any) -> bool:
    return value is None or value == "" or value == [] or (key in PLAIN_ZERO and not value)


def _merge_list(base: list[Object], patch: list[Object], key: str) -> list[Object]:
    """Merges by `key`: items of the patch in its order, the others where `base` had them, as far as possible."""
    rank = {item[key]: index for index, item in enumerate(base)}
    patched = {item[key] for item in patch}
    left = [item for item in base if item[key] not in patched]
    right = [merge(base[rank[item[key]]] if item[key] in rank else {}, item) for item in patch]
    result: list[Object] = []
    while left and right:
        place = rank.get(right[0][key])
        result.append(left.pop(0) if place is not None and rank[left[0][key]] < place else right.pop(0))
    return copy.deepcopy(result + left + right)


def expand(value: Any, metadata: Object) -> Any:
    """Runs the strings of a container through the few Go template actions that make sense there.

    Args:
        value: any JSON value; the strings in it may hold ``{{.Name}}``, ``{{.Namespace}}``, ``{{.Labels.key}}``.
        metadata: the InferenceService's.

    Raises:
        TemplateError: another action, or one that is not closed.
    """
    if isinstance(value, dict):
        return {key: expand(item, metadata) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, metadata) for item in value]
    return _expand_text(value, metadata) if isinstance(value, str) and "{{" in value else value


def _expand_text(text: str, metadata: Object) -> str:
    if "{{" in _ACTION.sub("", text):
        raise TemplateError(f"unclosed action in {text!r}")

    def replace(match: re.Match[str]) -> str:
        action = match[1]
        if action in (".Name", ".Namespace", ".UID"):
            return str(metadata.get(action[1:].lower(), ""))
        if field := _MAP_FIELD.fullmatch(action):
            return str(metadata.get(field[1].lower(), {}).get(field[2], "<no value>"))
        raise TemplateError(f"function or field not defined: {action!r}")

    return _ACTION.sub(replace, text)
