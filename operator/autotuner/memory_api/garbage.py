"""Garbage collection as the controller manager does it: dependents go after, or with, what owns them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api.history import Key

if TYPE_CHECKING:
    from autotuner.memory_api.store import Store

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_FINALIZERS = {"Foreground": FOREGROUND, "Orphan": ORPHAN, "Background": ""}


def finalizers_of_deletion(present: list[str], propagation: str, default: str) -> list[str]:
    """The finalizers of an object that is being deleted with this propagation; what it says itself counts if empty."""
    if not propagation and (FOREGROUND in present or ORPHAN in present):
        return present
    wanted = _FINALIZERS[propagation or default]
    others = [one for one in present if one not in (FOREGROUND, ORPHAN) or one == wanted]
    return [*others, wanted] if wanted and wanted not in others else others


class Place(NamedTuple):
    """Where an object is kept."""

    resource: Resource
    key: Key


class Owners:
    """Who owns whom, by uid, and of whom the garbage collector has not yet looked at everything."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.dependents: dict[str, dict[str, Place]] = {}
        self.suspects: dict[str, None] = {}  # uids of objects that may have to go, oldest first
        self.leaving: dict[str, None] = {}  # uids of objects that wait for their dependents

    def noted(self, resource: Resource, key: Key, old: Object | None, new: Object | None) -> None:
        """Take note of a write."""
        body = new or old
        assert body is not None
        uid = body["metadata"]["uid"]
        before = _owner_uids(old) if old else ()
        after = _owner_uids(new) if new else ()
        for owner in before:
            if owner not in after:
                self._forget(owner, uid)
        for owner in after:
            self.dependents.setdefault(owner, {})[uid] = Place(resource, key)
        if new is None:
            self.places.pop(uid, None)
            self.suspects.pop(uid, None)
            self.leaving.pop(uid, None)
            self.suspects.update(dict.fromkeys(self.dependents.get(uid, ())))
            return
        self.places[uid] = Place(resource, key)
        if after and after != before:
            self.suspects[uid] = None
        if _waits(new):
            self.leaving[uid] = None

    def _forget(self, owner: str, uid: str) -> None:
        found = self.dependents.get(owner)
        if found is not None:
            found.pop(uid, None)
            if not found:
                del self.dependents[owner]


def collect(store: Store, owners: Owners) -> int:
    """Look at every suspect and everything that waits, until nothing changes; returns the number of writes."""
    count = 0
    while True:
        done = sum(_release(store, owners, uid) for uid in list(owners.leaving))
        suspects, owners.suspects = owners.suspects, {}
        done += sum(_judge(store, owners, uid) for uid in suspects)
        if not done and not owners.suspects:
            return count
        count += done


def _release(store: Store, owners: Owners, uid: str) -> int:
    """What an object that is deleted with or without its dependents waits for; returns the number of writes."""
    body = _body(store, owners.places.get(uid))
    if body is None or not _waits(body):
        owners.leaving.pop(uid, None)
        return 0
    dependents = owners.dependents.get(uid, {})
    if ORPHAN in body["metadata"]["finalizers"]:
        count = sum(_disown(store, place, {uid}) for place in list(dependents.values()))
        return count + _drop_finalizer(store, owners.places[uid], ORPHAN)
    owners.suspects.update(dict.fromkeys(dependents))
    if any(_blocks(_body(store, place), uid) for place in dependents.values()):
        return 0
    return _drop_finalizer(store, owners.places[uid], FOREGROUND)


def _judge(store: Store, owners: Owners, uid: str) -> int:
    """Delete an object that nobody owns any more; returns the number of writes."""
    place = owners.places.get(uid)
    body = _body(store, place)
    if place is None or body is None:
        return 0
    meta = body["metadata"]
    if "deletionTimestamp" in meta:
        return 0
    references = meta.get("ownerReferences", [])
    present = {one["uid"]: found for one in references if (found := _owner(store, owners, place, one)) is not None}
    waiting = {owner for owner, found in present.items() if FOREGROUND in _finalizers_while_leaving(found)}
    solid = present.keys() - waiting
    if not references:
        return 0
    if solid:
        lost = {one["uid"] for one in references} - solid
        return _disown(store, place, lost) if lost else 0
    propagation = "Foreground" if waiting and owners.dependents.get(uid) else "Background"
    if not waiting and (own := meta.get("finalizers")):
        propagation = "Orphan" if ORPHAN in own else "Foreground" if FOREGROUND in own else "Background"
    store.delete(place.resource, place.key[0] or None, place.key[1], propagation=propagation, uid=uid)
    return 1


def _owner(store: Store, owners: Owners, dependent: Place, reference: Object) -> Object | None:
    """The owner that a reference means: of this kind, name and uid, and of the dependent's namespace or of none."""
    place = owners.places.get(reference["uid"])
    if place is None or place.key[0] not in ("", dependent.key[0]) or place.key[1] != reference["name"]:
        return None
    if place.resource.kind != reference["kind"] or _group(place.resource.api_version) != _group(
        reference["apiVersion"]
    ):
        return None
    return _body(store, place)


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _body(store: Store, place: Place | None) -> Object | None:
    record = store.table(place.resource).get(place.key) if place is not None else None
    return record.body if record is not None else None


def _disown(store: Store, place: Place, uids: Iterable[str]) -> int:
    body = _body(store, place)
    if body is None:
        return 0
    gone = set(uids)
    kept = [one for one in body["metadata"].get("ownerReferences", []) if one["uid"] not in gone]
    _rewrite(store, place, {"ownerReferences": kept or None})
    return 1


def _drop_finalizer(store: Store, place: Place, finalizer: str) -> int:
    body = _body(store, place)
    if body is None:
        return 0
    kept = [one for one in body["metadata"].get("finalizers", []) if one != finalizer]
    _rewrite(store, place, {"finalizers": kept or None})
    return 1


def _rewrite(store: Store, place: Place, metadata: Object) -> None:
    patch = {"metadata": metadata}
    store.merge(place.resource, place.key[0] or None, place.key[1], patch, manager="kube-controller-manager")


def _owner_uids(body: Object) -> tuple[str, ...]:
    return tuple(one["uid"] for one in body["metadata"].get("ownerReferences", ()))


def _finalizers_while_leaving(body: Object) -> list[str]:
    meta = body["metadata"]
    found: list[str] = meta.get("finalizers", []) if "deletionTimestamp" in meta else []
    return found


def _waits(body: Object) -> bool:
    found = _finalizers_while_leaving(body)
    return FOREGROUND in found or ORPHAN in found


def _blocks(body: Object | None, owner: str) -> bool:
    references = body["metadata"].get("ownerReferences", []) if body is not None else []
    return any(one["uid"] == owner and one.get("blockOwnerDeletion") for one in references)
