from __future__ import annotations

from itertools import pairwise

import pytest

from autotuner.api.benchmark import ConcurrencySearch, RateSearch
from autotuner.benchmark.contract.boundary_search import bracket, next_level

GRID = ConcurrencySearch(min=1, max=256, precision="10%").grid


def found(boundary: float, start: float | None, most: int = 12) -> tuple[list[float], float | None, float | None]:
    verdicts: dict[float, bool] = {}
    while (offered := next_level(GRID, verdicts, start, most)) is not None:
        assert offered not in verdicts
        verdicts[offered] = offered <= boundary
    known = bracket(verdicts)
    return list(verdicts), known.kept, known.broken


@pytest.mark.parametrize("start", [None, 1, 40, 256])
@pytest.mark.parametrize("boundary", [0, 1, 7, 39, 40, 130, 255, 256])
def test_ends_between_two_neighbours(boundary: float, start: float | None) -> None:
    levels, kept, broken = found(boundary, start)
    below = [offered for offered in GRID if offered <= boundary]
    above = [offered for offered in GRID if offered > boundary]
    assert (kept, broken) == (max(below, default=None), min(above, default=None))
    assert len(levels) <= 12


def test_begins_where_the_boundary_is_likely() -> None:
    levels, _, _ = found(40, 40)
    assert levels[0] == min(GRID, key=lambda offered: abs(offered - 40))
    assert len(levels) <= 4


def test_measures_no_more_levels_than_it_may() -> None:
    assert len(found(39, None, most=3)[0]) == 3


def test_a_level_kept_above_one_that_broke_is_chance() -> None:
    known = bracket({8: True, 16: False, 32: True})
    assert (known.kept, known.broken) == (8, 16)


def test_neighbours_of_a_grid_are_within_its_precision() -> None:
    rates = RateSearch(min=0.5, max=20, precision="5%").grid
    assert (rates[0], rates[-1]) == (0.5, 20)
    assert all(1 < b / a <= 1.0505 for a, b in pairwise(rates))
    assert all(b - a == 1 or b / a <= 1.1 for a, b in pairwise(GRID))
