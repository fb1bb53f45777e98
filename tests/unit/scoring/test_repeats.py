"""Several runs of one configuration are judged at one concurrency."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from autotuner.api.common import DerivedMetric, LatencyMetric, ThroughputMetric
from autotuner.scoring import Goal, together
from tests.unit.builders import make_level, make_objective, make_scenario, make_slo, make_soft_slo

LADDER = (4, 16)
# Throughput and TTFT at concurrency 4, and at 16; no TTFT is one that is not measured: the ladder has ended below.
Run = tuple[tuple[float, float], tuple[float, float] | None]
GOOD, LATE, OTHER = ((200.0, 0.2), (600.0, 0.4)), ((210.0, 0.2), (610.0, 0.6)), ((190.0, 0.2), (150.0, 0.4))
LOST: Run = ((200.0, 0.6), None)


def judged(
    runs: Sequence[Run | None],
    metric: ThroughputMetric | LatencyMetric | DerivedMetric = "OutputThroughput",
    *,
    soft: bool = False,
) -> list[tuple[str, int, float]]:
    slo = make_soft_slo(max="500ms", weight=2, steepness=0.2) if soft else make_slo(max="500ms")
    goal = Goal([make_scenario()], LADDER, [make_objective(metric)], [slo], gpu_hour_price=2.5)
    levels = [
        [make_level(at, throughput=one[0], ttft=one[1]) for at, one in zip(LADDER, run or (), strict=False) if one]
        for run in runs
    ]
    found = together(levels, goal, 1)
    return [(one.outcome, one.level[1] if one.level else 0, round(one.value or 0, 2)) for one in found]


@pytest.mark.parametrize(
    ("runs", "want"),
    [
        ([GOOD, GOOD], [("value", 16, 600), ("value", 16, 600)]),
        # The second one alone would take 4.
        ([GOOD, GOOD, OTHER], [("value", 16, 600), ("value", 16, 600), ("value", 16, 150)]),
        ([GOOD, GOOD, LATE], [("value", 16, 600), ("value", 16, 600), ("infeasible", 16, 0)]),
        # More than half of them must keep the SLOs.
        ([GOOD, LATE], [("value", 4, 200), ("value", 4, 210)]),
        ([GOOD, GOOD, LOST], [("value", 16, 600), ("value", 16, 600), ("infeasible", 4, 0)]),
        ([GOOD, LATE, LATE], [("value", 4, 200), ("value", 4, 210), ("value", 4, 210)]),
        # One bad run of two is no verdict.
        ([GOOD, LOST], [("value", 16, 600), ("infeasible", 4, 0)]),
        ([LOST, LOST], [("infeasible", 4, 0), ("infeasible", 4, 0)]),
        ([GOOD, None], [("value", 16, 600), ("unknown", 0, 0)]),
        ([], []),
    ],
)
def test_runs_share_one_level(runs: Sequence[Run | None], want: list[tuple[str, int, float]]) -> None:
    assert judged(runs) == want


def test_a_cost_is_the_lower_the_better() -> None:
    assert [level for _, level, _ in judged([GOOD, OTHER, GOOD], "CostPerMillionTokens")] == [16, 16, 16]


def test_soft_slos_count_in_the_choice() -> None:
    # At 16 LATE breaks the SLO by 20 %, which costs a factor of 4.4 where it happens.
    assert [level for _, level, _ in judged([GOOD, GOOD, LATE], soft=True)] == [16, 16, 16]
    assert [level for _, level, _ in judged([LATE, LATE], soft=True)] == [4, 4]


def test_users_are_found_anew_in_each_run() -> None:
    assert judged([GOOD, LATE], "MaxConcurrency") == [("value", 16, 16), ("value", 4, 13)]
