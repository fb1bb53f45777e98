"""A task's file on one machine: what of it means nothing here, what happens instead, and what is refused. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotuner.kubernetes_object import Object

NAMESPACE = "default"
# Path -> what happens instead, of fields that a cluster gives a meaning.
_WITHOUT_MEANING: Mapping[tuple[str, ...], str] = {
    ("placement", "queueName"): "there is no queue: experiments start as accelerators become free",
    ("placement", "workloadPriorityClassName"): "there is no queue: experiments start as accelerators become free",
    ("placement", "priorityClassName"): "there are no priorities",
    ("placement", "nodeSelector"): "there is one node, this machine",
    ("placement", "tolerations"): "this machine has no taints",
    ("benchmark", "pod"): "the benchmark runs as a process of its own environment",
}
_NO_CLAIMS = (
    "there are no claims on one machine: put the weights into a folder and name it,"
    " model: {preset: ..., overrides: {storage: {path: /FOLDER}}}, or leave both out to use the hub's cache"
)
_NO_TARGET = (
    "there is no cluster that serves it: name model and runtime, or run the task on the cluster with kubectl apply;"
    " `autotuner create` writes such a file from what runs"
)


@dataclass(frozen=True)
class TaskHere:
    """A task as it runs on one machine.

    Attributes:
        body: the TuningTask.
        notes: what of the file means nothing here, and what happens instead.
        refused: why it cannot run here, by field; empty if it can.
        command: that starts the engine installed here; empty for none.
    """

    body: Object
    notes: Sequence[str] = ()
    refused: Sequence[str] = ()
    command: Sequence[str] = field(default=())


def adapted(document: Object, parallel: int | None) -> TaskHere:
    """A task for this machine.

    Args:
        document: of the file.
        parallel: how many experiments may run side by side; None for what the file says.
    """
    body = copy.deepcopy(document)
    body.setdefault("metadata", {}).setdefault("namespace", NAMESPACE)
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return TaskHere(body)
    notes, refused = list(_dropped(spec)), list(_refused(spec))
    if spec.get("backend") not in (None, "Auto", "Deployment"):
        notes.append(f"backend: {spec['backend']}: there is no cluster: engines run as containers or processes here")
    spec["backend"] = "Deployment"
    model = _part(spec, "model")
    if (model.get("volume") or {}).get("cache"):
        del model["volume"]
        notes.append("model.volume: the hub's own cache on this machine is used instead")
    traffic = _part(spec, "benchmark")
    if traffic.get("placement") == "OtherNode":
        traffic["placement"] = "Any"
        notes.append("benchmark.placement: OtherNode: there is one node; engine and benchmark get cores of their own")
    if parallel is not None:
        _part(spec, "search")["parallelExperiments"] = parallel
    command = (_part(spec, "runtime").get("local") or {}).get("command") or ()
    return TaskHere(body, notes, refused, [str(word) for word in command])


def _dropped(spec: Object) -> Iterator[str]:
    for path, instead in _WITHOUT_MEANING.items():
        *around, last = path
        holder = spec
        for step in around:
            holder = _part(holder, step)
        if holder.pop(last, None) is not None:
            yield f"{'.'.join(path)}: {instead}"


def _refused(spec: Mapping[str, Any]) -> Iterator[str]:
    if spec.get("target") is not None:
        yield f"spec.target: {_NO_TARGET}"
    volume = _part(spec, "model").get("volume")
    if isinstance(volume, Mapping) and not volume.get("cache"):
        yield f"spec.model.volume: {_NO_CLAIMS}"


def _part(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A mapping of the spec; another one where it is missing or is none, which the rules of the kind will say."""
    found = holder.get(key)
    return found if isinstance(found, dict) else {}
