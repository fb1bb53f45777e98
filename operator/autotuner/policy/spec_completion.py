"""A task's spec with the operator's defaults: what the task says itself wins. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from autotuner.api.task import TaskSpec
from autotuner.api.task_defaults import TaskDefaults
from autotuner.kubernetes_object import Object
from autotuner.validation_messages import Finding, Kind

# Joined by key or by name. Everything else is taken whole or not at all: half a list of tolerations, or requests of
# one and limits of another, is what nobody meant.
_BY_KEY = ("labels", "annotations", "nodeSelector")
_BY_NAME = ("env",)
_PARTS = ("benchmark", "pod", "placement")


class Completed(NamedTuple):
    """A task's spec, completed.

    Attributes:
        spec: with the defaults; as it was if they do not fit.
        taken: the defaults that count for the task, as TaskDefaults has them; empty if none does.
        problem: why they do not fit; None if they do.
    """

    spec: TaskSpec
    taken: Object
    problem: Finding | None = None


def completed(spec: TaskSpec, defaults: TaskDefaults) -> Completed:
    """The spec with the defaults where it says nothing itself."""
    if not (given := defaults.given()):
        return Completed(spec, {})
    own = spec.dump()
    taken = _untold(own, given)
    if not taken:
        return Completed(spec, {})
    try:
        return Completed(TaskSpec.model_validate(_joined(own, taken)), taken)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        return Completed(spec, {}, Finding(field, Kind.DEFAULTS_DO_NOT_FIT, {"why": first["msg"]}))


def fields(taken: Mapping[str, Any]) -> list[str]:
    """The fields that defaults are of, as a task names them."""
    found: list[str] = []
    for key, value in taken.items():
        found += [f"{key}.{field}" for field in fields(value)] if key in _PARTS else [key]
    return found


def _untold(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> Object:
    """What of the defaults a spec does not say itself."""
    found: Object = {}
    for key, value in defaults.items():
        said = own.get(key)
        if key in _PARTS or (key in _BY_KEY and said):
            rest: Any = _untold(said or {}, value)
        elif key in _BY_NAME and said:
            names = {one["name"] for one in said}
            rest = [one for one in value if one["name"] not in names]
        else:
            rest = None if said else value
        if rest:
            found[key] = rest
    return found


def _joined(own: Mapping[str, Any], taken: Mapping[str, Any]) -> Object:
    """A spec with what it takes of the defaults."""
    result = dict(own)
    for key, value in taken.items():
        said = result.get(key)
        if isinstance(value, dict):
            result[key] = _joined(said or {}, value)
        else:
            result[key] = [*value, *said] if said and key in _BY_NAME else value
    return result
