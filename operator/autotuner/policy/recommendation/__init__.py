"""The recommendation: a ConfigMap with what to apply, why, and everything that was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autotuner import ownership, yaml_text
from autotuner.api.common import TASK_LABEL
from autotuner.kubernetes_object import Object
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.recommendation import experiments_csv, report
from autotuner.policy.recommendation.finished_task import FinishedTask

__all__ = ["PATCH", "FinishedTask", "config_map", "name", "patch_type"]


_BYTES = 900_000  # a ConfigMap holds 1 MiB
_SERVICES_BYTES = 300_000  # of several winners
_HEADER = """\
# The engine that TuningTask {task} measured as {experiment}; apply it as it is, or under another name.
# {note} Why this one: report.md beside it.
"""
PATCH = "patch.yaml"
_PATCH_HEADER = "# Makes {what} run what TuningTask {task} measured as {experiment}:\n#   {command}\n# {form} {note}\n"
_FORMS = {
    "strategic": "It is a strategic merge patch, which Kustomize takes too.",
    "merge": "It is a merge patch, which Kustomize takes too; its lists replace those of the object.",
    "json": "It is a JSON patch; Kustomize takes it with target: {{kind: {kind}, name: {name}}}.",
}


def patch_type(text: str) -> str:
    """The type of a recommended patch, as kubectl calls it and the patch's own header tells it.

    Raises:
        ValueError: the text has no such header.
    """
    found = re.search(r"^#.* --type (strategic|merge|json) ", text, re.MULTILINE)
    if found is None:
        raise ValueError("its header names no --type strategic, merge or json")
    return found[1]


def name(task: Mapping[str, Any]) -> str:
    """The name of the ConfigMap with a task's recommendation."""
    return f"{task['metadata']['name']}-best"


def config_map(found: FinishedTask) -> Object:
    """The ConfigMap with the recommendation of a task that has succeeded."""
    seen = found.seen
    winners = {one.name for one in found.winners}
    services = _services(found)
    room = _BYTES - _bytes(services.values()) - len(report.text(found, len(seen.measured)).encode())
    experiments, left_out = experiments_csv.text(found.runs, seen.space, seen.spec, room, winners)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name(seen.object),
            "namespace": seen.namespace,
            "labels": {TASK_LABEL: seen.object["metadata"]["name"]},
            "ownerReferences": [ownership.owner_reference(seen.object)],
        },
        "data": {**services, "report.md": report.text(found, left_out), "experiments.csv": experiments},
    }


def _services(found: FinishedTask) -> dict[str, str]:
    """The object that serves the winner, or one for each of the front, named after its experiment, as many as fit."""
    task, backend = found.seen.object["metadata"]["name"], found.seen.backend
    if found.seen.runtime is None and backend.capabilities.snapshots:
        return {}  # somebody has just deleted it
    if found.best is not None:
        name, text = _file(found.seen, found.winners[0], task, task)
        return {name or f"{backend.capabilities.root.kind.lower()}.yaml": text}
    written: dict[str, str] = {}
    for one in found.winners:
        _, body = _file(found.seen, one, one.name, task)
        if _bytes([*written.values(), body]) <= _SERVICES_BYTES:
            written[f"{one.name}.yaml"] = body
    return written


def _file(seen: ObservedTask, winner: Measured, called: str, task: str) -> tuple[str, str]:
    """A file that serves a winner: the name of a patch, empty for a whole object, and the text."""
    found = seen.backend.winner(winner.object, winner.spec.service, seen.runtime or {}, called)
    text = yaml_text.dump(found.body)
    patched = found.patch_of
    if patched is None:
        return "", _HEADER.format(task=task, experiment=winner.name, note=found.note) + text
    command = f"kubectl patch {patched.command_target} -n {seen.namespace} --type {patched.type} --patch-file {PATCH}"
    kind = patched.resource.kind
    header = _PATCH_HEADER.format(
        task=task,
        experiment=winner.name,
        note=found.note,
        what=f"{kind} {patched.name}",
        command=command,
        form=_FORMS[patched.type].format(kind=kind, name=patched.name),
    )
    return PATCH, header + text


def _bytes(texts: Any) -> int:
    return sum(len(text.encode()) for text in texts)
