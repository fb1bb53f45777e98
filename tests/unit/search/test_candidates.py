"""Which configurations are looked at for a proposal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from autotuner.api.parameters import Constraint, SearchParameter
from autotuner.search.candidates import WHOLE, Places, ranked
from autotuner.search.kernel import Floats, Points
from autotuner.search.space.activity import INACTIVE
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space


def over(*parameters: dict[str, Any], rules: Sequence[str] = ()) -> Space:
    return Space.over(
        [SearchParameter.model_validate(one) for one in parameters],
        [Constraint(rule=rule) for rule in rules],
        engine="Custom",
    )


def numbers(count: int, values: int) -> list[dict[str, Any]]:
    return [{"name": f"p{number}", "values": list(range(values))} for number in range(count)]


SMALL = over(*numbers(3, 4))
LARGE = over(*numbers(10, 8))


def total(points: Points) -> Floats:
    return np.asarray(points.sum(axis=1), dtype=np.float64)


def found(
    space: Space,
    worth: Callable[[Points], Floats] = total,
    centres: Sequence[Places] = (),
    taken: Sequence[Places] = (),
    seed: int = 0,
) -> list[Places]:
    return ranked(space, worth, centres, set(taken), np.random.default_rng(seed))


def test_small_spaces_are_looked_at_whole() -> None:
    assert set(found(SMALL)) == {SMALL.point(index) for index in range(SMALL.numbers)}


def test_the_most_worth_come_first() -> None:
    places = found(SMALL)
    assert places[0] == (3, 3, 3)
    assert [sum(one) for one in places] == sorted((sum(one) for one in places), reverse=True)


def test_equal_ones_come_in_the_order_of_the_space() -> None:
    assert found(SMALL, lambda points: np.zeros(len(points))) == [SMALL.point(index) for index in range(64)]


@pytest.mark.parametrize("space", [SMALL, LARGE], ids=["small", "large"])
def test_none_is_taken_and_each_comes_once(space: Space) -> None:
    best = found(space)[:10]
    left = found(space, taken=best, centres=best[:2])
    assert not set(left) & set(best)
    assert len(set(left)) == len(left)


def test_nothing_is_left_of_a_space_that_is_taken() -> None:
    assert found(SMALL, taken=[point for index in range(64) if (point := SMALL.point(index))]) == []


def test_large_spaces_are_sampled_by_the_seed() -> None:
    assert LARGE.numbers > WHOLE
    assert found(LARGE, seed=1) == found(LARGE, seed=1)
    assert set(found(LARGE, seed=1)) != set(found(LARGE, seed=2))
    assert 400 < len(found(LARGE)) < 2 * WHOLE


def test_all_neighbours_of_the_centres_are_looked_at() -> None:
    centre = (4,) * 10
    around = {(*centre[:number], place, *centre[number + 1 :]) for number in range(10) for place in range(8)}
    assert around <= {centre, *found(LARGE, centres=[centre])}


def test_changes_of_two_or_three_parameters_are_looked_at_too() -> None:
    centre = (4,) * 10
    changes = [sum(place != 4 for place in one) for one in found(LARGE, centres=[centre])]
    assert sum(2 <= count <= 3 for count in changes) >= 20


def test_the_best_is_followed_to_its_neighbours() -> None:
    """Of 500 random sums of ten the largest is about 55; each round of following adds seven at most."""
    assert sum(found(LARGE)[0]) >= 63


class TestRules:
    SPACE = over(*numbers(8, 8), rules=[" + ".join(f"p.p{number}" for number in range(8)) + " == 20"])

    def test_hold_for_samples_neighbours_and_jumps(self) -> None:
        places = found(self.SPACE, lambda points: points[:, 0].astype(np.float64), [(6, 7, 7, 0, 0, 0, 0, 0)])
        assert places[0][0] == 7
        assert {sum(one) for one in places} == {20}

    def test_may_leave_next_to_nothing(self) -> None:
        space = over(*numbers(8, 8), rules=[f"p.p{number} == {number}" for number in range(8)])
        assert found(space) == [tuple(range(8))]


class TestConditions:
    SPACE = over(
        {"name": "spec", "choices": ["off", "eagle"]},
        {"name": "steps", "values": list(range(64)), "when": "p.spec == 'eagle'"},
        *numbers(3, 16),
    )

    def test_switch_off_what_is_looked_at(self) -> None:
        off = self.SPACE.places(Configuration((("spec", "off"), ("p0", 1), ("p1", 1), ("p2", 1))))
        on = self.SPACE.places(Configuration((("spec", "eagle"), ("steps", 9), ("p0", 1), ("p1", 1), ("p2", 1))))
        for spec, steps, *_ in found(self.SPACE, centres=[off, on]):
            assert (spec == 0) == (steps == INACTIVE)

    def test_one_that_is_switched_on_begins_somewhere(self) -> None:
        off = self.SPACE.places(Configuration((("spec", "off"), ("p0", 1), ("p1", 1), ("p2", 1))))
        assert any(spec == 1 and rest == [1, 1, 1] for spec, _, *rest in found(self.SPACE, centres=[off]))
