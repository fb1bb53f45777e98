"""What happened to the objects of one kind, as watches tell it and lists by pages need it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from autotuner.kube import WatchEvent
from autotuner.kubernetes_object import Object
from autotuner.memory_api import answers
from autotuner.memory_api.object_metadata import with_version

Key = tuple[str, str]
"""Namespace, empty for kinds without them, and name: the order of lists."""


@dataclass(frozen=True)
class Change:
    """One write: what the object was and is; None where it was not, or is no more."""

    version: int
    key: Key
    old: Object | None
    new: Object | None


class History:
    """The last changes of the objects of one kind.

    Args:
        most: how many are remembered.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._changes: deque[Change] = deque()
        self.forgotten = 0  # all up to this version

    def add(self, change: Change) -> None:
        """Remember a change, and forget the oldest of too many."""
        self._changes.append(change)
        if len(self._changes) > self._most:
            self.forgotten = self._changes.popleft().version

    def forget(self, version: int) -> None:
        """Forget all changes up to a version."""
        while self._changes and self._changes[0].version <= version:
            self._changes.popleft()
        self.forgotten = max(self.forgotten, version)

    def since(self, version: int) -> list[Change]:
        """The changes after a version, in order.

        Raises:
            KubeError: 410, some of them are forgotten.
        """
        if version < self.forgotten:
            raise answers.expired(version, self.forgotten)
        found = []
        for change in reversed(self._changes):
            if change.version <= version:
                break
            found.append(change)
        found.reverse()
        return found


def told(change: Change, wanted: Callable[[Object], bool]) -> Iterator[WatchEvent]:
    """What a watch with a selector tells of a change: what is wanted no more is deleted, as far as it knows."""
    before = change.old is not None and wanted(change.old)
    after = change.new is not None and wanted(change.new)
    if after:
        assert change.new is not None
        yield WatchEvent("MODIFIED" if before else "ADDED", change.new)
    elif before:
        assert change.old is not None
        yield WatchEvent("DELETED", with_version(change.old, change.version))


def bookmark(api_version: str, kind: str, version: int, annotations: Object | None = None) -> WatchEvent:
    """A bookmark: everything up to this version was told."""
    metadata: Object = {"resourceVersion": str(version), "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = annotations
    return WatchEvent("BOOKMARK", {"apiVersion": api_version, "kind": kind, "metadata": metadata})
