"""Intervals of gains: quantiles, what they cover, and how the error is spent over the looks."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.scoring.confidence import FIRST_LOOK, gain, spent
from autotuner.scoring.t_quantile import two_sided

RUNS = st.lists(st.floats(1, 1000), min_size=2, max_size=6)


@pytest.mark.parametrize(
    ("alpha", "degrees", "want"),
    [  # Abramowitz and Stegun, table 26.10
        (0.5, 4, 0.741),
        (0.05, 1, 12.706),
        (0.05, 2, 4.303),
        (0.05, 30, 2.042),
        (0.01, 6, 3.707),
        (0.001, 1, 636.619),
        (0.02, 3, 4.541),
    ],
)
def test_quantiles_are_those_of_the_tables(alpha: float, degrees: float, want: float) -> None:
    assert two_sided(alpha, degrees) == pytest.approx(want, abs=6e-4)


def test_quantiles_lie_between_those_of_whole_degrees() -> None:
    assert two_sided(0.05, 3) < two_sided(0.05, 2.5) < two_sided(0.05, 2)


def test_the_gain_is_by_the_ratio_of_the_geometric_means() -> None:
    found = gain([120, 120.0001], [100, 100.0001], 0.05, minimise=False)
    assert found.middle == pytest.approx(20, abs=0.01)
    assert found.low < 20 < found.high


def test_a_latency_gains_by_what_it_falls() -> None:
    found = gain([0.1, 0.1], [0.2, 0.2], 0.05, minimise=True)
    assert found.middle == pytest.approx(50)
    assert found.low < 50 < found.high


def test_runs_that_agree_by_chance_are_not_believed() -> None:
    found = gain([101, 101], [100, 100], 0.05, minimise=False)
    assert found.low < 0 < found.high


def test_an_outlier_widens_more_than_it_moves() -> None:
    calm = gain([118, 120, 121, 122], [99, 100, 101, 100], 0.05, minimise=False)
    upset = gain([118, 120, 121, 95], [99, 100, 101, 100], 0.05, minimise=False)
    assert upset.low < 0 < calm.low
    assert upset.high > calm.middle


@given(RUNS, RUNS, st.booleans())
def test_an_interval_is_finite_and_holds_its_middle(a: list[float], b: list[float], minimise: bool) -> None:
    found = gain(a, b, 0.01, minimise=minimise)
    assert all(math.isfinite(value) for value in (found.low, found.middle, found.high))
    assert found.low < found.middle < found.high
    assert max(abs(found.low), abs(found.high)) < 1e15


@given(RUNS, RUNS, st.floats(0.001, 0.2))
def test_more_certainty_is_wider(a: list[float], b: list[float], alpha: float) -> None:
    narrow, wide = (gain(a, b, value, minimise=False) for value in (alpha, alpha / 2))
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


@given(RUNS, RUNS)
def test_a_gain_over_itself_is_turned_round(a: list[float], b: list[float]) -> None:
    there, back = gain(a, b, 0.05, minimise=False), gain(b, a, 0.05, minimise=False)
    assert (there.low > 0) == (back.high < 0)


@pytest.mark.parametrize("looks", [2, 3, 4, 10, 20])
def test_all_looks_together_spend_five_per_cent(looks: int) -> None:
    shares = [spent(look, looks) for look in range(FIRST_LOOK, looks + 1)]
    assert sum(shares) == pytest.approx(0.05)
    assert shares == sorted(shares)
    assert shares[0] > 0


def test_one_look_covers_as_often_as_it_says() -> None:
    chance = random.Random(7)
    missed = 0
    for _ in range(1500):
        ours, theirs = ([100 * math.exp(chance.gauss(0, s)) for _ in range(4)] for s in (0.05, 0.02))
        found = gain(ours, theirs, 0.1, minimise=False)
        missed += not found.low <= 0 <= found.high
    # Three standard errors of 10 % in 1500.
    assert 0.077 < missed / 1500 < 0.123
