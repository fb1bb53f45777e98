"""What bears an experiment's label although that experiment is over, or never made it.

What an ended experiment still owns is a leftover and is deleted. What only bears the label is somebody else's, for
users copy objects. What belongs to an experiment that is gone is the garbage collector's.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Literal

from autotuner.api.common import API_VERSION, EXPERIMENT_UID_LABEL, FINISHED_LABEL
from autotuner.ownership import EXPERIMENT_LABEL
from autotuner.policy.events import Event

# Foreign: no experiment made it. Doubtful: so it looks, unless its owner is just being deleted.
Verdict = Literal["own", "leftover", "foreign", "doubtful"]
Metadata = Mapping[str, Any]


def _controller(meta: Metadata) -> Mapping[str, Any] | None:
    return next((owner for owner in meta.get("ownerReferences") or () if owner.get("controller")), None)


def _owner(meta: Metadata) -> Mapping[str, Any] | None:
    """The TuningExperiment that owns an object."""
    found = _controller(meta)
    ours = found is not None and (found["apiVersion"], found["kind"]) == (API_VERSION, "TuningExperiment")
    return found if ours else None


def _named(meta: Metadata) -> tuple[str, str]:
    """Name and uid of the experiment that an object belongs to: its owner, else the one whose labels it bears."""
    if owner := _owner(meta):
        return str(owner["name"]), str(owner["uid"])
    labels = meta.get("labels") or {}
    return labels.get(EXPERIMENT_LABEL, ""), labels.get(EXPERIMENT_UID_LABEL, "")


def to_read(meta: Metadata, *, made_by_others: bool, live: Set[str]) -> str:
    """The name of the experiment to read before an object can be judged; empty if that is clear without."""
    name, uid = _named(meta)
    undecided = _owner(meta) or (made_by_others and _controller(meta))
    return name if undecided and uid not in live and "deletionTimestamp" not in meta else ""


def judge(meta: Metadata, *, made_by_others: bool, live: Set[str], known: Metadata | None) -> Verdict:
    """Whose an object with an experiment's label is.

    Args:
        meta: of the object.
        made_by_others: an experiment does not make such objects itself, but what it makes does, as pods.
        live: the uids of all experiments that are not over.
        known: the metadata of the experiment `to_read`; None if there is none.
    """
    _, uid = _named(meta)
    same = known if known is not None and known["uid"] == uid else None
    over = same is not None and (same.get("labels") or {}).get(FINISHED_LABEL) == "true"
    if "deletionTimestamp" in meta:
        return "own"
    if _owner(meta):
        return "leftover" if over and uid not in live else "own"
    if not made_by_others or _controller(meta) is None:
        return "foreign"
    return "own" if uid in live or (same and not over) else "doubtful"


def event(kind: str, meta: Metadata) -> Event:
    """What a foreign object's owner is told, once."""
    return Event(
        "Warning",
        "ForeignObject",
        f"this {kind} bears the labels of TuningExperiment {_named(meta)[0]} and is not owned by it, so it"
        f" is left alone: delete it if nobody needs it, or remove its labels {EXPERIMENT_LABEL} and"
        f" {EXPERIMENT_UID_LABEL}",
    )
