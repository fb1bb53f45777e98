"""Wilson's interval of a share."""

from __future__ import annotations

import random

import pytest

from autotuner.scoring.share_interval import attainment


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    # From Brown, Cai and DasGupta's formula, as statsmodels' proportion_confint(method="wilson") gives them.
    [(0.95, 100, 0.8882, 0.9785), (1.0, 20, 0.8389, 1.0), (0.0, 20, 0.0, 0.1611), (0.5, 400, 0.4512, 0.5488)],
)
def test_it_is_wilsons(share: float, count: int, low: float, high: float) -> None:
    found = attainment(share, count)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert found.low <= found.share <= found.high


def test_it_holds_the_truth_as_often_as_it_says() -> None:
    draw = random.Random(1)
    held = 0
    for _ in range(2000):
        found = attainment(sum(draw.random() < 0.95 for _ in range(200)) / 200, 200)
        held += found.low <= 0.95 <= found.high
    assert 0.93 < held / 2000 < 0.98
