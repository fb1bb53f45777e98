"""Two opinions on what going on would gain, and when there is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from autotuner.search import gain_of_more
from autotuner.search.level_model import LevelModel


def expected(gained: float, doubted: float, experiments: int = 20, parameters: int = 9) -> float | None:
    model = cast(LevelModel, SimpleNamespace(gained=lambda lately: float(np.log1p(gained))))
    every = np.array([0.0, doubted, 0.1 * doubted])
    return gain_of_more.expected(model, every, np.zeros(experiments, dtype=np.bool_), parameters)


@pytest.mark.parametrize(
    ("gained", "doubted", "gain"),
    [(0.0, 0.1, 0.055), (0.05, 0.1, 0.055), (0.06, 0.1, 0.06), (0.3, 0.0, 0.3), (0, 0, 0)],
)
def test_the_larger_opinion_counts(gained: float, doubted: float, gain: float) -> None:
    assert expected(gained, doubted) == pytest.approx(gain)


@pytest.mark.parametrize(("experiments", "parameters", "says"), [(17, 9, False), (18, 9, True), (11, 6, False)])
def test_says_nothing_before_two_experiments_for_each_parameter(experiments: int, parameters: int, says: bool) -> None:
    assert (expected(0.01, 0.1, experiments, parameters) is not None) is says


def test_says_nothing_where_nothing_was_found_before() -> None:
    assert expected(float("inf"), 0.1) is None
