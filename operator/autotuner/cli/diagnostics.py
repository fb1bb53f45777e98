"""The checks of the API server and of the operator on tasks and experiments in files, without a cluster."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, NamedTuple

from autotuner import backend_choice, engines
from autotuner.api import crd
from autotuner.api.common import API_VERSION, GROUP, Model
from autotuner.api.experiment import TuningExperiment
from autotuner.api.model_and_runtime import Target
from autotuner.api.task import TaskSpec, TuningTask
from autotuner.api.task_status import TaskStatus
from autotuner.cli import found_target
from autotuner.cli.documents import Document
from autotuner.cli.kubectl_yaml import Path
from autotuner.engines.probed_flags import ProbedFlags
from autotuner.kube import EXPERIMENT, NODE, PERSISTENT_VOLUME_CLAIM, TASK
from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api import incoming, kinds
from autotuner.memory_api.answers import FIELD, UNKNOWN_FIELD, Cause
from autotuner.policy import cost_estimate, model_and_runtime, preflight
from autotuner.policy.preflight import Surroundings
from autotuner.policy.target_spec import with_target
from autotuner.presets import Presets
from autotuner.serving import accelerators
from autotuner.serving.accelerators import Fleet
from autotuner.serving.backend import UnusableTargetError
from autotuner.serving.target import reading, shared_claims
from autotuner.validation_messages import Finding

Severity = Literal["error", "warning", "note"]

_KINDS: Mapping[str, Resource] = {TASK.kind: TASK, EXPERIMENT.kind: EXPERIMENT}
_MODELS: Mapping[str, type[Model]] = {TASK.kind: TuningTask, EXPERIMENT.kind: TuningExperiment}
# Mistakes that the field's description explains better than the API server does.
_EXPLAINED = ("FieldValueTypeInvalid", "FieldValueRequired")
_WITHOUT_WORDS = {"FieldValueRequired": "required"}
# How the API server tells a value, and what is wrong with it.
_IN_BODY = re.compile(rf"^(.*): {FIELD} in body (.*?)(?:: \".*\")?$", re.DOTALL)
# What a rule is about, before its own words.
_RULE = re.compile(r'^"(?:object|array|string|integer|number|boolean)": ')
_SCALARS = ("integer", "number", "boolean")
_STEPS = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


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
        documents: all of them; models and runtimes among them count as existing, and nodes as the cluster's.
        presets: that a task can choose from.
        flags: by package, what the image of an engine told of its own flags.
    """

    documents: Sequence[Document]
    presets: Presets
    flags: Mapping[str, ProbedFlags]


class Verdict(NamedTuple):
    """What there is to tell of a document.

    Attributes:
        diagnostics: what the checks found.
        summary: how large a valid task's space is, what it costs at most, and whose flags count; empty for others.
    """

    diagnostics: Sequence[Diagnostic] = ()
    summary: str = ""


def judge(document: Document, known: AtHand) -> Verdict:
    """Check one document; there is nothing to tell of kinds that are not ours."""
    body = document.body
    if not is_ours(body):
        return Verdict()
    if body.get("apiVersion") != API_VERSION:
        return Verdict([Diagnostic(("apiVersion",), "error", "InvalidSpec", f"write {API_VERSION}")])
    kind = body["kind"]
    judgement = incoming.judged(kinds.traits(_KINDS[kind]), body)
    if judgement.body is None:
        return Verdict([_refused(cause, kind) for cause in judgement.causes])
    mistakable = list(_mistakable(document, kind))
    if kind != TASK.kind:
        return Verdict(mistakable)
    spec = TaskSpec.model_validate(judgement.body["spec"])
    fault = ""
    if spec.target is not None:
        live = _target(spec.target, known)
        if live is None:
            words = (
                f"{spec.target.kind} {spec.target.name} is not among these files: what depends on it was not checked"
            )
            return Verdict([Diagnostic(("spec", "target"), "note", "NotFound", words), *mistakable])
        try:
            data = _read(spec.target, live, known)
            spec, fault = with_target(spec, data), _shared(spec, data, known)
        except UnusableTargetError as problem:
            spec, fault = with_target(spec, None), str(problem)
    around = replace(_surroundings(judgement.body, spec, known), target_fault=fault)
    found = _check_task(document, spec, around, known.presets)
    if any(one.severity == "error" or one.reason == "NotFound" for one in found):
        return Verdict([*found, *mistakable])
    lost = preflight.never_tried(spec, known.presets, around)
    found += [_diagnostic(document, one, "warning") for one in lost]
    return Verdict([*found, *mistakable], _summary(spec, around, known.presets))


def _target(target: Target, known: AtHand) -> Object | None:
    """The target of a task, if it is among the files; two products may have kinds of one name."""
    for body in (document.body for document in known.documents):
        called = (body.get("apiVersion"), (body.get("metadata") or {}).get("name"))
        if _is_usable(body, {target.kind: target}) and called == (target.api_version, target.name):
            return body
    return None


def _read(target: Target, live: Object, known: AtHand) -> Object:
    """What is read of a target, and of what it names among the files."""
    backend = backend_choice.BACKENDS.of_kind(target.api_version, target.kind)
    found = found_target.among((document.body for document in known.documents), backend, live)
    return backend.read_target(target, found, known.presets)


def _shared(spec: TaskSpec, data: Object, known: AtHand) -> str:
    """Why a copy could not mount the claims among the files that the target mounts; empty if it can."""
    assert spec.target is not None, "asked before"
    mounted = reading.claims(data)
    claims = [one for one in _of_kind(known, PERSISTENT_VOLUME_CLAIM) if one["metadata"]["name"] in mounted]
    what = f"{spec.target.kind} {spec.target.name}"
    return shared_claims.conflict(what, claims, spec.placement.node_selector or {})


def _of_kind(known: AtHand, resource: Resource) -> list[Object]:
    """The objects of a kind among the files."""
    bodies = (document.body for document in known.documents)
    usable = [body for body in bodies if _is_usable(body, {resource.kind: resource})]
    return [body for body in usable if body.get("apiVersion") == resource.api_version]


def is_ours(body: Object) -> bool:
    """Tell whether an object is a task or an experiment, in any version of our API or without its apiVersion."""
    group = str(body.get("apiVersion") or API_VERSION).partition("/")[0]
    return body.get("kind") in tuple(_KINDS) and group == GROUP


def _refused(cause: Cause, kind: str) -> Diagnostic:
    """What the API server refuses, in words for people."""
    words = _RULE.sub("", _IN_BODY.sub(r"\2, not \1", cause.message)) or _WITHOUT_WORDS.get(cause.reason, "")
    path = _path(cause.field)
    if not path and words.startswith("metadata.name: "):  # of which no rule can be the field
        path, words = ("metadata", "name"), words.removeprefix("metadata.name: ")
    if cause.reason == UNKNOWN_FIELD:
        return Diagnostic(path, "error", "InvalidSpec", _unknown_field(path, kind))
    words += ": stands there twice; remove one of them" if cause.reason == "FieldValueDuplicate" else ""
    return Diagnostic(path, "error", "InvalidSpec", f"{words}{_meaning(cause, path, kind)}")


def _meaning(cause: Cause, path: Path, kind: str) -> str:
    """What the field is, where the API server says only what it is not."""
    if cause.reason == "FieldValueTypeInvalid" and path[:1] == ("metadata",):
        return "; put it in quotes" if cause.message.endswith(tuple(f': "{one}"' for one in _SCALARS)) else ""
    if cause.reason not in _EXPLAINED and " should match " not in cause.message:
        return ""
    meant = _part_of_schema(path, kind).get("description", "")
    return f"; it is: {meant.partition('. ')[0].rstrip('.')}" if meant else ""


def _path(field: str) -> Path:
    """The path that the API server names: `spec.parameters[0].name`, or `<nil>` for the whole."""
    steps = _STEPS.findall(field)
    return tuple(int(item) if item.isdecimal() else item or name for item, name in steps)


def _unknown_field(path: Path, kind: str) -> str:
    names = sorted(_part_of_schema(path[:-1], kind).get("properties", {}))
    close = difflib.get_close_matches(str(path[-1]), names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    return f"unknown field; {hint}" if names else "unknown field; remove it"


def _part_of_schema(path: Path, kind: str) -> Any:
    """Return the schema of a field; empty if the kind has no such field."""
    node: Any = _schema(kind)
    for step in path:
        node = node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
    return node


@cache
def _schema(kind: str) -> Any:
    return crd.schema(_MODELS[kind])


def _mistakable(document: Document, kind: str) -> Iterator[Diagnostic]:
    """What the API server takes, but not in the way it may be meant, or not from every client."""
    for path in document.duplicates:
        words = "stands there twice; kubectl takes the last one, other tools refuse the file: remove one of them"
        yield Diagnostic(path, "warning", "Valid", words)
    for path in _nulls(_schema(kind), document.body, ()):
        words = "null; server-side apply and Argo CD refuse it where it is not the same as absent: remove it"
        yield Diagnostic(path, "warning", "Valid", words)
    metadata = document.body.get("metadata") or {}
    if "name" not in metadata and "generateName" in metadata:
        words = "kubectl apply takes no generated names; use kubectl create"
        yield Diagnostic(("metadata", "generateName"), "note", "Valid", words)


def _nulls(schema: Mapping[str, Any], value: Any, path: Path) -> Iterator[Path]:
    """Where a null stands for a field that has no default."""
    if isinstance(value, dict):
        for name, part in value.items():
            below = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if below is not None and part is None and "default" not in below:
                yield (*path, name)
            elif below is not None:
                yield from _nulls(below, part, (*path, name))
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _nulls(schema["items"], item, (*path, index))


def _check_task(document: Document, spec: TaskSpec, around: Surroundings, presets: Presets) -> list[Diagnostic]:
    """Check a task by the operator's preflight, with the objects of the files in place of the cluster's."""
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
    namespace = str(task["metadata"].get("namespace", "default"))
    backend = backend_choice.BACKENDS[model_and_runtime.chosen_backend(spec, TaskStatus(), backend_choice.BACKENDS)]
    kinds = backend.capabilities.references
    live = {
        (body["kind"], body["metadata"]["name"]): body
        for body in (other.body for other in known.documents)
        if _is_usable(body, kinds)
    }
    model = model_and_runtime.model(spec.model, known.presets, namespace, backend)
    runtime = (spec.runtime.kind, spec.runtime.name)
    around = Surroundings(
        backend,
        live.get((model.kind, model.name)) if model else None,
        live.get(runtime),
        name=str(task["metadata"].get("name", "")),
        namespace=namespace,
    )
    fleet = _fleet(spec, known, around)
    return replace(around, fleet=fleet, probed=known.flags.get(_package(spec, known.presets, around)))


def _fleet(spec: TaskSpec, known: AtHand, around: Surroundings) -> Fleet:
    """What the nodes among the files say of the accelerators that engines ask for."""
    asked, own = spec.placement, preflight.template(spec, known.presets, around).pod.get("tolerations")
    return accelerators.fleet(
        _of_kind(known, NODE),
        asked.accelerator_resource,
        asked.node_selector or {},
        label=asked.accelerator_label or "",
        tolerations=[*(own or ()), *(one.dump() for one in asked.tolerations or ())],
    )


def _is_usable(body: Object, known: Mapping[str, Any]) -> bool:
    """Whether an object of a file can stand for a live one: whatever else it has, a kind, a name and a spec."""
    kind, metadata = body.get("kind"), body.get("metadata")
    named = isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
    return named and isinstance(kind, str) and kind in known and isinstance(body.get("spec"), dict)


def _package(spec: TaskSpec, presets: Presets, around: Surroundings) -> str:
    """The package of the engine that a task runs; empty if its preset is unknown."""
    engine = preflight.engine(spec, presets, around)
    return engines.get(engine).package if engine else ""


def _summary(spec: TaskSpec, around: Surroundings, presets: Presets) -> str:
    engine = preflight.engine(spec, presets, around)
    if engine is None:
        return ""
    space = preflight.space(spec, presets, around, engine)
    hours = cost_estimate.gpu_hours(spec, space, engine)
    size = f"{space.amount} configurations" + (f", at most {hours:g} GPU-hours" if hours is not None else "")
    return "; ".join(filter(None, (size, preflight.judged_by(spec, presets, around))))
