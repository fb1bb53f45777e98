"""Garbage collection as the controller manager does it: dependents go after, or with, what owns them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from autotuner.kubernetes_object import Object
from autotuner.memory_api import deletion
from autotuner.memory_api.deletion import FOREGROUND, ORPHAN
from autotuner.memory_api.owners import Place
from autotuner.memory_api.store import Store

_MANAGER = "kube-controller-manager"


def collect(store: Store) -> int:
    """Look at every suspect and all that waits, until nothing changes; returns how many objects it wrote or deleted."""
    count = 0
    while True:
        done = sum(_release(store, uid) for uid in list(store.owners.leaving))
        suspects, store.owners.suspects = store.owners.suspects, {}
        done += sum(_judge(store, uid) for uid in suspects)
        count += done
        if not done and not store.owners.suspects:
            return count


def _release(store: Store, uid: str) -> int:
    """Let an object go that waits for its dependents, or is to leave them alone; returns the number of writes."""
    owners = store.owners
    body = _body(store, owners.places.get(uid))
    if body is None or not deletion.waits_for_collector(body):
        owners.leaving.pop(uid, None)
        return 0
    dependents = owners.dependents.get(uid, {})
    if ORPHAN in deletion.holding(body):
        count = sum(_disown(store, place, {uid}) for place in list(dependents.values()))
        return count + _drop_finalizer(store, owners.places[uid], ORPHAN)
    going = [one for one, place in dependents.items() if not _is_leaving(_body(store, place))]
    owners.suspects.update(dict.fromkeys(going))
    if any(_blocks(_body(store, place), uid) for place in dependents.values()):
        return 0
    return _drop_finalizer(store, owners.places[uid], FOREGROUND)


def _judge(store: Store, uid: str) -> int:
    """Delete an object whose owners are all gone or going; returns the number of writes."""
    place = store.owners.places.get(uid)
    body = _body(store, place)
    if place is None or body is None or _is_leaving(body):
        return 0
    references = body["metadata"].get("ownerReferences", [])
    if not references:
        return 0
    present = {one["uid"]: found for one in references if (found := _owner(store, place, one)) is not None}
    waiting = {owner for owner, found in present.items() if FOREGROUND in deletion.holding(found)}
    if solid := present.keys() - waiting:
        lost = {one["uid"] for one in references} - solid
        return _disown(store, place, lost) if lost else 0
    propagation = _propagation(body, waits=bool(waiting and store.owners.dependents.get(uid)))
    store.delete(place.resource, place.key[0] or None, place.key[1], propagation=propagation, uid=uid)
    return 1


def _propagation(body: Object, *, waits: bool) -> str:
    """How a dependent is deleted: with its own dependents first if its owner waits for it, else as it says itself."""
    finalizers = body["metadata"].get("finalizers", [])
    if waits or FOREGROUND in finalizers:
        return "Foreground"
    return "Orphan" if ORPHAN in finalizers else "Background"


def _owner(store: Store, dependent: Place, reference: Object) -> Object | None:
    """The owner that a reference means: of this kind, name and uid, and of the dependent's namespace or of none."""
    place = store.owners.places.get(reference["uid"])
    if place is None or place.key not in ((dependent.key[0], reference["name"]), ("", reference["name"])):
        return None
    if (place.resource.kind, place.resource.group) != (reference["kind"], reference["apiVersion"].rpartition("/")[0]):
        return None
    return _body(store, place)


def _body(store: Store, place: Place | None) -> Object | None:
    record = store.table(place.resource).get(place.key) if place is not None else None
    return record.body if record is not None else None


def _is_leaving(body: Object | None) -> bool:
    return body is None or "deletionTimestamp" in body["metadata"]


def _blocks(body: Object | None, owner: str) -> bool:
    references = body["metadata"].get("ownerReferences", []) if body is not None else []
    return any(one["uid"] == owner and one.get("blockOwnerDeletion") for one in references)


def _disown(store: Store, place: Place, uids: Collection[str]) -> int:
    return _without(store, place, "ownerReferences", lambda one: one["uid"] in uids)


def _drop_finalizer(store: Store, place: Place, finalizer: str) -> int:
    return _without(store, place, "finalizers", lambda one: one == finalizer)


def _without(store: Store, place: Place, field: str, gone: Callable[[Any], bool]) -> int:
    body = _body(store, place)
    if body is None:
        return 0
    kept = [one for one in body["metadata"].get(field, []) if not gone(one)]
    patch = {"metadata": {field: kept or None}}
    store.merge(place.resource, place.key[0] or None, place.key[1], patch, manager=_MANAGER)
    return 1
