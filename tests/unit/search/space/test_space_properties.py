"""Walking about in a space: numbers, places, wishes. What a space means is the subject of test_search_properties."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autotuner.search.space.assembly import Offer
from autotuner.search.space.space import Space
from tests.unit.search.proposed import suggest
from tests.unit.search.space.test_rule_properties import build, found, holds, means, offers

__all__ = ["build"]  # the fixture


@settings(max_examples=25)
@given(offer=offers())
def test_a_number_its_places_and_its_configuration_are_one(build: Any, offer: Offer) -> None:
    space: Space = build(offer)
    for number in range(space.numbers):
        configuration, point = space.at(number), space.point(number)
        assert (configuration is None) == (point is None)
        if configuration is not None and point is not None:
            assert space.places(configuration) == point
            assert space.settle(point) == point
            assert space.build(point) == configuration


@settings(max_examples=25)
@given(offer=offers())
def test_every_configuration_keeps_every_constraint(build: Any, offer: Offer) -> None:
    for configuration in found(build(offer)):
        assert all(holds(constraint.rule, configuration) for constraint in offer.constraints)


@settings(max_examples=25)
@given(offer=offers())
def test_numbers_name_each_meaning_once(build: Any, offer: Offer) -> None:
    space: Space = build(offer)
    configurations = found(space)
    assert max(Counter(space.identity(one) for one in configurations).values(), default=1) == 1
    assert max(Counter(means(space, one) for one in configurations).values(), default=1) == 1


@settings(max_examples=25)
@given(offer=offers(), data=st.data())
def test_to_settle_twice_is_to_settle_once(build: Any, offer: Offer, data: st.DataObject) -> None:
    space: Space = build(offer)
    places = [data.draw(st.integers(-1, len(dimension.values))) for dimension in space.dimensions]
    settled = space.settle(places)
    if settled is not None:
        assert space.settle(settled) == settled
        assert (settled in map(space.point, range(space.numbers))) or space.build(settled) is not None


@settings(max_examples=25)
@given(offer=offers(), data=st.data())
def test_the_nearest_to_any_wish_may_be_chosen(build: Any, offer: Offer, data: st.DataObject) -> None:
    space: Space = build(offer)
    wishes = {
        dimension.name: data.draw(st.sampled_from(dimension.values))
        for dimension in space.dimensions
        if data.draw(st.booleans())
    }
    nearest = space.nearest(wishes)
    assert (nearest is None) == (not found(space))
    if nearest is not None:
        assert space.build(space.places(nearest)) == nearest
        assert all(holds(constraint.rule, nearest) for constraint in offer.constraints)


@settings(max_examples=25)
@given(offer=offers(), data=st.data())
def test_what_may_be_chosen_is_nearest_to_itself(build: Any, offer: Offer, data: st.DataObject) -> None:
    space: Space = build(offer)
    configurations = found(space)
    assume(configurations)
    wanted = data.draw(st.sampled_from(configurations))
    point = space.places(wanted)
    wishes = {one.name: one.values[place] for one, place in zip(space.dimensions, point, strict=True) if place >= 0}
    nearest = space.nearest(wishes)
    assert nearest is not None
    assert space.identity(nearest) == space.identity(wanted)


@settings(max_examples=25)
@given(offer=offers(), seed=st.integers(0, 2**31), count=st.integers(1, 8))
def test_random_and_grid_propose_everything_once(build: Any, offer: Offer, seed: int, count: int) -> None:
    space: Space = build(offer)
    expected = {space.identity(one) for one in found(space)}
    for strategy in ("Random", "Grid"):
        first = suggest(strategy, space, [], [], count, seed)
        assert suggest(strategy, space, [], [], count, seed) == first
        rest = suggest(strategy, space, [], first, space.numbers, seed)
        proposed = [space.identity(one) for one in [*first, *rest]]
        assert len(proposed) == len(set(proposed))
        assert set(proposed) == expected
