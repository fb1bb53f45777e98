"""The space against the plain meaning of its words: every combination written out and asked one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import cel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.api.common import EngineName
from autotuner.api.parameters import Constraint, SearchParameter
from autotuner.search.space import enumerated_component
from autotuner.search.space.assembly import Assembly, Offer, assemble
from autotuner.search.space.cluster_facts import Facts
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.legal_point_walk import explored
from autotuner.search.space.space import Space
from autotuner.search.space.split_components import components

ENGINES: tuple[EngineName, ...] = ("SGLang", "VLLM")
NAMES = ("alpha", "be-ta", "gamma", "delta", "epsilon")
P = [name.replace("-", "_") for name in NAMES]


def shapes(name: str) -> st.SearchStrategy[dict[str, Any]]:
    numbers = st.lists(st.integers(0, 4), min_size=1, max_size=4, unique=True)
    return st.one_of(
        numbers.map(lambda values: {"values": values}),
        numbers.map(lambda values: {"values": [value + 0.5 for value in values]}),
        numbers.map(lambda values: {"values": values, "allowUnset": True}),
        st.just({"choices": ["x", "y"]}),
        st.just({"choices": ["x"], "allowUnset": True}),
        st.just({"toggle": True}),
        st.just({"variants": [variant("one"), variant("same"), variant("other", f"--{name}-b")]}),
        st.just({"variants": [variant("one", "--shared=1"), variant("two", "--shared=2"), variant("none")]}),
    ).map(lambda shape: {"name": name, **shape})


def variant(name: str, *args: str) -> dict[str, Any]:
    return {"name": name, "args": list(args)}


def conditions(names: Sequence[str]) -> st.SearchStrategy[str]:
    """Rules that always have an answer, whatever the parameters' types."""
    one = st.sampled_from(names)
    return st.one_of(
        one.map(lambda name: f"has(p.{name})"),
        one.map(lambda name: f"!has(p.{name}) || p.{name} in [1, 2, 2.5, 'x', true, 'one']"),
        one.map(lambda name: f"has(p.{name}) && p.{name} != 'y' && p.{name} != false && p.{name} != 'none'"),
        st.tuples(one, one).map(lambda pair: f"!(has(p.{pair[0]}) && has(p.{pair[1]})) || p.{pair[0]} != p.{pair[1]}"),
        st.tuples(one, one).map(lambda pair: f"has(p.{pair[0]}) || has(p.{pair[1]})"),
    )


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    count = draw(st.integers(1, len(NAMES)))
    parameters = [draw(shapes(NAMES[number])) for number in range(count)]
    for number in range(1, count):
        if draw(st.integers(0, 2)) == 0:
            parameters[number]["when"] = draw(conditions(P[:number]))
    rules = draw(st.lists(conditions(P[:count]), max_size=2))
    order = draw(st.permutations(range(count)))
    return Offer(
        tuple(SearchParameter.model_validate(parameters[number]) for number in order),
        tuple(Constraint(rule=rule) for rule in rules),
    )


def holds(rule: str, values: Mapping[str, Any]) -> bool:
    p = {name.replace("-", "_"): value for name, value in values.items()}
    return bool(cel.evaluate(rule, {"p": p}))


def written_out(offer: Offer, space: Space) -> Iterator[Configuration]:
    """Every configuration, by asking each condition until nothing changes, and then each constraint."""
    named = {parameter.name: parameter for parameter in offer.parameters}
    for values in product(*(dimension.values for dimension in space.dimensions)):
        chosen = dict(zip((dimension.name for dimension in space.dimensions), values, strict=True))
        for name in sorted(named, key=NAMES.index):  # a condition only asks for names before its own
            here = {
                one: value
                for one, value in chosen.items()
                if value is not None and NAMES.index(one) < NAMES.index(name)
            }
            if named[name].when is not None and not holds(named[name].when or "", here):
                chosen[name] = None
        left = {name: value for name, value in chosen.items() if value is not None}
        if all(holds(constraint.rule, left) for constraint in offer.constraints):
            yield Configuration(tuple(left.items()))


def means(space: Space, configuration: Configuration) -> tuple[Any, ...]:
    rendered = space.render(configuration)
    return (tuple(sorted(rendered.args)), rendered.env)


@pytest.fixture(params=["worked out", "looked at when asked"], scope="module")
def build(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Makes spaces of which each component is worked out, and such of which none is."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "worked out":
            patch.setattr(enumerated_component, "LISTED_MAX", 0)

        def make(offer: Offer, engine: EngineName = "SGLang") -> Space:
            pieces: Assembly = assemble(offer, engine, ["--be-ta=9", "--gamma", "--fixed=1"], Facts())
            return Space(pieces, offer)

        yield make


def found(space: Space) -> list[Configuration]:
    return [one for one in map(space.at, range(space.numbers)) if one is not None]


@given(offer=offers(), engine=st.sampled_from(ENGINES))
def test_the_space_is_what_is_left_of_the_product(build: Any, offer: Offer, engine: EngineName) -> None:
    space = build(offer, engine)
    assert space.findings == []
    expected = {means(space, configuration) for configuration in written_out(offer, space)}
    configurations = found(space)
    assert len(configurations) == len(expected)
    assert {means(space, configuration) for configuration in configurations} == expected
    assert len({space.identity(configuration) for configuration in configurations}) == len(expected)


@given(offer=offers())
def test_sizes_and_removals_add_up(build: Any, offer: Offer) -> None:
    space = build(offer)
    everything = {Configuration(one.pairs) for one in written_out(Offer(offer.parameters), space)}
    assert bool(space.emptiness) == (space.size == 0) == (not found(space))
    if space.exact and space.size:
        assert space.size == len(found(space))
        assert space.size + sum(count for _, count in space.removed) == len(everything)


@given(offer=offers())
def test_a_configuration_can_be_written_and_read_and_built_again(build: Any, offer: Offer) -> None:
    space = build(offer)
    for configuration in found(space):
        places = space.places(configuration)
        assert space.build(places) == configuration
        assert space.forbidden(places) is None
        read = space.read(reversed(configuration.parameters()))
        assert read == configuration
        assert list(read) == list(configuration)
        assert [type(value) for value in read.values()] == [type(value) for value in configuration.values()]


@given(offer=offers(), data=st.data())
def test_any_places_are_built_or_forbidden_by_name(build: Any, offer: Offer, data: st.DataObject) -> None:
    space = build(offer)
    places = [data.draw(st.integers(-1, len(dimension.values))) for dimension in space.dimensions]
    configuration = space.build(places)
    if configuration is None:
        assert "forbids it" in (space.forbidden(places) or "")
    else:
        assert all(holds(constraint.rule, configuration) for constraint in offer.constraints)
        assert space.identity(configuration) in {space.identity(one) for one in found(space)}


@given(offer=offers())
def test_arguments_are_located_at_a_configuration_that_says_them(build: Any, offer: Offer) -> None:
    space = build(offer)
    for configuration in found(space)[:8]:
        located, problem = space.locate(space.render(configuration).args)
        assert problem is None, problem
        assert located is not None
        assert set(space.render(configuration).args) <= set(space.render(located).args)


@given(offer=offers(), seed=st.integers(0, 9))
def test_what_is_drawn_is_one_of_them(build: Any, offer: Offer, seed: int) -> None:
    space = build(offer)
    points = {space.point(index) for index in range(space.numbers)} - {None}
    generator = random.Random(seed)
    drawn = {space.draw(generator) for _ in range(8)} - {None}
    assert drawn <= points
    assert bool(drawn) == bool(points)


@given(offer=offers())
def test_exploring_counts_none_twice_and_none_that_is_forbidden(build: Any, offer: Offer) -> None:
    space = build(offer)
    pieces = assemble(offer, "SGLang", ["--be-ta=9", "--gamma", "--fixed=1"], Facts())
    estimates = []
    for component in components(pieces):
        estimate, ways = explored(component.part, lambda _: True)
        assert estimate == len(ways) == len({*map(tuple, ways)})
        assert all(component.part.refusing(way) is None for way in ways)
        estimates.append(estimate)
    everything = {Configuration(one.pairs) for one in written_out(offer, space)}
    assert prod(estimates) <= len(everything)
