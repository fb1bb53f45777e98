"""Dominance and fronts, whatever the points."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from autotuner.scoring.pareto import dominates, front, spread

Points = list[tuple[float, ...]]


@st.composite
def fronts(draw: st.DrawFn) -> tuple[Points, list[bool]]:
    """Up to twelve points in one to three objectives; few values, so that many are equal."""
    minimise = draw(st.lists(st.booleans(), min_size=1, max_size=3))
    figures = st.one_of(st.integers(0, 3).map(float), st.floats(0, 1e9))
    return draw(st.lists(st.tuples(*[figures] * len(minimise)), max_size=12)), minimise


@given(fronts())
def test_nobody_on_the_front_is_dominated(drawn: tuple[Points, list[bool]]) -> None:
    points, minimise = drawn
    for number in front(points, minimise):
        assert not any(dominates(other, points[number], minimise) for other in points)


@given(fronts())
def test_who_is_not_on_the_front_is_beaten_or_equalled_by_somebody_on_it(drawn: tuple[Points, list[bool]]) -> None:
    points, minimise = drawn
    chosen = front(points, minimise)
    for number in set(range(len(points))) - set(chosen):
        assert any(dominates(points[one], points[number], minimise) or points[one] == points[number] for one in chosen)


@given(fronts(), st.randoms(use_true_random=False))
def test_the_order_of_the_points_does_not_matter(drawn: tuple[Points, list[bool]], random: object) -> None:
    points, minimise = drawn
    shuffled = list(points)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert {points[number] for number in front(points, minimise)} == {
        shuffled[number] for number in front(shuffled, minimise)
    }


@given(fronts())
def test_the_front_of_a_front_is_itself(drawn: tuple[Points, list[bool]]) -> None:
    points, minimise = drawn
    chosen = [points[number] for number in front(points, minimise)]
    assert front(chosen, minimise) == list(range(len(chosen)))


@given(fronts())
def test_the_front_keeps_the_order_and_names_no_point_twice(drawn: tuple[Points, list[bool]]) -> None:
    points, minimise = drawn
    chosen = front(points, minimise)
    assert bool(chosen) == bool(points)
    assert all(a < b for a, b in pairwise(chosen))
    assert len({points[number] for number in chosen}) == len(chosen)


@given(fronts())
def test_with_one_objective_the_front_is_the_best(drawn: tuple[Points, list[bool]]) -> None:
    points, minimise = drawn
    single = [point[:1] for point in points]
    best = min(single, default=None) if minimise[0] else max(single, default=None)
    assert [single[number] for number in front(single, minimise[:1])] == ([best] if points else [])


@given(fronts())
def test_to_dominate_is_a_strict_order(drawn: tuple[Points, list[bool]]) -> None:
    points, minimise = drawn
    for a in points:
        assert not dominates(a, a, minimise)
        for b in points:
            assert not (dominates(a, b, minimise) and dominates(b, a, minimise))
            if dominates(a, b, minimise):
                assert all(dominates(a, c, minimise) for c in points if dominates(b, c, minimise))


@given(fronts())
def test_turning_all_objectives_round_turns_dominance_round(drawn: tuple[Points, list[bool]]) -> None:
    points, minimise = drawn
    other = [not less for less in minimise]
    for a in points:
        for b in points:
            assert dominates(a, b, minimise) == dominates(b, a, other)


@given(fronts(), st.integers(1, 6))
def test_a_shortened_front_is_part_of_it_with_its_ends(drawn: tuple[Points, list[bool]], limit: int) -> None:
    points, minimise = drawn
    whole = [points[number] for number in front(points, minimise)]
    kept = spread(whole, limit)
    assert kept == sorted(set(kept))
    assert len(kept) == min(limit, len(whole))
    if whole and limit >= len(minimise):
        for k in range(len(minimise)):
            assert min(whole[number][k] for number in kept) == min(point[k] for point in whole)
