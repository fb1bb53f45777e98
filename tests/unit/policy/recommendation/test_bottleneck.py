"""What limits a configuration, by what its engine said."""

from __future__ import annotations

import pytest

from autotuner.api.experiment import EngineFigures
from autotuner.policy.recommendation import bottleneck
from tests.unit.builders import make_level
from tests.unit.policy.recommendation.test_report import report
from tests.unit.task_builders import ending


def said(used: float = 0.4, waiting: float = 0.0, preemptions: int = 0) -> EngineFigures:
    return EngineFigures(kv_use_peak=used, running_mean=20.0, waiting_mean=waiting, preemptions=preemptions)


@pytest.mark.parametrize(
    ("engine", "ttft", "words"),
    [
        (said(used=0.97), 0.2, "the KV cache: its KV cache is in use up to 97%, so"),
        (said(preemptions=4), 0.2, "and it preempted requests 4 times"),
        (said(waiting=12.0), 1.5, "the queue: 12.0 requests wait for their turn on average"),
        (said(waiting=1.5), 1.5, "prefill: 75% of a request's time pass before its first token"),
        (said(), 0.2, "nothing that the engine tells of: its KV cache is in use up to 40%"),
    ],
)
def test_what_limits_a_level(engine: EngineFigures, ttft: float, words: str) -> None:
    level = make_level(ttft=ttft, e2e=2.0).model_copy(update={"engine": engine})
    assert words in bottleneck.of(level)


@pytest.mark.parametrize("engine", [None, EngineFigures(preemptions=0), EngineFigures(kv_use_peak=0.2)])
def test_an_engine_that_says_too_little_is_not_explained(engine: EngineFigures | None) -> None:
    assert bottleneck.of(make_level().model_copy(update={"engine": engine})) == ""


def test_the_report_explains_winner_and_baseline() -> None:
    slow = make_level(throughput=1000).model_copy(update={"engine": said(waiting=12.0)})
    fast = make_level(throughput=1300).model_copy(update={"engine": said(used=0.98)})
    text = report(ending("Completed", slow), ending("Completed", fast), repeats=0)

    assert "the best at chat x 8: the KV cache" in text
    assert "the baseline at chat x 8: the queue" in text
