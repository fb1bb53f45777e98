"""What a deletion makes of an object: gone at once, or marked until its finalizers and whoever runs it let go."""

from __future__ import annotations

from datetime import datetime, timedelta

from autotuner import clock
from autotuner.kubernetes_object import Object
from autotuner.memory_api.kinds import Traits

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_FINALIZERS = {"Foreground": FOREGROUND, "Orphan": ORPHAN, "Background": ""}
_GRACE_SECONDS = 30  # of a pod that says nothing else
_ENDED = ("Succeeded", "Failed")


def marked(kind: Traits, body: Object, propagation: str, grace_seconds: int | None, now: datetime) -> Object | None:
    """The object while it is being deleted, be it for a moment only; None if there is no such moment.

    Args:
        kind: what is special about its kind.
        body: the object.
        propagation: Foreground, Background or Orphan; empty for what object and kind say themselves.
        grace_seconds: how long who runs it may take; None for what it says itself.
        now: the time.
    """
    meta = body["metadata"]
    finalizers = _finalizers(meta.get("finalizers", []), propagation, kind.default_propagation)
    grace, pending = _grace(kind, body, grace_seconds), meta.get("deletionGracePeriodSeconds")
    if not finalizers and not kind.graceful:
        return None
    new_meta = {key: value for key, value in meta.items() if key != "finalizers"}
    if finalizers:
        new_meta["finalizers"] = finalizers
    if pending is None:
        end = now + timedelta(seconds=grace)
        new_meta |= {"deletionTimestamp": clock.second_stamp(end), "deletionGracePeriodSeconds": grace}
        if "generation" in meta:
            new_meta["generation"] = meta["generation"] + 1
    elif grace < pending:
        end = clock.parse(meta["deletionTimestamp"]) + timedelta(seconds=grace - pending)
        new_meta |= {"deletionTimestamp": clock.second_stamp(end), "deletionGracePeriodSeconds": grace}
    return body if new_meta == meta else {**body, "metadata": new_meta}


def _finalizers(present: list[str], propagation: str, default: str) -> list[str]:
    if not propagation and (FOREGROUND in present or ORPHAN in present):
        return present
    wanted = _FINALIZERS[propagation or default]
    others = [one for one in present if one not in (FOREGROUND, ORPHAN) or one == wanted]
    return [*others, wanted] if wanted and wanted not in others else others


def _grace(kind: Traits, body: Object, seconds: int | None) -> int:
    """How long a deletion waits for whoever runs the object: only for a pod that has a node and has not ended."""
    spec = body.get("spec") or {}
    if not kind.graceful or not spec.get("nodeName") or (body.get("status") or {}).get("phase") in _ENDED:
        return 0
    if seconds is not None:
        return seconds
    own = spec.get("terminationGracePeriodSeconds")
    return _GRACE_SECONDS if own is None else int(own)


def holding(body: Object) -> list[str]:
    """The finalizers of an object that is being deleted; none of one that is not."""
    meta = body["metadata"]
    found: list[str] = meta.get("finalizers", []) if "deletionTimestamp" in meta else []
    return found


def waits_for_collector(body: Object) -> bool:
    """Whether the garbage collector has to do something before the object can go."""
    found = holding(body)
    return FOREGROUND in found or ORPHAN in found
