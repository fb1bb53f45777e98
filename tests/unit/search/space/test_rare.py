"""Spaces whose rules leave next to nothing of a product that is too large to be listed."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from math import comb
from typing import Any, get_args

import pytest

from autotuner.api.parameters import Constraint, SearchParameter
from autotuner.search.experiment_record import Record
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from autotuner.search.suggest import Strategy
from tests.unit.search.proposed import suggest

TOTAL = " + ".join(f"p.p{number}" for number in range(8))
ASCENDING = tuple(f"p.p{number} < p.p{number + 1}" for number in range(7))
DIFFERENCE = " + ".join(f"p.p{number} - p.p{number + 1}" for number in range(0, 8, 2))


def space(*rules: str, when: dict[int, str] | None = None) -> Space:
    """Eight parameters from 1 to 16: about four thousand million combinations."""
    parameters: list[dict[str, Any]] = [{"name": f"p{number}", "values": list(range(1, 17))} for number in range(8)]
    for number, condition in (when or {}).items():
        parameters[number]["when"] = condition
    return Space.over(
        [SearchParameter.model_validate(one) for one in parameters],
        [Constraint(rule=rule) for rule in rules],
        engine="Custom",
    )


def drawn(found: Space, count: int = 60, seed: int = 0) -> list[Configuration]:
    generator = random.Random(seed)
    places = [found.draw(generator) for _ in range(count)]
    return [one for place in places if place is not None and (one := found.build(place)) is not None]


TIGHT: Sequence[tuple[tuple[str, ...], int]] = [
    ((f"{TOTAL} <= 24",), comb(24, 8)),
    ((f"{TOTAL} <= 14",), comb(14, 8)),
    ((f"{TOTAL} >= 122",), comb(14, 8)),
    ((f"{DIFFERENCE} >= 54",), comb(14, 8)),
    (ASCENDING, comb(16, 8)),
]


@pytest.mark.parametrize(("rules", "size"), TIGHT, ids=lambda one: str(one)[:30])
def test_the_size_is_told_within_a_factor_of_three(rules: tuple[str, ...], size: int) -> None:
    found = space(*rules)
    assert size / 3 < found.size < size * 3
    assert (found.exact, found.most, found.findings, found.emptiness) == (False, 16**8, [], "")
    assert found.amount == f"about {found.size}"
    assert sum(count for _, count in found.removed) + found.size == pytest.approx(16**8)


@pytest.mark.parametrize(("rules", "size"), TIGHT, ids=lambda one: str(one)[:30])
def test_what_is_drawn_keeps_the_rules_and_is_seldom_the_same(rules: tuple[str, ...], size: int) -> None:
    found = space(*rules)
    configurations = drawn(found)
    assert len(set(configurations)) >= 50
    assert all(found.settle(found.places(one)) == found.places(one) for one in configurations)
    assert size > 1000, "else equal ones are to be expected"


def test_under_a_fixed_sum_a_few_are_known_and_more_are_drawn() -> None:
    found = space(f"{TOTAL} == 20")
    assert 1 < found.size <= comb(19, 7)
    assert (found.exact, found.most, found.amount) == (False, 16**8, f"at least {found.size}")
    assert len(set(drawn(found))) >= 50


def test_the_seed_decides_what_is_drawn() -> None:
    found = space(f"{TOTAL} <= 14")
    assert drawn(found, seed=3) == drawn(found, seed=3) != drawn(found, seed=4)


def test_draws_go_everywhere() -> None:
    configurations = drawn(space(f"{TOTAL} <= 14"), 200)
    seen = [{one[f"p{number}"] for one in configurations} for number in range(8)]
    assert all({1, 2, 3} <= values for values in seen)


def test_inactive_parameters_are_counted_once_and_left_out() -> None:
    found = space("p.p0 + p.p1 + p.p2 + p.p3 + p.p4 + p.p5 <= 8 && (!has(p.p7) || p.p7 == p.p0)", when={7: "p.p0 > 1"})
    # Of C(8, 6) = 28 beginnings seven have p0 > 1: p7 is p0 then, and absent else; p6 is free.
    assert 28 * 16 / 2 < found.size < 28 * 16 * 2
    for one in drawn(found):
        assert (one.get("p7") == one["p0"]) if one["p0"] != 1 else "p7" not in one


def test_wishes_are_kept_as_far_as_few_points_allow() -> None:
    found = space(f"{TOTAL} <= 14").nearest({"p3": 5, "p4": 16})
    assert found is not None
    assert found["p3"] == 5 or found["p4"] not in (1, 2, 3, 4)


def test_a_space_that_is_known_has_no_more_than_its_size() -> None:
    few = Space.over([SearchParameter(name="a", values=[1, 2, 3])], [Constraint(rule="p.a > 1")], engine="Custom")
    assert (few.size, few.most, few.amount) == (2, 2, "2")
    assert {one["a"] for one in drawn(few)} == {2, 3}


def test_nothing_is_drawn_from_an_empty_space() -> None:
    assert drawn(space("p.p0 > 16", f"{TOTAL} <= 60")) == []


@pytest.mark.parametrize("strategy", get_args(Strategy))
@pytest.mark.parametrize("limit", [f"{TOTAL} <= 14", f"{TOTAL} >= 122"])
def test_proposals_do_not_wait_for_legal_numbers(strategy: Strategy, limit: str) -> None:
    found = space(limit)
    begun = time.process_time()
    proposed = suggest(strategy, found, [], [], 2, 0)
    # About half a second; walking the numbers takes half a minute at the least.
    assert time.process_time() - begun < 10
    assert len(set(proposed)) == 2
    assert all(found.forbidden(found.places(one)) is None for one in proposed)
    assert suggest(strategy, found, [], [], 2, 0) == proposed


@pytest.mark.parametrize("strategy", ["Random", "Grid"])
def test_an_order_goes_on_where_it_was(strategy: Strategy) -> None:
    found = space(f"{TOTAL} >= 122")
    at_once = suggest(strategy, found, [], [], 40, seed=5)
    later = suggest(strategy, found, [Record(one, "value", (1.0,)) for one in at_once[:30]], [], 10, seed=5)
    assert later == at_once[30:]


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_every_one_of_few_is_proposed(strategy: Strategy) -> None:
    found = space(f"{TOTAL} <= 9")
    first = suggest(strategy, found, [], [], 5, 0)
    records = [Record(one, "value", (float(number),)) for number, one in enumerate(first)]
    proposed = {*first, *suggest(strategy, found, records, [], 10, 0)}
    assert len(proposed) == 9
    assert found.size == 9
