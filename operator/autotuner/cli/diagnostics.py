"""The checks of the API server and of the operator on tasks and experiments in files, without a cluster."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import cel
from pydantic import ValidationError

from autotuner import backend_choice, engines
from autotuner.api import crd
from autotuner.api.common import API_VERSION, GROUP, Model
from autotuner.api.experiment import TuningExperiment
from autotuner.api.task import TaskSpec, TuningTask
from autotuner.cli.documents import Document, Path
from autotuner.engines.probed_flags import ProbedFlags
from autotuner.kubernetes_object import Object
from autotuner.policy import cost_estimate, model_and_runtime, preflight
from autotuner.policy.preflight import Surroundings
from autotuner.presets import Presets
from autotuner.serving import accelerators
from autotuner.validation_messages import Finding

Severity = Literal["error", "warning", "note"]

_KINDS: Mapping[str, type[Model]] = {"TuningTask": TuningTask, "TuningExperiment": TuningExperiment}
# Errors about a text that the field's description explains better than pydantic does.
_EXPLAINED = ("string_type", "string_pattern_mismatch")


@dataclass(frozen=True)
class Diagnostic:
    """One thing that a check has to tell about a field of a document.

    Attributes:
        path: the field's path in the document.
        severity: the API server or the operator refuses an error; a warning names a choice that may mislead; a note
            names what only the cluster knows.
        reason: the reason that the condition Valid would give.
        message: what is wrong and what to write instead.
    """

    path: Path
    severity: Severity
    reason: str
    message: str

    @property
    def field(self) -> str:
        """The path as people write it, for example `spec.parameters[0].values`."""
        written = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return written.removeprefix(".")


@dataclass(frozen=True)
class AtHand:
    """What documents are checked against, in place of a cluster.

    Attributes:
        documents: all of them; models and runtimes among them count as existing.
        presets: that a task can choose from.
        flags: by package, what the image of an engine told of its own flags.
    """

    documents: Sequence[Document]
    presets: Presets
    flags: Mapping[str, ProbedFlags]


def diagnose(document: Document, known: AtHand) -> list[Diagnostic]:
    """Check one document; returns no diagnostics for kinds that are not ours."""
    body = document.body
    if not is_ours(body):
        return []
    if body.get("apiVersion") != API_VERSION:
        return [Diagnostic(("apiVersion",), "error", "InvalidSpec", f"write {API_VERSION}")]
    kind = body["kind"]
    malformed = list(_check_shape(body, kind))
    if malformed:
        return malformed
    model = _KINDS[kind].model_validate({"spec": body["spec"]}).dump()
    complete = {**model, "metadata": body.get("metadata") or {}}
    broken = list(_check_rules(_schema(kind), complete, ()))
    if broken or kind != "TuningTask":
        return broken
    return _check_task(document, known)


def is_ours(body: Object) -> bool:
    """Tell whether an object is a task or an experiment, in any version of our API or without its apiVersion."""
    group = str(body.get("apiVersion") or API_VERSION).partition("/")[0]
    return body.get("kind") in tuple(_KINDS) and group == GROUP


def _check_shape(body: Object, kind: str) -> Iterator[Diagnostic]:
    """Check for missing and unknown fields, types and bounds."""
    if not isinstance(body.get("spec"), dict):
        wrong = "must be a mapping of fields" if body.get("spec") is not None else "required"
        yield Diagnostic(("spec",), "error", "InvalidSpec", wrong)
        return
    try:
        _KINDS[kind].model_validate({"spec": body["spec"]})
    except ValidationError as problems:
        for problem in problems.errors(include_url=False):
            path = tuple(step for step in problem["loc"] if step not in ("int", "float"))
            message = problem["msg"]
            if problem["type"] == "extra_forbidden":
                message = _unknown_field(path, kind)
            elif problem["type"] in _EXPLAINED:
                message = _explained(message, _part_of_schema(path, kind))
            yield Diagnostic(path, "error", "InvalidSpec", message)


def _explained(message: str, schema: Mapping[str, Any]) -> str:
    """What the API server says of such a text, or else what the field is."""
    rules = [rule["message"] for rule in schema.get("x-kubernetes-validations", ()) if "self.matches(" in rule["rule"]]
    if rules:
        return str(rules[0])
    meant = schema.get("description")
    return f"{message}; it is: {meant}" if meant else message


def _unknown_field(path: Path, kind: str) -> str:
    names = sorted(_part_of_schema(path[:-1], kind).get("properties", {}))
    close = difflib.get_close_matches(str(path[-1]), names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    return f"unknown field; {hint}"


def _part_of_schema(path: Path, kind: str) -> Any:
    """Return the schema of a field; empty if the kind has no such field."""
    node: Any = _schema(kind)
    for step in path:
        node = node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
    return node


@cache
def _schema(kind: str) -> Any:
    return crd.schema(_KINDS[kind])


def _check_rules(schema: Mapping[str, Any], value: Any, path: Path) -> Iterator[Diagnostic]:
    """Check a value by the CEL rules of its schema, except those that compare it with its value before an edit."""
    for rule in schema.get("x-kubernetes-validations", []):
        if "oldSelf" not in rule["rule"] and not _program(rule["rule"]).execute({"self": value}):
            where = tuple(step for step in rule.get("fieldPath", "").split(".") if step)
            yield Diagnostic((*path, *where), "error", "InvalidSpec", rule["message"])
    if isinstance(value, dict):
        for name, part in schema.get("properties", {}).items():
            if name in value:
                yield from _check_rules(part, value[name], (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check_rules(schema["items"], item, (*path, index))


@cache
def _program(rule: str) -> Any:
    return cel.compile(rule)


def _check_task(document: Document, known: AtHand) -> list[Diagnostic]:
    """Check a task by the operator's preflight, with the objects of the files in place of the cluster's."""
    spec = TaskSpec.model_validate(document.body["spec"])
    around, presets = _surroundings(document.body, spec, known), known.presets
    found = []
    for finding in preflight.check(spec, presets, around):
        if finding.reason == "NotFound":
            words = "not among these files: what depends on it was not checked"
            found.append(_diagnostic(document, finding, "note", words))
        else:
            found.append(_diagnostic(document, finding, "error"))
    return found + [_diagnostic(document, one, "warning") for one in preflight.warnings(spec, presets, around)]


def _diagnostic(document: Document, finding: Finding, severity: Severity, words: str = "") -> Diagnostic:
    """Turn a finding of preflight into a diagnostic of its field, with other words where they are given."""
    words = words or finding.explanation
    path = document.path(f"spec.{finding.field}")
    return Diagnostic(path, severity, finding.reason, words if len(path) > 1 else f"{finding.field}: {words}")


def _surroundings(task: Object, spec: TaskSpec, known: AtHand) -> Surroundings:
    namespace = str((task.get("metadata") or {}).get("namespace", "default"))
    backend = backend_choice.DEFAULT
    kinds = backend.capabilities.references
    live = {
        (body["kind"], body["metadata"]["name"]): body
        for body in (other.body for other in known.documents)
        if body.get("kind") in kinds and (body.get("metadata") or {}).get("name") and isinstance(body.get("spec"), dict)
    }
    model = model_and_runtime.model(spec.model, known.presets, namespace, backend)
    runtime = (spec.runtime.kind, spec.runtime.name)
    around = Surroundings(
        backend,
        live.get((model.kind, model.name)) if model else None,
        live.get(runtime),
        fleet=accelerators.fleet((), spec.placement.accelerator_resource, {}),
    )
    return replace(around, probed=known.flags.get(_package(spec, known.presets, around)))


def _package(spec: TaskSpec, presets: Presets, around: Surroundings) -> str:
    """The package of the engine that a task runs; empty if its preset is unknown."""
    engine = preflight.engine(spec, presets, around)
    return engines.get(engine).package if engine else ""


def summarize(document: Document, known: AtHand) -> str:
    """Say how large a valid task's space is, what it costs at most, and whose flags count; empty for anything else."""
    if not is_ours(document.body) or document.body["kind"] != "TuningTask":
        return ""
    spec = TaskSpec.model_validate(document.body["spec"])
    around, presets = _surroundings(document.body, spec, known), known.presets
    engine = preflight.engine(spec, presets, around)
    if engine is None:
        return ""
    space = preflight.space(spec, presets, around, engine)
    hours = cost_estimate.gpu_hours(spec, space, engine)
    size = f"{space.amount} configurations" + (f", at most {hours:g} GPU-hours" if hours is not None else "")
    return "; ".join(filter(None, (size, preflight.judged_by(spec, presets, around))))
