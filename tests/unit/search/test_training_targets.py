"""What the model is told: one scale for values, bounds, broken promises and crashes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from autotuner.search.experiment_record import Record, RecordOutcome
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from autotuner.search.training_targets import Targets, read
from tests.unit.builders import make_parameters

SPACE = Space.over(make_parameters(a=list(range(20)), b=["x", "y"]), engine="Custom")
ALONE = np.ones(1)


def point(a: int, b: str = "x") -> Configuration:
    return Configuration((("a", a), ("b", b)))


def record(
    a: int, *values: float, outcome: RecordOutcome = "value", beyond: float = 0.0, softened: float = 0.0
) -> Record:
    return Record(point(a), outcome, values, beyond, (softened,) if softened else ())


def targets(records: Sequence[Record], maximise: bool = True) -> Targets:
    return read(SPACE, records, [maximise], ALONE)


def losses(records: Sequence[Record], maximise: bool = True) -> list[float]:
    """In the order of the records, whose a rises."""
    return [float(loss) for loss in targets(records, maximise).losses]


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

    @pytest.mark.parametrize("values", [[0.0, 1.0, 3.0], [-4.0, -2.0, 5.0]])
    def test_without_a_logarithm_count_as_they_are(self, values: list[float]) -> None:
        found = losses([record(number, value) for number, value in enumerate(values)])
        assert found == sorted(found, reverse=True)
        assert np.isfinite(found).all()

    def test_that_are_equal_have_equal_losses(self) -> None:
        assert len(set(losses([record(number, 7.0) for number in range(4)]))) == 1

    def test_are_learnt_as_they_would_be_if_violations_were_paid_for(self) -> None:
        softened = losses([record(1, 50.0, softened=90.0), record(2, 80.0, softened=80.0), record(3, 70, softened=70)])
        assert softened == losses([record(1, 90.0), record(2, 80.0), record(3, 70.0)])


class TestBadEndings:
    GOOD = (record(1, 100.0), record(2, 120.0), record(3, 150.0))

    def test_order_is_value_then_infeasible_then_crash(self) -> None:
        *values, near, far, crash = losses(
            [
                *self.GOOD,
                record(10, outcome="infeasible", beyond=0.1),
                record(11, outcome="infeasible", beyond=2.0),
                record(12, outcome="crash"),
            ]
        )
        assert max(values) < near < far <= crash

    def test_a_shortfall_within_noise_is_hardly_worse_than_none(self) -> None:
        beyond = [record(10, outcome="infeasible", beyond=0.005), record(11, outcome="infeasible", beyond=0.5)]
        *values, near, far = losses([*self.GOOD, *beyond])
        worst = max(values)
        assert near - worst < 0.1 * (far - worst)

    def test_what_can_never_run_is_as_bad_as_a_crash(self) -> None:
        *_, crash, impossible = losses([*self.GOOD, record(8, outcome="crash"), record(9, outcome="impossible")])
        assert crash == impossible

    def test_an_infeasible_one_that_is_softened_counts_by_that(self) -> None:
        found = losses([*self.GOOD, record(9, outcome="infeasible", beyond=0.3, softened=130.0)])
        assert found[2] < found[3] < found[1]

    def test_crashes_alone_are_equal(self) -> None:
        assert losses([record(number, outcome="crash") for number in range(3)]) == [0.0] * 3

    def test_infeasible_ones_alone_are_ordered(self) -> None:
        found = losses([record(number, outcome="infeasible", beyond=number / 10) for number in range(4)])
        assert found == sorted(found)
        assert len(set(found)) == 4


class TestBounds:
    def test_do_not_change_the_scale_of_what_was_measured(self) -> None:
        measured = [record(number, 100.0 + 10 * number) for number in range(5)]
        with_bound = losses([*measured, record(9, 1e-6, outcome="bound")])
        assert with_bound[:5] == losses(measured)
        assert with_bound[5] > max(with_bound[:5])

    def test_are_told_from_what_was_measured(self) -> None:
        found = targets([record(1, 5.0), record(2, 4.0, outcome="bound"), record(3, outcome="crash")])
        assert found.exact.tolist() == [True, False, True]

    def test_alone_are_ordered_too(self) -> None:
        first, second = losses([record(1, 5.0, outcome="bound"), record(2, 4.0, outcome="bound")])
        assert first < second


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
        assert found.records == (records[0],)

    def test_of_nothing_are_none(self) -> None:
        found = targets([])
        assert found.points.shape == (0, 2)
        assert found.losses.shape == found.runs.shape == (0,)

    def test_tell_what_ran_and_what_may_be_recommended(self) -> None:
        outcomes: list[RecordOutcome] = ["value", "infeasible", "bound", "crash", "impossible"]
        found = targets([record(number, 1.0, outcome=outcome) for number, outcome in enumerate(outcomes)])
        assert found.runs.tolist() == [True, True, True, False, False]
        assert found.feasible.tolist() == [True, False, False, False, False]

    def test_do_not_depend_on_the_order_of_the_records(self) -> None:
        """Repeats are told apart by each of their figures."""
        records = [
            record(1, 5.0, softened=5.0),
            record(1, 5.0, softened=4.0),
            record(1, 6.0),
            record(1, outcome="infeasible", beyond=0.2),
            record(1, outcome="infeasible", beyond=0.1),
        ]
        orders = {
            targets(shuffled).records + tuple(targets(shuffled).losses.tolist())
            for shuffled in itertools.permutations(records)
        }
        assert len(orders) == 1


class TestSeveralObjectives:
    RECORDS = (
        Record(point(0), "value", (400.0, 0.4)),
        Record(point(1), "value", (200.0, 0.1)),
        Record(point(2), "value", (100.0, 0.2)),  # dominated by the one before
        Record(point(3), "value", (300.0, 0.2)),
    )

    def of(self, *weights: float) -> list[float]:
        return [float(loss) for loss in read(SPACE, self.RECORDS, [True, False], np.array(weights)).losses]

    @pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98])
    def test_what_is_dominated_is_worse_by_any_weights(self, share: float) -> None:
        found = self.of(share, 1 - share)
        assert found[2] > found[1]
        assert found[2] > found[3]

    def test_weights_choose_the_end_of_the_front(self) -> None:
        assert int(np.argmin(self.of(0.95, 0.05))) == 0
        assert int(np.argmin(self.of(0.05, 0.95))) == 1
        assert int(np.argmin(self.of(0.5, 0.5))) == 3

    def test_an_objective_that_never_changes_does_not_matter(self) -> None:
        records = [Record(point(number), "value", (100.0 + number, 0.5)) for number in range(4)]
        found = read(SPACE, records, [True, False], np.array([0.5, 0.5])).losses
        assert found.tolist() == sorted(found.tolist(), reverse=True)
        assert np.isfinite(found).all()
