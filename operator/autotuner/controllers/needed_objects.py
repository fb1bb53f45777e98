"""Which tasks need which models and runtimes, so that one that is deleted wakes them.

They are read seldom, and a watch of their end is cheaper than reading them often: some backends cannot let go of an
engine whose model is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from autotuner import ownership
from autotuner.controllers.workqueue import ObjectKey


class _Need(NamedTuple):
    task: ObjectKey
    names: frozenset[str]


class NeededObjects:
    """Remembers what the experiments of tasks that are not over refer to."""

    def __init__(self) -> None:
        self._needs: dict[str, _Need] = {}

    def saw(self, experiment: Mapping[str, Any], *, over: bool) -> None:
        """Note an experiment as a watch delivered it, or that it is over or gone."""
        meta = experiment["metadata"]
        if over:
            self._needs.pop(meta["uid"], None)
            return
        service = experiment["spec"]["service"]
        names = frozenset(service[one]["name"] for one in ("model", "runtime") if one in service)
        if task := ownership.task_of(meta):
            self._needs[meta["uid"]] = _Need(ObjectKey(meta["namespace"], task), names)

    def tasks(self, namespace: str | None, name: str) -> set[ObjectKey]:
        """The tasks that need a model or runtime of this name; `namespace` is None for one that has none."""
        found = {need.task for need in self._needs.values() if name in need.names}
        return found if namespace is None else {key for key in found if key.namespace == namespace}
