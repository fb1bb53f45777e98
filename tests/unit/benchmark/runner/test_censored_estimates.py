from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.benchmark.runner.censored_estimates import survival_weights, weighted_mean, weighted_percentiles

values = st.lists(st.floats(0.001, 1000), min_size=1, max_size=60)


@given(values)
def test_without_cut_ones_all_weigh_the_same(durations: list[float]) -> None:
    assert survival_weights(durations, []) == pytest.approx([1 / len(durations)] * len(durations))


@given(values, st.lists(st.floats(0.001, 1000), max_size=60))
def test_weights_sum_to_one_and_never_shrink_with_duration(durations: list[float], cut: list[float]) -> None:
    weights = survival_weights(durations, cut)
    assert sum(weights) == pytest.approx(1)
    by_duration = [w for _, w in sorted(zip(durations, weights, strict=True))]
    assert by_duration == pytest.approx(sorted(by_duration))


def test_a_cut_one_hands_its_weight_to_those_that_lasted_longer() -> None:
    assert survival_weights([1.0, 3.0], [2.0]) == pytest.approx([1 / 3, 2 / 3])


def test_textbook_survival() -> None:
    # Survival of 6, 7, 10 with 6+, 9+ cut off: 4/5, then 4/5*2/3, then 0.
    assert survival_weights([6, 7, 10], [6, 9]) == pytest.approx([1 / 5, 4 / 15, 8 / 15])


@given(values)
def test_equal_weights_give_numpys_percentiles(numbers: list[float]) -> None:
    percents = (0, 25, 50, 90, 95, 99, 100)
    found = weighted_percentiles(numbers, [1.0] * len(numbers), percents)
    assert found == pytest.approx(list(np.percentile(numbers, percents)))


def test_a_heavy_value_pulls_the_median() -> None:
    assert weighted_percentiles([1, 2, 3], [1, 1, 8], [50])[0] == pytest.approx(2 + 1.75 / 4.5)
    assert weighted_mean([1, 3], [1, 3]) == 2.5
