"""What the search's model is told of each rung: its worths, how far it is from the limits, and where users end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from autotuner.api.benchmark import Scenario
from autotuner.api.experiment import Ladder, Level
from autotuner.api.goals import Objective, Slo
from autotuner.scoring import Goal, Score, score
from autotuner.scoring.judged_rungs import FARTHEST, JudgedRung, LoadBoundary
from tests.unit.builders import make_level, make_objective, make_scenario, make_slo, make_soft_slo

CHAT = [make_scenario("chat")]
MIX = [make_scenario("chat", weight=3), make_scenario("doc", weight=1)]
TTFT = make_slo("TTFT", max="500ms")
TPOT = make_slo("TPOT", max="20ms")
THROUGHPUT = [make_objective()]
LADDER = (8, 32, 64)


def scored(
    levels: Sequence[Level],
    objectives: Sequence[Objective] = THROUGHPUT,
    slos: Sequence[Slo] = (TTFT,),
    scenarios: Sequence[Scenario] = CHAT,
    ladder: Sequence[int] = LADDER,
    ended: Ladder | None = None,
    gpus: int = 1,
) -> Score:
    return score(levels, Goal(scenarios, ladder, objectives, slos, 2.0), gpus, ended)


def rising(*latencies: float) -> list[Level]:
    """Levels of 1000, 2000 and 3000 tokens/s."""
    return [
        make_level(at, throughput=1000.0 * (number + 1), ttft=ttft)
        for number, (at, ttft) in enumerate(zip(LADDER, latencies, strict=False))
    ]


def near(value: float) -> Any:
    """Typed loosely: mypy holds tuples with and without it for incomparable."""
    return pytest.approx(value)


def worths(found: Score) -> list[tuple[float | None, ...]]:
    return [rung.worths for rung in found.rungs]


def distance(level: Level, slo: Slo, gpus: int = 1) -> float:
    """Of one level from one limit."""
    (rung,) = scored([level], slos=[slo], ladder=[level.offered], gpus=gpus).rungs
    (found,) = rung.distances
    return found


class TestWorths:
    def test_are_those_of_every_rung_whether_it_keeps_the_limits_or_not(self) -> None:
        found = scored(rising(0.1, 0.2, 0.9))
        assert [rung.offered for rung in found.rungs] == [8, 32, 64]
        assert worths(found) == [(1000.0,), (2000.0,), (3000.0,)]
        assert found.worths == (2000.0,)

    def test_are_in_the_order_of_the_ladder(self) -> None:
        assert [rung.offered for rung in scored(rising(0.1, 0.2, 0.3)[::-1]).rungs] == [8, 32, 64]

    def test_are_harmonic_means_over_the_scenarios(self) -> None:
        levels = [make_level(8, throughput=3000), make_level(8, scenario="doc", throughput=1000)]
        assert worths(scored(levels, scenarios=MIX, ladder=[8])) == [(near(4 / (3 / 3000 + 1 / 1000)),)]

    def test_pay_for_the_soft_promises_of_their_own_rung(self) -> None:
        soft = make_soft_slo("TPOT", max="20ms", weight=1, steepness=0.5)
        found = scored([make_level(8), make_level(32, tpot=0.03)], slos=[TTFT, soft], ladder=[8, 32])
        assert worths(found) == [(1000.0,), (near(1000 / math.e),)]

    def test_of_a_latency_grow_with_what_soft_promises_cost(self) -> None:
        soft = make_soft_slo("TPOT", max="20ms", weight=1, steepness=0.5)
        found = scored([make_level(8, tpot=0.03, ttft=0.2)], [make_objective("TTFT")], [soft], ladder=[8])
        assert worths(found) == [(near(0.2 * math.e),)]

    def test_of_a_latency_exist_only_where_it_is_judged(self) -> None:
        levels = rising(0.1, 0.2, 0.3)
        assert worths(scored(levels, [make_objective("TTFT")])) == [(None,), (None,), (0.3,)]
        assert worths(scored(levels, [make_objective("TTFT", concurrency=32)])) == [(None,), (0.2,), (None,)]

    def test_of_several_objectives_keep_their_order(self) -> None:
        objectives = [make_objective("TTFT", concurrency=8), make_objective("OutputThroughput")]
        found = scored(rising(0.1, 0.2, 0.3), objectives)
        assert worths(found) == [(0.1, 1000.0), (None, 2000.0), (None, 3000.0)]

    def test_of_nothing_are_none(self) -> None:
        """There is no logarithm of nothing."""
        assert worths(scored([make_level(8, throughput=0), make_level(32)], ladder=[8, 32])) == [(None,), (1000.0,)]

    def test_are_none_where_the_objective_was_not_measured(self) -> None:
        levels = [make_level(8, tpot=None, ttft=0.6)]
        found = scored(levels, [make_objective(), make_objective("TPOT")], ladder=[8])
        assert worths(found) == [(1000.0, None)]

    def test_of_a_cost_are_that_of_the_rung(self) -> None:
        found = scored(rising(0.1, 0.2), [make_objective("CostPerMillionTokens")], ladder=[8, 32])
        assert worths(found) == [(near(2e6 / 3600 / 1000),), (near(2e6 / 3600 / 2000),)]


DISTANCES: list[tuple[str, Level, Slo, int, float]] = [
    ("a ceiling kept", make_level(ttft=0.25), TTFT, 1, math.log(0.5)),
    ("a ceiling broken", make_level(ttft=0.54), TTFT, 1, math.log(1.08)),
    ("a ceiling just reached", make_level(ttft=0.5), TTFT, 1, 0.0),
    ("another statistic", make_level(ttft=2.0), make_slo("TTFT", "Mean", max="500ms"), 1, math.log(2)),
    ("a floor kept", make_level(throughput=1000), make_slo("RequestThroughput", min="2req/s"), 1, math.log(0.5)),
    ("a floor broken", make_level(throughput=1000), make_slo("RequestThroughput", min="8req/s"), 1, math.log(2)),
    (
        "a floor for each GPU",
        make_level(throughput=1000),
        make_slo("OutputThroughputPerGPU", min="1000tok/s"),
        4,
        math.log(4),
    ),
    ("a floor that nothing reaches", make_level(throughput=0), make_slo("OutputThroughput", min="1tok/s"), 1, FARTHEST),
    ("far beyond", make_level(ttft=5000), TTFT, 1, FARTHEST),
    ("far below", make_level(ttft=1e-9), TTFT, 1, -FARTHEST),
    ("no errors where some are allowed", make_level(), make_slo("ErrorRate", max="2%"), 1, -FARTHEST),
    ("no errors where none are allowed", make_level(), make_slo("ErrorRate", max="0%"), 1, -FARTHEST),
    ("an error where none is allowed", make_level(errors=1), make_slo("ErrorRate", max="0%"), 1, FARTHEST),
    (
        "twice the errors",
        make_level(requests=98, errors=2),
        make_slo("ErrorRate", max="1%"),
        1,
        math.log(2),
    ),
]


class TestDistances:
    @pytest.mark.parametrize(
        ("level", "slo", "gpus", "want"), [row[1:] for row in DISTANCES], ids=[row[0] for row in DISTANCES]
    )
    def test_are_logarithms_of_what_is_beyond(self, level: Level, slo: Slo, gpus: int, want: float) -> None:
        assert distance(level, slo, gpus) == pytest.approx(want, abs=1e-12)

    def test_are_in_the_order_of_the_hard_slos_and_leave_out_soft_ones(self) -> None:
        slos = [TPOT, make_soft_slo("E2ELatency", max="1s"), TTFT]
        (rung,) = scored([make_level(8, ttft=1.0, tpot=0.01)], slos=slos, ladder=[8]).rungs
        assert rung.distances == pytest.approx((math.log(0.5), math.log(2)))

    def test_are_those_of_the_worst_scenario(self) -> None:
        """Each limit may have another one."""
        levels = [make_level(8, ttft=0.1, tpot=0.04), make_level(8, scenario="doc", ttft=0.6, tpot=0.01)]
        (rung,) = scored(levels, slos=[TTFT, TPOT], scenarios=MIX, ladder=[8]).rungs
        assert rung.distances == pytest.approx((math.log(1.2), math.log(2)))

    def test_that_are_not_all_known_leave_no_rung(self) -> None:
        levels = [make_level(8, tpot=None), make_level(32), make_level(64)]
        assert [rung.offered for rung in scored(levels, slos=[TTFT, TPOT]).rungs] == [32, 64]

    def test_that_one_scenario_lacks_leave_no_rung(self) -> None:
        levels = [
            make_level(8),
            make_level(8, scenario="doc"),
            make_level(32),
            make_level(32, scenario="doc", tpot=None),
        ]
        found = scored(levels, slos=[TPOT], scenarios=MIX, ladder=[8, 32])
        assert [rung.offered for rung in found.rungs] == [8]

    def test_without_promises_are_none(self) -> None:
        assert [rung.distances for rung in scored(rising(0.1, 9.0), slos=()).rungs] == [(), ()]


class TestScenarioThatIsMissing:
    """A ladder ends at the first scenario that breaks a promise: the others have no level there."""

    def test_leaves_a_rung_that_is_known_to_be_broken(self) -> None:
        levels = [make_level(8), make_level(8, scenario="doc"), make_level(32, ttft=0.6)]
        found = scored(levels, scenarios=MIX, ladder=[8, 32])
        assert found.rungs[1] == JudgedRung(32, (None,), (near(math.log(1.2)),))

    def test_does_not_pass_for_one_that_keeps_the_limits(self) -> None:
        levels = [make_level(8), make_level(8, scenario="doc"), make_level(32, throughput=9e9)]
        assert [rung.offered for rung in scored(levels, scenarios=MIX, ladder=[8, 32]).rungs] == [8]


class TestOutcomes:
    def test_value(self) -> None:
        found = scored(rising(0.1, 0.2, 0.9))
        assert (found.outcome, len(found.rungs), found.boundary) == ("value", 3, None)

    def test_infeasible(self) -> None:
        found = scored(rising(0.6, 0.9))
        assert (found.outcome, found.worths) == ("infeasible", ())
        assert worths(found) == [(1000.0,), (2000.0,)]

    def test_bound(self) -> None:
        found = scored(rising(0.1), ended="StoppedHopeless")
        assert (found.outcome, found.worths) == ("bound", (8000.0,))
        assert found.rungs == (JudgedRung(8, (1000.0,), (near(math.log(0.2)),)),)

    def test_unknown_has_none(self) -> None:
        found = scored([make_level(8)], [make_objective("TTFT")])
        assert (found.outcome, found.rungs, found.boundary) == ("unknown", (), None)


USERS = [make_objective("MaxConcurrency")]
BOUNDARIES: list[tuple[str, list[Level], LoadBoundary]] = [
    ("no rung breaks a limit", rising(0.1, 0.2, 0.3), LoadBoundary(64, 64, math.inf)),
    ("the first one breaks it", rising(0.75), LoadBoundary(8 / 1.5, 0, 8)),
    ("all break it", rising(0.55, 0.6, 0.9), LoadBoundary(8 / 1.1, 0, 8)),
    ("it breaks between two rungs", rising(0.1, 0.4, 0.6), LoadBoundary(48, 32, 64)),
]


class TestUsers:
    @pytest.mark.parametrize(("levels", "want"), [row[1:] for row in BOUNDARIES], ids=[row[0] for row in BOUNDARIES])
    def test_end_where(self, levels: list[Level], want: LoadBoundary) -> None:
        found = scored(levels, USERS).boundary
        assert found is not None
        assert (found.value, found.low, found.high) == pytest.approx((want.value, want.low, want.high))

    def test_that_are_not_known_have_no_boundary(self) -> None:
        levels = [make_level(8), make_level(32, tpot=None)]
        found = scored(levels, USERS, [TPOT], ladder=[8, 32])
        assert (found.outcome, found.boundary) == ("unknown", None)

    def test_are_no_worth_of_a_rung(self) -> None:
        assert worths(scored(rising(0.1, 0.2, 0.6), USERS)) == [(None,), (None,), (None,)]

    def test_beside_another_objective_have_no_boundary(self) -> None:
        found = scored(rising(0.1, 0.2, 0.6), [*USERS, *THROUGHPUT])
        assert found.boundary is None
        assert worths(found) == [(None, 1000.0), (None, 2000.0), (None, 3000.0)]
