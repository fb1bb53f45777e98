"""What the API server and the operator would say about tasks and experiments in files, without a cluster."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import cel
from pydantic import ValidationError

from autotuner.api import crd
from autotuner.api.common import API_VERSION, Model
from autotuner.api.experiment import TuningExperiment
from autotuner.api.task import TaskSpec, TuningTask
from autotuner.cli.documents import Document, Path
from autotuner.objects import Object
from autotuner.policy import cost_estimate, model_and_runtime, preflight
from autotuner.policy.preflight import Surroundings
from autotuner.presets import Presets

Severity = Literal["error", "warning", "note"]

_KINDS: Mapping[str, type[Model]] = {"TuningTask": TuningTask, "TuningExperiment": TuningExperiment}
# Where what a text looks like says more than that it is none, or than its pattern.
_MISSPELT = ("string_type", "string_pattern_mismatch")
_OME = ("ClusterBaseModel", "BaseModel", "ClusterServingRuntime", "ServingRuntime")


@dataclass(frozen=True)
class Finding:
    """One thing to tell about a document.

    Attributes:
        path: of the field.
        severity: an error would be refused; a warning may mislead; a note tells what is not known here.
        reason: as in the condition Valid.
        message: what is wrong and what to do.
    """

    path: Path
    severity: Severity
    reason: str
    message: str

    @property
    def field(self) -> str:
        """The path as people write it."""
        written = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return written.removeprefix(".")


def validate(document: Document, others: Sequence[Document], presets: Presets) -> list[Finding]:
    """Everything to tell about one document; empty for kinds that are not ours.

    Args:
        document: to look at.
        others: all documents at hand: models and runtimes that a task names may be among them.
        presets: that tasks can choose from.
    """
    body = document.body
    kind = str(body.get("kind", ""))
    if kind not in _KINDS or not str(body.get("apiVersion", "")).startswith(API_VERSION.partition("/")[0]):
        return []
    if body.get("apiVersion") != API_VERSION:
        return [Finding(("apiVersion",), "error", "InvalidSpec", f"write {API_VERSION}")]
    shape = list(_shape(body, kind))
    if shape:
        return shape
    model = _KINDS[kind].model_validate({"spec": body["spec"]}).dump()
    complete = {**model, "metadata": body.get("metadata") or {}}
    broken = list(_rules(_schema(kind), complete, ()))
    if broken or kind != "TuningTask":
        return broken
    return _task(document, others, presets)


def _shape(body: Object, kind: str) -> Iterator[Finding]:
    """Missing and unknown fields, types and bounds."""
    if not isinstance(body.get("spec"), dict):
        yield Finding(("spec",), "error", "InvalidSpec", "required")
        return
    try:
        _KINDS[kind].model_validate({"spec": body["spec"]})
    except ValidationError as problems:
        for problem in problems.errors(include_url=False):
            path = tuple(step for step in problem["loc"] if step not in ("int", "float"))
            message = problem["msg"]
            if problem["type"] == "extra_forbidden":
                message = _unknown(path, kind)
            elif problem["type"] in _MISSPELT and (meant := _part(path, kind).get("description")):
                message = f"{message}; it is: {meant}"
            yield Finding(path, "error", "InvalidSpec", message)


def _unknown(path: Path, kind: str) -> str:
    names = sorted(_part(path[:-1], kind).get("properties", {}))
    close = difflib.get_close_matches(str(path[-1]), names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    return f"unknown field; {hint}"


def _part(path: Path, kind: str) -> Any:
    """What the schema says of a field; empty if it does not know it."""
    node: Any = _schema(kind)
    for step in path:
        node = node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
    return node


@cache
def _schema(kind: str) -> Any:
    return crd.schema(_KINDS[kind])


def _rules(schema: Mapping[str, Any], value: Any, path: Path) -> Iterator[Finding]:
    """The CEL rules of a schema that a value breaks; those about what it was before are the API server's alone."""
    for rule in schema.get("x-kubernetes-validations", []):
        if "oldSelf" not in rule["rule"] and not _program(rule["rule"]).execute({"self": value}):
            where = tuple(step for step in rule.get("fieldPath", "").split(".") if step)
            yield Finding((*path, *where), "error", "InvalidSpec", rule["message"])
    if isinstance(value, dict):
        for name, part in schema.get("properties", {}).items():
            if name in value:
                yield from _rules(part, value[name], (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _rules(schema["items"], item, (*path, index))


@cache
def _program(rule: str) -> Any:
    return cel.compile(rule)


def _task(document: Document, others: Sequence[Document], presets: Presets) -> list[Finding]:
    """What preflight says of a task, with the objects of the files in place of the cluster's."""
    spec = TaskSpec.model_validate(document.body["spec"])
    around = _surroundings(document.body, spec, others, presets)
    found = []
    for problem in preflight.check(spec, presets, around):
        if problem.reason == "NotFound":
            field = problem.message.partition(":")[0]
            message = "not among these files: what depends on it was not checked"
            found.append(_finding(document, f"{field}: {message}", "note", "NotFound"))
        else:
            found.append(_finding(document, problem.message, "error", problem.reason))
    return found + [
        _finding(document, warning.message, "warning", warning.reason)
        for warning in preflight.warnings(spec, presets, around)
    ]


def _finding(document: Document, message: str, severity: Severity, reason: str) -> Finding:
    field, _, words = message.partition(": ")
    path = document.path(f"spec.{field}")
    return Finding(path, severity, reason, words if len(path) > 1 else message)


def _surroundings(task: Object, spec: TaskSpec, others: Iterable[Document], presets: Presets) -> Surroundings:
    namespace = str((task.get("metadata") or {}).get("namespace", "default"))
    live = {
        (body["kind"], body["metadata"]["name"]): body
        for body in (other.body for other in others)
        if body.get("kind") in _OME and (body.get("metadata") or {}).get("name") and isinstance(body.get("spec"), dict)
    }
    model = model_and_runtime.model(spec.model, presets, namespace)
    runtime = (spec.runtime.kind, spec.runtime.name)
    return Surroundings(live.get((model.kind, model.name)) if model else None, live.get(runtime))


def summary(document: Document, others: Sequence[Document], presets: Presets) -> str:
    """What a valid task comes to, in a few words; empty for anything else."""
    if document.body.get("kind") != "TuningTask":
        return ""
    spec = TaskSpec.model_validate(document.body["spec"])
    around = _surroundings(document.body, spec, others, presets)
    engine = preflight.engine_of(spec, presets)
    if engine is None:
        return ""
    space = preflight.space(spec, presets, around, engine)
    return f"{space.amount} configurations, at most {cost_estimate.gpu_hours(spec, space, engine):g} GPU-hours"
