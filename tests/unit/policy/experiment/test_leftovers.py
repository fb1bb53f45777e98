"""Whose an object with an experiment's label is: only what an ended experiment owns is ever deleted."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.experiment import leftovers

UID = "uid-chat-1"
LABELS = {"autotuner.io/experiment": "chat-1", "autotuner.io/experiment-uid": UID}
LIVE = frozenset({UID})
OVER: Object = {"uid": UID, "labels": {"autotuner.io/finished": "true"}}
GOING_ON: Object = {"uid": UID, "labels": {}}
NAMESAKE: Object = {"uid": "uid-of-another", "labels": {"autotuner.io/finished": "true"}}


def owned_by(kind: str, group: str = "autotuner.io/v1alpha1", uid: str = UID, *, controller: bool = True) -> Object:
    """The metadata of an object with the labels of chat-1 and this owner."""
    owner = {"apiVersion": group, "kind": kind, "name": "chat-1", "uid": uid, "controller": controller}
    return {"name": "chat-1", "uid": "uid-object", "labels": LABELS, "ownerReferences": [owner]}


OWNED = owned_by("TuningExperiment")
COPIED: Object = {"name": "copy", "uid": "uid-copy", "labels": LABELS}
OF_SET = owned_by("ReplicaSet", "apps/v1", "uid-set")
GOING = {"deletionTimestamp": "then"}

# What is known after the object, its kind aside: the experiments that are not over, and the one that it names.
MADE: list[tuple[str, Object, frozenset[str], Object | None, leftovers.Verdict]] = [
    ("of an experiment that goes on", OWNED, LIVE, None, "own"),
    ("of an experiment that is over", OWNED, frozenset(), OVER, "leftover"),
    ("of one that is over, and going", {**OWNED, **GOING}, frozenset(), OVER, "own"),
    ("of one that was made since", OWNED, frozenset(), GOING_ON, "own"),
    ("of one that is gone", OWNED, frozenset(), None, "own"),
    ("of one that is gone, and another bears its name", OWNED, frozenset(), NAMESAKE, "own"),
    ("a copy", COPIED, LIVE, None, "foreign"),
    ("a copy of one that is over", COPIED, frozenset(), OVER, "foreign"),
    ("a copy, going", {**COPIED, **GOING}, LIVE, None, "own"),
    ("owned, but not as controller", owned_by("TuningExperiment", controller=False), frozenset(), OVER, "foreign"),
    ("another group's", owned_by("TuningExperiment", "example.com/v1"), frozenset(), OVER, "foreign"),
    ("another kind's", OF_SET, LIVE, None, "foreign"),
]
PODS: list[tuple[str, Object, frozenset[str], Object | None, leftovers.Verdict]] = [
    ("of a set, its experiment goes on", OF_SET, LIVE, None, "own"),
    ("of a set, its experiment was made since", OF_SET, frozenset(), GOING_ON, "own"),
    ("of a set, its experiment is over", OF_SET, frozenset(), OVER, "doubtful"),
    ("of a set, its experiment is gone", OF_SET, frozenset(), None, "doubtful"),
    ("of a set, going with it", {**OF_SET, **GOING}, frozenset(), None, "own"),
    ("of nobody", COPIED, LIVE, None, "foreign"),
    ("an experiment's own that is over", OWNED, frozenset(), OVER, "leftover"),
]


@pytest.mark.parametrize(
    ("made_by_others", "meta", "live", "known", "verdict"),
    [(False, *row[1:]) for row in MADE] + [(True, *row[1:]) for row in PODS],
    ids=[f"object {row[0]}" for row in MADE] + [f"pod {row[0]}" for row in PODS],
)
def test_whose_it_is(
    made_by_others: bool, meta: Object, live: frozenset[str], known: Object | None, verdict: leftovers.Verdict
) -> None:
    assert leftovers.judge(meta, made_by_others=made_by_others, live=live, known=known) == verdict
    # The experiment is read wherever that decides.
    read = leftovers.to_read(meta, made_by_others=made_by_others, live=live)
    others = {
        leftovers.judge(meta, made_by_others=made_by_others, live=live, known=known) for known in (None, OVER, GOING_ON)
    }
    assert bool(read) == (len(others) > 1)


def test_its_event_says_what_to_do() -> None:
    event = leftovers.event("InferenceService", COPIED)

    assert event == (
        "Warning",
        "ForeignObject",
        "this InferenceService bears the labels of TuningExperiment chat-1 and is not owned by it, so it is left alone:"
        " delete it if nobody needs it, or remove its labels autotuner.io/experiment and autotuner.io/experiment-uid",
    )
