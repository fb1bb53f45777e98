"""What the model is told: for each level of load, what it is worth and how far it is from each limit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest

from autotuner.search.experiment_record import BoundaryRecord, LevelRecord, Record, RecordOutcome
from autotuner.search.kernel import Floats
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from autotuner.search.training_targets import Targets, read
from tests.unit.builders import make_parameters

SPACE = Space.over(make_parameters(a=list(range(20)), b=["x", "y"]), engine="Custom")


def point(a: int, b: str = "x") -> Configuration:
    return Configuration((("a", a), ("b", b)))


def record(a: int, *values: float, outcome: RecordOutcome = "value", beyond: float = 0.0) -> Record:
    """An experiment of which the levels are not told."""
    return Record(point(a), outcome, values, beyond)


def level(load: float, worth: float | None, *distances: float) -> LevelRecord:
    return LevelRecord(load, (worth,), distances)


def climbed(a: int, *levels: LevelRecord, outcome: RecordOutcome = "value") -> Record:
    """An experiment with levels, worth what the best of them is that keeps its limits."""
    kept = [worth for one in levels if one.kept for worth in one.worths if worth is not None]
    return Record(point(a), outcome, (max(kept, default=1.0),) if outcome in ("value", "bound") else (), levels=levels)


def targets(records: Sequence[Record], maximise: bool = True) -> Targets:
    return read(SPACE, records, [maximise])


def losses(records: Sequence[Record], maximise: bool = True) -> list[float]:
    """Of the first level, in the order of the records, whose a rises."""
    return [float(loss) for loss in targets(records, maximise).losses[:, 0, 0]]


def crash(a: int) -> Record:
    return record(a, outcome="crash")


class TestValues:
    def test_count_by_their_logarithm(self) -> None:
        low, middle, high, best = losses([record(1, 100), record(2, 110), record(3, 121), record(4, 133.1)])
        assert low > middle > high > best
        assert middle - high == pytest.approx(high - best)

    def test_that_are_minimised_count_the_other_way_round(self) -> None:
        records = [record(number, 2.0**number) for number in range(5)]
        turned = [record(number, 2.0**-number) for number in range(5)]
        assert losses(records, maximise=False) == pytest.approx(losses(turned, maximise=True))

    def test_keep_their_distances_in_any_unit(self) -> None:
        values = [3.0, 5.0, 4.0, 9.0]
        one = losses([record(number, value) for number, value in enumerate(values)])
        other = losses([record(number, value * 1e9) for number, value in enumerate(values)])
        assert np.diff(one) == pytest.approx(np.diff(other))

    def test_that_are_disasters_do_not_flatten_the_others(self) -> None:
        good = [record(number, 100.0 + number) for number in range(6)]
        poor, disaster = losses([*good, record(9, 1e-3)])[-1], losses([*good, record(9, 1e-9)])[-1]
        best = losses([*good, record(9, 1e-9)])[5]
        assert disaster > poor
        assert disaster - best < 3 * (poor - best)
        assert disaster - best < 1

    def test_keep_their_order_however_they_are_squashed(self) -> None:
        values = [0.1, 1.0, 2.0, 7.0, 10.0, 10.5, 11.0, 500.0]
        found = losses([record(number, value) for number, value in enumerate(values)])
        assert found == sorted(found, reverse=True)
        assert len(set(found)) == len(values)

    @pytest.mark.parametrize("value", [0.0, -4.0])
    def test_without_a_logarithm_count_as_the_worst(self, value: float) -> None:
        none, worst, best = losses([record(0, value), record(1, 1.0), record(2, 3.0)])
        assert none == worst > best

    def test_that_are_equal_have_equal_losses(self) -> None:
        assert len(set(losses([record(number, 7.0) for number in range(4)]))) == 1

    def test_are_what_a_configuration_is_judged_by(self) -> None:
        found = targets([record(1, 100.0), record(2, outcome="infeasible", beyond=0.1), crash(3)]).best
        assert found.tolist() == [[-math.log(100)], [math.inf], [math.inf]]


class TestLevels:
    def test_are_learnt_by_themselves_from_the_lowest_load_on(self) -> None:
        found = targets(
            [
                climbed(1, level(32, 300, -0.2), level(8, 100, -0.5)),
                climbed(2, level(8, 110, -0.4), level(32, 330, 0.1)),
            ]
        )
        assert found.losses[:, :, 0] == pytest.approx(-np.log([[100, 300], [110, 330]]), abs=0.02)
        assert found.distances[:, :, 0].tolist() == [[-0.5, -0.2], [-0.4, 0.1]]
        assert found.kept.tolist() == [[True, True], [True, False]]

    def test_may_have_any_loads(self) -> None:
        """Requests per second, and the share of them that was answered in time."""
        rates = (0.35, 1.75, 12.5)
        found = targets(
            [climbed(a, *(level(rate, 0.9 - 0.1 * a - rate / 50, 0.1 * rate - 1) for rate in rates)) for a in (1, 2)]
        )
        assert found.losses.shape == (2, 3, 1)
        assert (found.losses[1] > found.losses[0]).all()
        assert found.distances[0, :, 0] == pytest.approx([-0.965, -0.825, 0.25])

    def test_of_different_loads_are_different_levels(self) -> None:
        found = targets([climbed(1, level(8, 100)), climbed(2, level(8.5, 100))])
        assert found.losses.shape == (2, 2, 1)
        assert found.kept.tolist() == [[True, False], [False, True]]

    @pytest.mark.parametrize("outcome", ["infeasible", "bound"])
    def test_of_what_may_not_be_recommended_are_not_kept(self, outcome: RecordOutcome) -> None:
        assert not targets([climbed(1, level(8, 100, -0.1), outcome=outcome)]).kept.any()

    def test_without_a_worth_are_not_kept(self) -> None:
        """What a level that was not measured is estimated to be worth is no best one so far."""
        found = targets([climbed(1, level(8, 100, -0.1), level(32, None, -0.1)), climbed(2, level(32, 200, -0.1))])
        assert found.kept.tolist() == [[True, False], [False, True]]
        assert np.isfinite(found.losses).all()

    @pytest.mark.parametrize(("distance", "told"), [(7.0, 2.0), (1.5, 1.5), (-9.0, -2.0)])
    def test_that_are_far_from_a_limit_are_told_as_far(self, distance: float, told: float) -> None:
        assert targets([climbed(1, level(8, 100, distance))]).distances.tolist() == [[[told]]]

    def test_with_fewer_limits_just_keep_the_others(self) -> None:
        found = targets([climbed(1, level(8, 100, 0.3, -0.6)), climbed(2, level(8, 100, -0.4))]).distances
        assert found[1, 0, 0] == -0.4
        assert -0.2 < found[1, 0, 1] < 0


class TestLaddersThatAnSloEnded:
    """What was not run above is estimated from below."""

    OTHERS = (
        climbed(1, level(8, 50, -1.0), level(32, 150, -0.8), level(128, 300, -0.5)),
        climbed(2, level(8, 60, -1.0), level(32, 180, -0.8), level(128, 360, -0.5)),
    )

    def of(self, *levels: LevelRecord, others: Sequence[Record] = OTHERS) -> tuple[Floats, Floats]:
        """Losses and distances of an experiment with fewer levels than the others."""
        found = targets([*others, climbed(9, *levels)])
        return found.losses[-1, :, 0], found.distances[-1, :, 0]

    def test_change_as_the_others_do(self) -> None:
        losses, distances = self.of(level(8, 100, -0.4), level(32, 300, 0.1))
        assert losses == pytest.approx(-np.log([100, 300, 600]))
        assert distances == pytest.approx([-0.4, 0.1, 0.4])

    def test_change_twice_if_two_levels_are_missing(self) -> None:
        losses, distances = self.of(level(8, 100, 0.1))
        assert losses == pytest.approx(-np.log([100, 300, 600]))
        assert distances == pytest.approx([0.1, 0.3, 0.6])

    def test_get_no_nearer_to_the_limit_even_if_others_do(self) -> None:
        calmer = [climbed(a, level(8, 50, -0.2), level(32, 150, -0.9)) for a in (1, 2, 3)]
        assert self.of(level(8, 100, 0.1), others=calmer)[1].tolist() == [0.1, 0.1]

    def test_stay_broken_where_nothing_is_known_of_the_step(self) -> None:
        higher = [climbed(1, level(32, 150, -0.9))]
        assert self.of(level(8, 100, 0.1), others=higher)[1].tolist() == [0.1, 0.1]

    def test_that_began_higher_are_estimated_from_above(self) -> None:
        losses, _ = self.of(level(128, 600, -0.1))
        assert losses == pytest.approx(-np.log([100, 300, 600]))


class TestLaddersThatWereHopeless:
    """Throughput grows by at most the load, whatever the others do: here by ten, to four times the load."""

    OTHERS = (
        climbed(1, level(8, 30, -1.0), level(32, 300, -0.8)),
        climbed(2, level(8, 36, -1.0), level(32, 360, -0.8)),
    )

    @pytest.mark.parametrize(("outcome", "worth"), [("bound", 400), ("value", 1000)])
    def test_grow_at_most_in_proportion_to_the_load(self, outcome: RecordOutcome, worth: float) -> None:
        found = targets([*self.OTHERS, climbed(9, level(8, 100, -0.5), outcome=outcome)])
        assert found.losses[-1, :, 0] == pytest.approx(-np.log([100, worth]))

    def test_grow_less_if_the_others_do(self) -> None:
        others = [climbed(a, level(8, 30), level(32, 60)) for a in (1, 2)]
        found = targets([*others, climbed(9, level(8, 100), outcome="bound")])
        assert found.losses[-1, :, 0] == pytest.approx(-np.log([100, 200]))

    def test_may_be_told_without_levels(self) -> None:
        better, worse = losses([record(1, 5.0, outcome="bound"), record(2, 4.0, outcome="bound")])
        assert better == pytest.approx(-math.log(5))
        assert worse > better


class TestBadEndings:
    LADDERS = (
        climbed(1, level(8, 100, -0.5), level(32, 200, 0.3)),
        climbed(2, level(8, 50, -0.1), level(32, 300, 0.7)),
    )

    @pytest.mark.parametrize("outcome", ["crash", "impossible"])
    def test_what_cannot_run_is_the_worst_of_all_at_every_level(self, outcome: RecordOutcome) -> None:
        found = targets([*self.LADDERS, record(9, outcome=outcome)])
        assert found.losses[2].tolist() == found.losses[:2].max(axis=0).tolist()
        assert found.distances[2].tolist() == [[-0.1], [0.7]]
        assert not found.kept[2].any()

    def test_crashes_alone_have_no_levels(self) -> None:
        found = targets([crash(number) for number in range(3)])
        assert found.losses.shape == (3, 0, 1)
        assert found.runs.tolist() == [False] * 3

    def test_infeasible_ones_are_as_far_beyond_as_they_were(self) -> None:
        found = targets([record(number, outcome="infeasible", beyond=number / 10) for number in range(4)])
        assert found.distances[:, 0, 0] == pytest.approx(np.log1p([0, 0.1, 0.2, 0.3]))
        assert np.isnan(found.losses).all()

    def test_infeasible_ones_with_levels_are_told_by_these(self) -> None:
        found = targets([climbed(1, level(8, 100, 0.1), level(32, 300, 0.4), outcome="infeasible")])
        assert found.distances[0, :, 0].tolist() == [0.1, 0.4]
        assert found.losses[0, :, 0] == pytest.approx(-np.log([100, 300]))


class TestBoundaries:
    def test_are_one_level_without_limits(self) -> None:
        edges = [BoundaryRecord(40.0, 32.0, 64.0), BoundaryRecord(7.0, 0.0, 8.0)]
        levels = (LevelRecord(8.0, (None,), (0.2,)), LevelRecord(32.0, (None,), (0.9,)))
        found = targets(
            [
                Record(point(1), "value", (40.0,), levels=levels, boundary=edges[0]),
                Record(point(2), "infeasible", shortfall=0.1, levels=levels, boundary=edges[1]),
                crash(3),
            ]
        )
        assert found.losses[:2, 0, 0] == pytest.approx(-np.log([40, 7]), rel=0.5)
        assert found.losses[0, 0, 0] < found.losses[1, 0, 0] == found.losses[2, 0, 0]
        assert found.losses.shape == (3, 1, 1)
        assert found.distances.shape == (3, 1, 0)
        assert found.kept.tolist() == [[True], [False], [False]]


class TestRows:
    def test_leave_out_what_taught_nothing(self) -> None:
        records = [
            record(1, 5.0),
            record(2, outcome="environment"),
            record(3, outcome="unknown"),
            Record(None, "value", (9.0,)),
            Record(Configuration((("other", 1),)), "value", (9.0,)),
            record(4),
            record(5, outcome="bound"),
        ]
        found = targets(records)
        assert found.points.tolist() == [[1, 0]]
        assert found.losses.shape == (1, 1, 1)

    def test_of_nothing_are_none(self) -> None:
        found = targets([])
        assert found.points.shape == (0, 2)
        assert found.losses.shape == (0, 0, 1)
        assert found.best.shape == (0, 1)
        assert found.runs.shape == found.feasible.shape == (0,)

    def test_tell_what_ran_and_what_may_be_recommended(self) -> None:
        outcomes: list[RecordOutcome] = ["value", "infeasible", "bound", "crash", "impossible"]
        found = targets([record(number, 1.0, outcome=outcome) for number, outcome in enumerate(outcomes)])
        assert found.runs.tolist() == [True, True, True, False, False]
        assert found.feasible.tolist() == [True, False, False, False, False]

    def test_do_not_depend_on_the_order_of_the_records_and_their_levels(self) -> None:
        """Repeats are told apart by each of their figures."""
        low, high, broken = level(8, 5.0, -0.1), level(32, 6.0, -0.1), level(32, 6.0, 0.1)
        ladders = [climbed(1, low, high), climbed(1, low, broken), climbed(1, low), record(1, 5.0), crash(1)]
        expected = targets(ladders)
        for shuffled in itertools.permutations(ladders):
            found = targets(shuffled)
            assert np.array_equal(found.losses, expected.losses)
            assert np.array_equal(found.distances, expected.distances)
            assert np.array_equal(found.kept, expected.kept)
        turned = targets([climbed(1, high, low), climbed(2, low, broken)])
        assert np.array_equal(turned.losses, targets([climbed(1, low, high), climbed(2, broken, low)]).losses)


class TestSeveralObjectives:
    def test_are_judged_at_their_own_levels(self) -> None:
        """Throughput at every level, a latency at the highest."""
        records = [
            Record(
                point(round(10 * a)),
                "value",
                (200.0 / a, 0.1 * a),
                levels=(LevelRecord(8.0, (100.0 / a, None)), LevelRecord(32.0, (200.0 / a, 0.1 * a))),
            )
            for a in (1.0, 1.1)
        ]
        found = read(SPACE, records, [True, False])
        assert np.isnan(found.losses[:, 0, 1]).all()
        assert found.losses[:, 0, 0] == pytest.approx(-np.log([100, 100 / 1.1]), abs=0.02)
        assert found.losses[:, 1, 1] == pytest.approx(np.log([0.1, 0.11]), abs=0.02)
        assert found.best == pytest.approx(np.log([[1 / 200, 0.1], [1.1 / 200, 0.11]]))
        assert found.kept.all()

    def test_that_one_never_reached_are_the_worst(self) -> None:
        """Its ladder ended below the level that the latency is judged at."""
        reached = [
            Record(
                point(a),
                "value",
                (200.0, 0.1 * a),
                levels=(LevelRecord(8.0, (100.0, None), (-0.5,)), LevelRecord(32.0, (200.0, 0.1 * a), (-0.1,))),
            )
            for a in (1, 2)
        ]
        ended = Record(point(3), "infeasible", levels=(LevelRecord(8.0, (100.0, None), (0.2,)),))
        found = read(SPACE, [*reached, ended], [True, False])
        assert found.losses[2, 1, 1] == found.losses[1, 1, 1]
        assert found.distances[2, 1, 0] == pytest.approx(0.6)
