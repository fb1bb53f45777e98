"""What violations cost the search's model: nothing where none matters, and more the farther they go."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.api.benchmark import Scenario
from autotuner.api.experiment import Ladder, Level
from autotuner.api.goals import Objective, Slo
from autotuner.scoring import Goal, Score, score
from autotuner.scoring.relaxed_slos import STEEPNESS
from tests.unit.builders import make_level, make_objective, make_scenario, make_slo, make_soft_slo

CHAT = [make_scenario("chat")]
MIX = [make_scenario("chat", weight=3), make_scenario("doc", weight=1)]
TTFT = make_slo("TTFT", max="500ms")
THROUGHPUT = [make_objective()]
LADDER = (8, 32, 64)


def scored(
    levels: Sequence[Level],
    objectives: Sequence[Objective] = THROUGHPUT,
    slos: Sequence[Slo] = (TTFT,),
    scenarios: Sequence[Scenario] = CHAT,
    ladder: Sequence[int] = LADDER,
    ended: Ladder | None = None,
) -> Score:
    return score(levels, Goal(scenarios, ladder, objectives, slos, 2.0), 1, ended)


def rising(*latencies: float) -> list[Level]:
    """Levels of 1000, 2000 and 3000 tokens/s."""
    return [
        make_level(at, throughput=1000.0 * (number + 1), ttft=ttft)
        for number, (at, ttft) in enumerate(zip(LADDER, latencies, strict=False))
    ]


def paid(value: float, beyond: float) -> float:
    """A throughput, this far beyond a limit."""
    return float(value / (1 + beyond) ** STEEPNESS)


class TestNothingToSoften:
    def test_without_promises(self) -> None:
        assert scored(rising(0.1, 0.2, 0.9), slos=()).softened == ()

    def test_without_hard_ones(self) -> None:
        assert scored(rising(0.1, 0.2, 0.9), slos=[make_soft_slo(max="500ms")]).softened == ()

    def test_when_all_are_kept_it_is_the_worth(self) -> None:
        found = scored(rising(0.1, 0.2, 0.3))
        assert found.softened == found.worths == (3000.0,)

    def test_when_what_breaks_them_breaks_them_by_far(self) -> None:
        found = scored(rising(0.1, 0.2, 5.0))
        assert found.softened == found.worths == (2000.0,)

    def test_when_nothing_can_be_judged(self) -> None:
        assert scored([make_level(8, tpot=None)], slos=[make_slo("TPOT", max="20ms")], ladder=[8]).softened == ()


class TestViolations:
    def test_just_beyond_a_limit_count_almost_as_if_it_were_kept(self) -> None:
        found = scored(rising(0.1, 0.2, 0.505))
        assert found.worths == (2000.0,)
        assert found.softened == pytest.approx((paid(3000, 0.01),))

    def test_that_leave_nothing_have_a_softened_worth_all_the_same(self) -> None:
        found = scored(rising(0.55, 0.6, 0.75))
        assert (found.outcome, found.worths) == ("infeasible", ())
        assert found.softened == pytest.approx((max(paid(1000, 0.1), paid(2000, 0.2), paid(3000, 0.5)),))

    def test_count_by_the_one_that_is_farthest(self) -> None:
        levels = [make_level(8, throughput=1000, ttft=0.55, tpot=0.03)]
        found = scored(levels, slos=[TTFT, make_slo("TPOT", max="20ms")], ladder=[8])
        assert found.softened == pytest.approx((paid(1000, 0.5),))

    @given(st.floats(0.5, 20.0), st.floats(1.0, 3.0))
    def test_never_gain_by_going_farther(self, ttft: float, factor: float) -> None:
        near, far = (scored(rising(0.6, 0.7, latency)).softened for latency in (ttft, ttft * factor))
        assert far <= near

    @given(st.lists(st.floats(0.01, 20.0), min_size=3, max_size=3))
    def test_never_make_it_worse_than_what_is_kept(self, latencies: list[float]) -> None:
        found = scored(rising(*latencies))
        (softened,) = found.softened
        assert 0 < softened <= 3000
        assert not found.worths or softened >= found.worths[0]

    def test_of_throughput_count_from_below(self) -> None:
        slo = make_slo("RequestThroughput", min="10req/s")
        found = scored([make_level(8, throughput=2000)], slos=[slo], ladder=[8])
        assert found.outcome == "infeasible"
        assert found.softened == pytest.approx((paid(2000, 0.2),))


class TestObjectives:
    def test_a_latency_grows(self) -> None:
        objective = make_objective("E2ELatency", concurrency=32)
        levels = [
            make_level(8, ttft=0.9, e2e=0.1),
            make_level(32, ttft=0.6, e2e=3.0),
            make_level(64, ttft=0.1, e2e=0.2),
        ]
        found = scored(levels, [objective])
        # Only where it is judged: other levels are no better answers to the same question.
        assert found.softened == pytest.approx((3.0 * 1.2**STEEPNESS,))

    def test_a_latency_without_a_level_is_that_of_the_highest(self) -> None:
        found = scored(rising(0.1, 0.2, 0.6), [make_objective("TTFT")])
        assert found.softened == pytest.approx((0.6 * 1.2**STEEPNESS,))

    def test_a_cost_grows(self) -> None:
        found = scored(rising(0.6, 0.9, 9.0), [make_objective("CostPerMillionTokens")])
        cost = 2.0 * 1e6 / 3600
        assert found.softened == pytest.approx((min(cost / 1000 * 1.2**STEEPNESS, cost / 2000 * 1.8**STEEPNESS),))

    def test_the_most_users_are_those_of_a_rung_that_is_paid_for(self) -> None:
        found = scored(rising(0.55, 0.9, 9.0), [make_objective("MaxConcurrency")])
        assert found.outcome == "infeasible"
        assert found.softened == pytest.approx((paid(8, 0.1),))

    def test_the_most_users_are_never_fewer_than_where_promises_are_kept(self) -> None:
        found = scored(rising(0.1, 0.4, 0.9), [make_objective("MaxConcurrency")])
        assert found.softened == found.worths
        assert found.worths[0] > 32

    def test_each_of_several_has_its_own_rung(self) -> None:
        found = scored(rising(0.1, 0.2, 0.505), [make_objective(), make_objective("TTFT", concurrency=8)])
        assert found.softened == pytest.approx((paid(3000, 0.01), 0.1))

    def test_one_without_a_figure_leaves_none(self) -> None:
        levels = [make_level(8, throughput=1000, ttft=0.6, tpot=None)]
        assert scored(levels, [make_objective(), make_objective("TPOT")], ladder=[8]).softened == ()

    def test_soft_promises_cost_besides(self) -> None:
        soft = make_soft_slo("TPOT", max="20ms", weight=1, steepness=0.5)
        kept = scored([make_level(8, tpot=0.01, ttft=0.6)], slos=[TTFT, soft], ladder=[8])
        broken = scored([make_level(8, tpot=0.03, ttft=0.6)], slos=[TTFT, soft], ladder=[8])
        assert broken.softened[0] == pytest.approx(kept.softened[0] / 2.718281828459045)


class TestScenarios:
    def test_are_averaged_and_the_worst_of_them_is_paid_for(self) -> None:
        levels = [make_level(8, throughput=3000, ttft=0.1), make_level(8, scenario="doc", throughput=1000, ttft=0.75)]
        found = scored(levels, scenarios=MIX, ladder=[8])
        assert found.outcome == "infeasible"
        assert found.softened == pytest.approx((paid(4 / (3 / 3000 + 1 / 1000), 0.5),))

    def test_a_level_that_is_missing_leaves_no_rung(self) -> None:
        levels = [make_level(8, ttft=0.6), make_level(8, scenario="doc", ttft=0.6), make_level(32, throughput=9e9)]
        found = scored(levels, scenarios=MIX, ladder=[8, 32])
        assert found.softened == pytest.approx((paid(1000, 0.2),))


def test_a_ladder_that_ended_early_has_its_bound_alone() -> None:
    """Linear growth up to the rung that breaks a promise: what would be paid for there is less."""
    found = scored(rising(0.1, 0.505), ended="StoppedHopeless")
    assert (found.outcome, found.worths, found.softened) == ("bound", (4000.0,), ())
