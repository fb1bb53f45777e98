"""Whose an object is: labels, owner references, and what they prove."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.api.common import EXPERIMENT_UID_LABEL, GROUP
from autotuner.kubernetes_object import Object

EXPERIMENT_LABEL = f"{GROUP}/experiment"


def labels(name: str, uid: str) -> dict[str, str]:
    """What marks the objects of one experiment; flows from what serves its engine to the pods."""
    return {EXPERIMENT_LABEL: name, EXPERIMENT_UID_LABEL: uid}


def owner_reference(owner: Mapping[str, Any], *, blocks: bool = True) -> Object:
    """A controller reference to the owner, which the garbage collector follows even without us.

    Args:
        owner: the object.
        blocks: its deletion in the foreground waits for the child; some clusters demand a right of its own for that.
    """
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": blocks,
    }


def controlled_by(child: Mapping[str, Any], uid: str) -> bool:
    """Whether the child's controller reference names this owner; labels prove nothing, users copy objects."""
    references = child["metadata"].get("ownerReferences", [])
    return any(reference.get("controller") and reference["uid"] == uid for reference in references)


def task_of(meta: Mapping[str, Any]) -> str:
    """The name of the TuningTask that controls the object with this metadata; empty if none does."""
    owners = meta.get("ownerReferences") or ()
    return next((str(one["name"]) for one in owners if one.get("controller") and one["kind"] == "TuningTask"), "")


WITHDRAWN_ANNOTATION = f"{GROUP}/withdrawn"
