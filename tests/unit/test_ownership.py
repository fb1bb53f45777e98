"""Whose an object is."""

from __future__ import annotations

import pytest

from autotuner import ownership
from autotuner.kubernetes_object import Object
from tests.unit.builders import controller, make_experiment

OWNER = make_experiment()


@pytest.mark.parametrize(
    ("references", "want"),
    [
        ([controller(OWNER)], True),
        ([controller(OWNER) | {"controller": False}], False),
        ([controller(OWNER) | {"uid": "another"}], False),
        ([], False),
        (None, False),
    ],
)
def test_only_a_controller_reference_of_the_same_uid_counts(references: list[Object] | None, want: bool) -> None:
    labels = ownership.labels("chat-1", "uid-chat-1")
    meta: Object = {"labels": labels, **({"ownerReferences": references} if references is not None else {})}

    assert ownership.controlled_by({"metadata": meta}, "uid-chat-1") is want
