"""Objectives that say more than a level does, several at once, soft promises, and ladders that ended early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner import scoring
from autotuner.api.experiment import Ladder, Level
from autotuner.api.goals import Objective, Slo
from autotuner.api.traffic_scenarios import Scenario
from autotuner.scoring import Goal, Score, score
from autotuner.scoring.pareto import dominates
from tests.unit.builders import make_level, make_objective, make_scenario, make_slo, make_soft_slo

CHAT = [make_scenario("chat")]
MIX = [make_scenario("chat", weight=3), make_scenario("doc", weight=1)]
TTFT = make_slo("TTFT", max="500ms")
USERS = [make_objective("MaxConcurrency")]
COST = [make_objective("CostPerMillionTokens")]


def near(value: Any) -> Any:
    """Typed loosely: mypy holds tuples with and without it for incomparable."""
    return pytest.approx(value)


def scored(
    levels: Sequence[Level],
    objectives: Sequence[Objective],
    *slos: Slo,
    scenarios: Sequence[Scenario] = CHAT,
    ladder: Sequence[int] = (8, 32, 64),
    gpus: int = 1,
    price: float | None = None,
    ended: Ladder | None = None,
) -> Score:
    return score(levels, Goal(scenarios, ladder, objectives, slos, price), gpus, ended)


class TestCost:
    def test_is_that_of_a_million_output_tokens(self) -> None:
        result = scored([make_level(8, throughput=1000)], COST, gpus=4, price=2.5, ladder=[8])
        assert result.value == near(4 * 2.5 / 3600 / 1000 * 1e6)

    def test_is_that_of_the_cheapest_level(self) -> None:
        levels = [make_level(8, throughput=500), make_level(32, throughput=900), make_level(64, throughput=800)]
        assert scored(levels, COST, price=3.6).level == ("chat", 32)

    def test_of_a_mix_is_that_of_its_mean_throughput(self) -> None:
        levels = [make_level(8, throughput=300), make_level(8, scenario="doc", throughput=100)]
        mean = 4 / (3 / 300 + 1 / 100)
        assert scored(levels, COST, scenarios=MIX, ladder=[8], price=3.6).value == near(1000 / mean)

    def test_of_an_engine_that_says_nothing_is_no_number(self) -> None:
        result = scored([make_level(8, throughput=0)], COST, ladder=[8], price=1)
        assert (result.outcome, result.values) == ("unknown", ())
        assert result.explanation == "CostPerMillionTokens was not measured at chat x 8"

    def test_less_is_better(self) -> None:
        assert scoring.better(1.0, 2.0, "CostPerMillionTokens")
        assert scoring.gain_percent(1.0, 2.0, "CostPerMillionTokens") == 50.0
        assert scoring.format_value(0.416, "CostPerMillionTokens") == "0.42 per 1M tokens"
        assert scoring.format_value(0.00416, "CostPerMillionTokens") == "0.0042 per 1M tokens"


class TestMaxConcurrency:
    def test_lies_where_the_first_promise_breaks(self) -> None:
        levels = [make_level(8, ttft=0.1), make_level(32, ttft=0.3), make_level(64, ttft=0.7)]
        result = scored(levels, USERS, TTFT)
        assert (result.value, result.level) == (near(48), ("chat", 32))

    def test_goes_by_the_promise_that_breaks_first(self) -> None:
        levels = [make_level(8, ttft=0.1, tpot=0.01), make_level(32, ttft=0.9, tpot=0.05)]
        slos = [TTFT, make_slo("TPOT", max="20ms")]
        assert scored(levels, USERS, *slos, ladder=[8, 32]).value == near(8 + 24 / 4)

    def test_goes_by_the_scenario_that_breaks_first(self) -> None:
        levels = [
            *(make_level(8, ttft=0.1, scenario=name) for name in ("chat", "doc")),
            make_level(32, ttft=0.2),
            make_level(32, ttft=0.9, scenario="doc"),
        ]
        assert scored(levels, USERS, TTFT, scenarios=MIX, ladder=[8, 32]).value == near(20)

    def test_is_the_top_of_the_ladder_when_nothing_breaks(self) -> None:
        levels = [make_level(at) for at in (8, 32, 64)]
        assert scored(levels, USERS, TTFT).value == 64

    def test_a_cold_first_level_does_not_matter(self) -> None:
        levels = [make_level(8, ttft=0.9), make_level(32, ttft=0.3), make_level(64, ttft=0.7)]
        assert scored(levels, USERS, TTFT).value == near(48)

    def test_without_a_level_that_keeps_them_is_infeasible(self) -> None:
        result = scored([make_level(8, ttft=0.6)], USERS, TTFT)
        assert (result.outcome, result.shortfall) == ("infeasible", near(0.2))

    def test_what_was_not_measured_is_no_number(self) -> None:
        result = scored([make_level(8)], USERS, TTFT, ladder=[8, 32])
        assert (result.outcome, result.explanation) == ("unknown", "chat x 32 was not measured")

    def test_soft_promises_do_not_end_it(self) -> None:
        levels = [make_level(8, ttft=0.1), make_level(32, ttft=0.3), make_level(64, ttft=0.4)]
        assert scored(levels, USERS, TTFT, make_soft_slo(max="200ms")).value == 64

    @given(st.lists(st.floats(0.01, 2.0), min_size=3, max_size=3).map(sorted))
    def test_lies_between_what_keeps_and_what_breaks(self, latencies: list[float]) -> None:
        ladder = (8, 32, 64)
        levels = [make_level(at, ttft=ttft) for at, ttft in zip(ladder, latencies, strict=True)]
        kept = [at for at, ttft in zip(ladder, latencies, strict=True) if ttft <= 0.5]
        result = scored(levels, USERS, TTFT)
        if not kept:
            assert result.outcome == "infeasible"
        else:
            above = [at for at in ladder if at > kept[-1]]
            assert result.value is not None
            assert kept[-1] <= result.value <= (above[0] if above else kept[-1])


class TestSoftPromises:
    def test_cost_by_how_far_they_are_broken(self) -> None:
        levels = [make_level(8, throughput=900, ttft=0.55)]
        result = scored(levels, [make_objective()], make_soft_slo(max="500ms", weight=2, steepness=0.2), ladder=[8])
        assert (result.outcome, result.values) == ("value", (900.0,))
        assert result.worths == near((900 / (1 + 2 * (math.exp(0.5) - 1)),))

    def test_cost_no_more_than_a_violation_by_all_of_the_limit(self) -> None:
        def worth(ttft: float) -> float | None:
            return scored([make_level(8, ttft=ttft)], [make_objective()], make_soft_slo(max="500ms"), ladder=[8]).worth

        assert worth(1.0) == near(worth(5.0))

    def test_make_a_latency_longer(self) -> None:
        slo = make_soft_slo("OutputThroughput", min="1000tok/s", weight=1, steepness=1)
        result = scored([make_level(8, ttft=0.2, throughput=500)], [make_objective("TTFT")], slo, ladder=[8])
        assert result.worths == near((0.2 * math.exp(0.5),))

    def test_decide_between_levels(self) -> None:
        levels = [make_level(8, throughput=800, ttft=0.4), make_level(32, throughput=900, ttft=0.6)]
        slo = make_soft_slo(max="500ms")
        assert scored(levels, [make_objective()], slo, ladder=[8, 32]).value == 800

    def test_count_once_for_several_scenarios_by_the_worst(self) -> None:
        slo = make_soft_slo(max="500ms", steepness=1)
        levels = [make_level(8, ttft=0.6), make_level(8, ttft=0.75, scenario="doc")]
        result = scored(levels, [make_objective()], slo, scenarios=MIX, ladder=[8])
        assert result.worth == near(1000 / math.exp(0.5))

    @pytest.mark.parametrize(
        ("ttfts", "want"),
        [
            ((0.4, 0.5), []),
            ((0.6, 0.4), ["TTFT P99 500ms by 20%"]),
            ((0.6, 0.75), ["TTFT P99 500ms by 50%"]),
        ],
    )
    def test_that_are_broken_are_named_with_the_worst(self, ttfts: tuple[float, float], want: list[str]) -> None:
        levels = [make_level(8, ttft=ttfts[0]), make_level(8, ttft=ttfts[1], scenario="doc")]
        promises = [make_soft_slo(max="500ms"), make_slo("TTFT", max="9s")]
        result = scored(levels, [make_objective()], *promises, scenarios=MIX, ladder=[8])
        assert [one.brief for one in result.broken_soft] == want

    def test_that_cannot_be_judged_leave_no_number(self) -> None:
        result = scored([make_level(8, tpot=None)], [make_objective()], make_soft_slo("TPOT", max="20ms"), ladder=[8])
        assert (result.outcome, result.explanation) == ("unknown", "TPOT P99 was not measured at chat x 8")


class TestSeveralObjectives:
    BOTH = (make_objective("OutputThroughput"), make_objective("TTFT", concurrency=8))

    def test_each_has_its_value(self) -> None:
        levels = [make_level(8, throughput=500, ttft=0.1), make_level(32, throughput=900, ttft=0.4)]
        result = scored(levels, self.BOTH, ladder=[8, 32])
        assert (result.values, result.level) == ((900.0, near(0.1)), ("chat", 32))

    def test_one_that_was_not_measured_leaves_nothing_to_compare(self) -> None:
        result = scored([make_level(32)], self.BOTH, ladder=[8, 32])
        assert (result.outcome, result.values) == ("unknown", ())

    def test_one_that_is_infeasible_is_told(self) -> None:
        levels = [make_level(8, tpot=0.03), make_level(32, tpot=0.01)]
        result = scored(levels, self.BOTH, make_slo("TPOT", max="20ms"), ladder=[8, 32])
        assert (result.outcome, result.shortfall) == ("infeasible", near(0.5))


class TestEarlyEnds:
    def test_a_hopeless_ladder_is_a_bound(self) -> None:
        levels = [make_level(8, throughput=100), make_level(32, throughput=300)]
        result = scored(levels, [make_objective()], ended="StoppedHopeless")
        assert (result.outcome, result.values, result.feasible) == ("bound", near((600.0,)), False)

    def test_of_the_cost_too(self) -> None:
        levels = [make_level(8, throughput=100), make_level(32, throughput=300)]
        result = scored(levels, COST, price=3.6, gpus=2, ended="StoppedHopeless")
        assert result.values == near((2 * 1000 / 600,))

    def test_a_latency_that_was_not_reached_is_unknown(self) -> None:
        assert scored([make_level(8)], [make_objective("TTFT")], ended="StoppedHopeless").outcome == "unknown"

    def test_a_ladder_ended_by_a_promise_has_its_value(self) -> None:
        levels = [make_level(8, throughput=100), make_level(32, throughput=300, ttft=0.9)]
        result = scored(levels, [make_objective()], TTFT, ended="StoppedSLO")
        assert (result.outcome, result.value) == ("value", 100)


class TestLevelsToRepeat:
    LEVELS = (make_level(8, ttft=0.1), make_level(32, throughput=1200, ttft=0.3), make_level(64, ttft=0.7))

    @pytest.mark.parametrize(
        ("objective", "want"),
        [
            (make_objective(), (32,)),
            (make_objective("TTFT", concurrency=8), (8,)),
            (make_objective("MaxConcurrency"), (32, 64)),
        ],
    )
    def test_are_those_that_the_value_came_from(self, objective: Objective, want: tuple[int, ...]) -> None:
        goal = Goal(CHAT, [8, 32, 64], [objective], [TTFT])
        assert scoring.needed_levels(self.LEVELS, goal, 1) == want
        # Measured again like this, an experiment scores the same.
        again = [level for level in self.LEVELS if level.concurrency in want]
        assert score(again, goal.on(want), 1).values == score(self.LEVELS, goal, 1).values

    def test_are_none_without_a_value(self) -> None:
        assert scoring.needed_levels([], Goal(CHAT, [8], [make_objective()]), 1) == ()


class TestFront:
    def test_keeps_what_nothing_beats(self) -> None:
        points = [(900, 0.4), (500, 0.1), (500, 0.2), (800, 0.5), (900, 0.4)]
        assert scoring.front(points, [False, True]) == [0, 1]

    def test_of_equals_the_first_stays(self) -> None:
        assert scoring.front([(1, 1), (1, 1)], [True, True]) == [0]

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), max_size=30))
    def test_covers_every_point(self, points: list[tuple[int, int, int]]) -> None:
        minimise = [False, True, True]
        kept = [points[number] for number in scoring.front(points, minimise)]
        assert not any(dominates(a, b, minimise) for a in kept for b in kept)
        assert all(point in kept or any(dominates(a, point, minimise) for a in kept) for point in points)

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=2))
    def test_dominance_has_a_direction(self, points: list[tuple[int, int]]) -> None:
        a, b = points
        assert not (dominates(a, b, [True, False]) and dominates(b, a, [True, False]))
        assert not dominates(a, a, [True, False])

    def test_is_thinned_from_the_middle(self) -> None:
        points = [(float(x), 100.0 - x) for x in [*range(50), 100]]
        chosen = scoring.spread(points, 5)
        assert len(chosen) == 5
        assert {0, 49, 50} <= set(chosen)

    def test_a_small_one_stays_whole(self) -> None:
        assert scoring.spread([(1.0,), (2.0,)], 5) == [0, 1]


@given(
    st.lists(st.tuples(st.floats(0.05, 2.0), st.floats(10, 5000)), min_size=3, max_size=3),
    st.floats(0.05, 2.0),
    st.floats(0.05, 2.0),
)
def test_a_stricter_promise_never_helps(figures: list[tuple[float, float]], a: float, b: float) -> None:
    levels = [make_level(at, ttft=t, throughput=y) for at, (t, y) in zip((8, 32, 64), figures, strict=True)]
    strict, loose = (scored(levels, [make_objective()], make_slo(max=f"{limit:.4f}s")) for limit in sorted((a, b)))
    assert loose.feasible or not strict.feasible
    if strict.value is not None:
        assert loose.value is not None
        assert strict.value <= loose.value
    else:
        assert loose.feasible or strict.shortfall >= loose.shortfall
