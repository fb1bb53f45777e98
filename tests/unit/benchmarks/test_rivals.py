from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest

from autotuner.api.parameters import Constraint, SearchParameter
from autotuner.search.space.space import Space
from tests.benchmarks.search import rivals
from tests.benchmarks.search.random_surfaces import random_surface
from tests.benchmarks.search.rivals.rival import Rival, worst
from tests.benchmarks.search.rivals.untaken import Places, Points, Untaken
from tests.benchmarks.search.told import Told


@pytest.fixture
def space() -> Space:
    """Of 4 x 2, without the two highest of b where a is on."""
    return Space.over(
        [SearchParameter(name="a", toggle=True), SearchParameter(name="b", values=[1, 2, 4, 8])],
        [Constraint(rule="!p.a || p.b < 4")],
        engine="Custom",
    )


def listed(space: Space) -> Points:
    return np.array([one for number in range(space.numbers) if (one := space.point(number))], dtype=np.intp)


class Stubborn(Rival):
    """Always wants the same."""

    wanted: tuple[int, ...] = (1, 3)
    heard: Sequence[Places] = ()

    def wish(self, told: Sequence[Told], known: Sequence[Places], running: Sequence[Places]) -> Sequence[int]:
        self.heard = list(running)
        return self.wanted


def test_what_can_be_had_is_had(space: Space) -> None:
    for points in (None, listed(space)):
        assert Untaken(space, points, 0).instead_of((0, 2)) == (0, 2)


def test_what_is_listed_becomes_the_most_similar(space: Space) -> None:
    untaken = Untaken(space, listed(space), 0)
    assert untaken.instead_of((1, 2)) == (1, 1)
    untaken.take((1, 1))
    assert not untaken.holds((1, 1))
    assert untaken.instead_of((1, 1)) == (1, 0)


def test_what_is_not_listed_becomes_a_neighbour(space: Space) -> None:
    found = Untaken(space, None, 0).instead_of((1, 2))
    assert found in {(0, 2), (1, 1)}


def test_a_huge_space_is_never_listed() -> None:
    surface = next(one for one in map(random_surface, range(200)) if one.space.numbers > 10**8)
    untaken, generator = Untaken(surface.space, None, 0), random.Random(0)
    wanted = surface.space.draw(generator)
    assert wanted is not None
    seen = set()
    for _ in range(60):
        found = untaken.instead_of(wanted)
        assert found is not None
        assert surface.space.settle(found) == found
        untaken.take(found)
        seen.add(found)
    assert len(seen) == 60


@pytest.mark.parametrize("whole", [False, True])
def test_a_rival_proposes_starts_first_and_everything_once(space: Space, whole: bool) -> None:
    start = space.build((0, 1))
    assert start is not None
    rival = Stubborn(space, listed(space) if whole else None, [start], seed=0)
    told: list[Told] = []
    while found := rival.propose(told, 2):
        told += [Told(one, (0.0,)) for one in found]
    assert told[0].configuration == start
    assert len({space.places(one.configuration) for one in told}) == len(told) == space.size


def test_a_rival_knows_what_is_running(space: Space) -> None:
    rival = Stubborn(space, None, [], seed=0)
    first, second = rival.propose([], 2)
    assert rival.heard == [space.places(first)]
    rival.propose([Told(first, (1.0,))], 1)
    assert rival.heard == [space.places(second)]


def test_failures_are_as_bad_as_the_worst(space: Space) -> None:
    one = space.at(0)
    assert one is not None
    told = [Told(one, (1.0, 4.0)), Told(one, (), math.inf), Told(one, (3.0, 2.0), 0.5)]
    assert worst(told, 2) == (3.0, 4.0)
    assert worst(told[1:2], 2) == (0.0, 0.0)
    with pytest.raises(ValueError, match="neither"):
        Told(one, (1.0,), math.inf)


def test_those_that_are_not_installed_are_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "find_spec", lambda name: name != "torch")
    assert rivals.available() == ["tpe", "smac", "smac-gp"]
