"""What a write makes of an object that is there: pure functions from what was, and what a request says, to what is."""

from __future__ import annotations

from autotuner.kubernetes_object import Object
from autotuner.memory_api import object_metadata
from autotuner.memory_api.kinds import Traits


def updated(kind: Traits, old: Object, wanted: Object, subresource: str) -> Object:
    """The object after a write: what the server writes itself stays, and what the write is not about.

    Sections that are equal are the very same afterwards: nobody has to look at them again.
    """
    if subresource:
        new = {key: value for key, value in old.items() if key != subresource}
        if subresource in wanted:
            new[subresource] = wanted[subresource]
        return _sharing(filled(kind, new), old)
    new = dict(wanted)
    if kind.status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    before = old["metadata"]
    own = {key: before[key] for key in object_metadata.OWN_FIELDS if key in before}
    new["metadata"] = {**wanted["metadata"], **own}
    new = _sharing(filled(kind, new), old)
    if kind.generation and _content_changed(new, old):
        new["metadata"] = {**new["metadata"], "generation": before["generation"] + 1}
    return new


def filled(kind: Traits, body: Object) -> Object:
    """The object with the defaults of its kind."""
    result: Object = kind.schema.filled(body) if kind.schema is not None else body
    return result


def _sharing(new: Object, old: Object) -> Object:
    for key, value in old.items():
        if key in new and new[key] is not value and new[key] == value:
            new[key] = value
    return new


def _content_changed(new: Object, old: Object) -> bool:
    keys = (new.keys() | old.keys()) - {"metadata", "status"}
    return any(new.get(key) is not old.get(key) for key in keys)


def is_released(body: Object) -> bool:
    """Whether nothing holds up the deletion of an object any more that is being deleted."""
    meta = body["metadata"]
    waits = meta.get("finalizers") or meta.get("deletionGracePeriodSeconds")
    return "deletionTimestamp" in meta and not waits
