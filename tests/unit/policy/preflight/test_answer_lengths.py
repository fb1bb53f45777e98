"""Answers that no client can measure are refused before an engine starts."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from autotuner.validation_messages import Finding, Kind
from tests.unit.policy.preflight.test_check import findings
from tests.unit.task_builders import make_spec

CLOSED: Object = {"concurrency": [8]}
OPEN: Object = {"concurrency": None, "rates": [2.0]}


@pytest.mark.parametrize(
    ("load", "loop", "refused"),
    [
        ("D(100,0)", CLOSED, 0),
        ("D(100,1)", CLOSED, 1),
        ("D(100,2)", CLOSED, None),
        ("N(100,10)/(1,0)", CLOSED, 1),
        ("N(100,10)/(1,4)", CLOSED, None),
        ("U(100,200)/(0,1)", CLOSED, 1),
        ("U(100,1)", CLOSED, 1),
        ("D(100,1)", OPEN, None),
        ("D(100,0)", OPEN, 0),
    ],
)
def test_answers_too_short_to_measure(load: str, loop: Object, refused: int | None) -> None:
    spec = make_spec(benchmark={"scenarios": [{"name": "chat", "load": load}], **loop})
    found = [one for one in findings(spec) if one.kind is Kind.ANSWERS_UNMEASURABLE]
    name, least = ("a closed loop", 2) if loop is CLOSED else ("an open loop", 1)
    details = {"tokens": refused, "loop": name, "least": least}
    want = [Finding("benchmark.scenarios[chat].load", Kind.ANSWERS_UNMEASURABLE, details)]
    assert found == ([] if refused is None else want)
