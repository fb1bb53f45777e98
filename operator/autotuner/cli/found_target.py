"""A target among the objects of files, with what its backend wants to know besides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from autotuner.kube import POD
from autotuner.kubernetes_object import Object
from autotuner.memory_api import selectors
from autotuner.serving.backend import Backend, FoundTarget


def among(objects: Iterable[Object], backend: Backend, live: Object) -> FoundTarget:
    """The target, what it names, and its pods, as far as these are among the objects.

    Args:
        objects: of the files, whatever they are.
        backend: of the target.
        live: the target itself.
    """
    parts = backend.target_parts(live)
    known = [body for body in objects if isinstance(body.get("metadata"), Mapping)]
    named = [_first(known, one.resource.kind, one.name) for one in parts.named]
    pods = [body for body in known if body.get("kind") == POD.kind and _selected(body, parts.pods)]
    return FoundTarget(live, [body for body in named if body is not None], pods)


def _first(objects: Iterable[Object], kind: str, name: str) -> Object | None:
    return next((one for one in objects if (one.get("kind"), one["metadata"].get("name")) == (kind, name)), None)


def _selected(pod: Object, selector: str) -> bool:
    labels = pod["metadata"].get("labels")
    return bool(selector) and isinstance(labels, dict) and selectors.label_selector(selector).matches(labels)
