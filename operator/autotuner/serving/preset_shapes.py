"""The shape of models and runtimes as presets write them: what a user may write wrong in free objects.

A definition in the cluster may refuse the same, but only once the object is created; until then a task has it as it was
written. Only what is read here has a form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# A type, a list of one form, or the fields of an object; what is not named may be anything.
Form = Any
_NAMED = {"name": str, "version": str}
_ENV: Form = [{"name": str, "value": str}]
RUNTIME: Form = {
    "disabled": bool,
    "supportedModelFormats": [{"modelFormat": _NAMED, "modelFramework": _NAMED, "modelArchitecture": str}],
    "engineConfig": {
        "runner": {
            "name": str,
            "image": str,
            "command": [str],
            "args": [str],
            "env": _ENV,
            "ports": [{"containerPort": int}],
            "volumeMounts": [{"name": str, "mountPath": str}],
            "resources": {"requests": {}, "limits": {}},
        },
        "volumes": [{"name": str}],
        "tolerations": [{"key": str}],
        "nodeSelector": {},
    },
}
MODEL: Form = {
    "storage": {"storageUri": str, "path": str, "key": str, "nodeSelector": {}},
    "modelFormat": _NAMED,
    "modelFramework": _NAMED,
    "modelArchitecture": str,
    "quantization": str,
    "maxTokens": int,
    "modelConfiguration": {},
}
# Prefill and decode apart, and an engine of several pods.
_SEVERAL = (("decoderConfig",), ("engineConfig", "leader"), ("engineConfig", "worker"))
_WORDS = {str: "a text", int: "a whole number", bool: "true or false"}


def wrong(value: Any, form: Form, path: str = "") -> Iterator[str]:
    """What has another shape, each as `field: what it must be`; a field that is null counts as absent."""
    if isinstance(form, dict):
        if not isinstance(value, Mapping):
            yield f"{path} must be an object"
            return
        for name, part in form.items():
            if value.get(name) is not None:
                yield from wrong(value[name], part, f"{path}.{name}".removeprefix("."))
    elif isinstance(form, list):
        if not isinstance(value, list):
            yield f"{path} must be a list"
            return
        for index, item in enumerate(value):
            yield from wrong(item, form[0], f"{path}[{index}]")
    elif not isinstance(value, form) or (form is int and isinstance(value, bool)):
        yield f"{path} must be {_WORDS[form]}"


def several(runtime_spec: Mapping[str, Any]) -> str:
    """The field by which a runtime is more than one engine in one pod; empty if it is one."""
    for path in _SEVERAL:
        found: Any = runtime_spec
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        if found is not None:
            return ".".join(path)
    return ""
