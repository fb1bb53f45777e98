"""The reasons that the operator gives for what a real vLLM printed before it ended (`make engine-stories RECORD=1`)."""

from __future__ import annotations

import pytest

from autotuner.engines import get
from tests.realengine import corpus
from tests.realengine.corpus import Recorded
from tests.realengine.wrong_starts import VERSION, WORKER_KILLED, WRONG_STARTS

REASONS = {case.name: case.reason for case in (*WRONG_STARTS, WORKER_KILLED)}
RECORDED = corpus.read()


def test_every_wrong_start_is_on_record() -> None:
    assert {one.name for one in RECORDED} == set(REASONS)


@pytest.mark.parametrize("recorded", RECORDED, ids=[one.name for one in RECORDED])
def test_a_recorded_start(recorded: Recorded) -> None:
    found = get("VLLM").diagnose(recorded.log, recorded.exit_code)
    assert found is not None
    assert found.reason == REASONS[recorded.name], found.line


def test_an_engine_that_reads_its_model_has_said_its_version() -> None:
    said = {one.name: get("VLLM").version_in(one.log) for one in RECORDED}
    silent = {name for name, version in said.items() if not version}

    assert set(said.values()) <= {VERSION, ""}
    assert {REASONS[name] for name in silent} == {"InvalidArguments"}, "refused before it says anything"
