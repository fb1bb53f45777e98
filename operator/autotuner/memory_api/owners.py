"""Who owns whom, by uid, and at whom the garbage collector has to look."""

from __future__ import annotations

from typing import NamedTuple

from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api import deletion
from autotuner.memory_api.history import Key


class Place(NamedTuple):
    """Where an object is kept."""

    resource: Resource
    key: Key


class Owners:
    """The graph of owners and dependents.

    Attributes:
        places: of all objects.
        dependents: by the owner's uid, which need not be there.
        suspects: uids of objects that may have to go, oldest first.
        leaving: uids of objects that wait for the garbage collector.
    """

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.dependents: dict[str, dict[str, Place]] = {}
        self.suspects: dict[str, None] = {}
        self.leaving: dict[str, None] = {}

    def noted(self, place: Place, old: Object | None, new: Object | None) -> None:
        """Take note of a write: what the object was and is, None where it was not or is no more."""
        body = new or old
        assert body is not None
        uid = body["metadata"]["uid"]
        before, after = _owner_uids(old), _owner_uids(new)
        if before != after:
            for owner in before:
                self._forget(owner, uid)
            for owner in after:
                self.dependents.setdefault(owner, {})[uid] = place
            self.suspects[uid] = None
        if new is None:
            self.places.pop(uid, None)
            self.suspects.pop(uid, None)
            self.leaving.pop(uid, None)
            self.suspects.update(dict.fromkeys(self.dependents.get(uid, ())))
            return
        self.places[uid] = place
        if deletion.waits_for_collector(new):
            self.leaving[uid] = None

    def _forget(self, owner: str, uid: str) -> None:
        found = self.dependents.get(owner, {})
        found.pop(uid, None)
        if not found:
            self.dependents.pop(owner, None)


def _owner_uids(body: Object | None) -> tuple[str, ...]:
    references = body["metadata"].get("ownerReferences", ()) if body is not None else ()
    return tuple(one["uid"] for one in references)
