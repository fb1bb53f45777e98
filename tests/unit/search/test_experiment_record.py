"""What a record makes of figures that are no numbers."""

from __future__ import annotations

import math

import pytest

from autotuner.search.experiment_record import BoundaryRecord, LevelRecord, Record, RecordOutcome
from autotuner.search.space.configuration import Configuration

ONE = Configuration((("a", 1),))
LEVELS = (LevelRecord(8.0, (2.0,), (-0.1,)),)
NO_NUMBERS = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("outcome", ["value", "bound", "infeasible"])
@pytest.mark.parametrize("figure", NO_NUMBERS)
def test_without_a_finite_figure_nothing_was_measured(outcome: RecordOutcome, figure: float) -> None:
    edge = BoundaryRecord(8.0, 8.0, 9.0)
    assert Record(ONE, outcome, (2.0, figure), 0.1, LEVELS, edge) == Record(ONE, "unknown")
    assert Record(ONE, outcome, (2.0,), figure, LEVELS, edge) == Record(ONE, "unknown")


@pytest.mark.parametrize("figure", NO_NUMBERS)
def test_what_crashed_stays_a_crash(figure: float) -> None:
    assert Record(ONE, "crash", (figure,)) == Record(ONE, "crash")


@pytest.mark.parametrize("worth", [*NO_NUMBERS, 0.0, -2.0])
def test_a_worth_that_is_no_positive_number_is_none(worth: float) -> None:
    level = LevelRecord(8.0, (worth, 3.0, None), (0.1,))
    (found,) = Record(ONE, "value", (2.0,), levels=(level,)).levels
    assert found == LevelRecord(8.0, (None, 3.0, None), (0.1,))


def test_worths_that_are_numbers_stay() -> None:
    assert Record(ONE, "value", (2.0,), levels=LEVELS).levels == LEVELS


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0.0, -2.0])
@pytest.mark.parametrize("outcome", ["value", "infeasible"])
def test_a_boundary_that_is_no_positive_number_is_none(outcome: RecordOutcome, value: float) -> None:
    record = Record(ONE, outcome, (2.0,), boundary=BoundaryRecord(value, 0.0, math.inf))
    assert record == Record(ONE, outcome, (2.0,))


def test_a_boundary_may_be_open() -> None:
    edge = BoundaryRecord(8.0, 8.0, math.inf)
    assert Record(ONE, "value", (8.0,), boundary=edge).boundary == edge


@pytest.mark.parametrize(
    ("distances", "kept"), [((), True), ((-0.1, 0.0), True), ((-0.1, 0.001), False), ((math.nan,), False)]
)
def test_a_level_is_kept_if_no_limit_is_passed(distances: tuple[float, ...], kept: bool) -> None:
    assert LevelRecord(8.0, (2.0,), distances).kept is kept


@pytest.mark.parametrize(
    ("outcome", "runs"),
    [("value", True), ("infeasible", True), ("bound", True), ("crash", False), ("impossible", False)],
)
def test_what_ran(outcome: RecordOutcome, runs: bool) -> None:
    assert Record(ONE, outcome).runs_at_all is runs
