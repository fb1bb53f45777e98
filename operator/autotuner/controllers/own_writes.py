"""Tells the events of a controller's own writes from all others: they wake nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class OwnWrites:
    """What a controller wrote last into each of its objects.

    A reconcile that has written is done, or has said when to look again: its own write is no news. Whatever somebody
    else wrote meanwhile has another version, and wakes as ever.
    """

    def __init__(self) -> None:
        self._versions: dict[str, str] = {}

    def note(self, written: Mapping[str, Any]) -> None:
        """Remember the object as the API server returned it."""
        meta = written["metadata"]
        self._versions[meta["uid"]] = meta["resourceVersion"]

    def is_own(self, meta: Mapping[str, Any], *, gone: bool) -> bool:
        """Whether an event with this metadata tells only what was written; asked once for each event."""
        if gone:
            self._versions.pop(meta["uid"], None)
            return False
        return bool(self._versions.get(meta["uid"]) == meta["resourceVersion"])
