"""A task of a target as one of model and runtime: what is read of the target takes their place. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autotuner.api.common import UNKNOWN_ENGINE
from autotuner.api.model_and_runtime import CustomObject, Target, TaskModel, TaskRuntime
from autotuner.api.task import TaskSpec

_UNKNOWN: Mapping[str, Any] = {"engineConfig": {}}


def with_target(spec: TaskSpec, data: Mapping[str, Any] | None) -> TaskSpec:
    """The spec with a model and a runtime in full.

    Args:
        spec: of a task with a target.
        data: of the target's snapshot; None if it cannot be read, which is told before anything else is looked at.
    """
    assert spec.target is not None, "the API demands it where there is no model"
    if reference := (data or {}).get("modelRef"):
        named = {**reference, "allow_large_weights": spec.target.allow_large_weights}
        model = TaskModel.model_construct(**{**_defaults(TaskModel), **named})
        return spec.model_copy(update={"model": model, "runtime": _runtime(spec.target, data)})
    known = (data or {}).get("model") or {}
    called = str(known.get("displayName") or spec.target.name).rpartition("/")[2]
    custom = CustomObject.model_construct(name=_label(called), spec=dict(known))
    allowed = {"allow_download": spec.target.allow_download, "allow_large_weights": spec.target.allow_large_weights}
    own = {"custom": custom, **allowed}
    model = TaskModel.model_construct(**{**_defaults(TaskModel), **own})
    return spec.model_copy(update={"model": model, "runtime": _runtime(spec.target, data)})


def _runtime(target: Target, data: Mapping[str, Any] | None) -> TaskRuntime:
    # What the API server took as the name of an object may be no name of a runtime.
    custom = CustomObject.model_construct(name=target.name, spec=dict(data or _UNKNOWN))
    own = {
        "custom": custom,
        "engine": (data or {}).get("engine") or target.engine or UNKNOWN_ENGINE,
        "image": target.image,
        "version": target.version,
        "env": target.env,
        "extra_args": target.extra_args,
        "api_key_secret": target.api_key_secret,
        "served_model_name": target.served_model_name or (data or {}).get("servedModelName") or None,
        "allow_unknown_flags": target.allow_unknown_flags,
    }
    return TaskRuntime.model_construct(**{**_defaults(TaskRuntime), **own})


def _defaults(kind: type[TaskModel] | type[TaskRuntime]) -> dict[str, Any]:
    return {name: field.get_default(call_default_factory=True) for name, field in kind.model_fields.items()}


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63] or "model"
