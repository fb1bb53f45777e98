from __future__ import annotations

import hashlib
import random

import numpy as np
import pytest

from tests.benchmarks.search.noise import CALM, Noise
from tests.benchmarks.search.random_surfaces import COUNT, KEPT, NEEDLE, RandomSurface, near_share, random_surface

SOME = range(0, COUNT, 9)
# Changes of the mix are changes of what the search is judged by: say why in the commit that changes this.
DIGEST = "899c05da04391ad6"


@pytest.fixture(params=SOME)
def surface(request: pytest.FixtureRequest) -> RandomSurface:
    return random_surface(request.param)


def figures(surface: RandomSurface, metric: str) -> np.ndarray:
    """(levels, reachable)."""
    return np.array([surface.columns[f"{metric}_c{level}"][surface.reachable] for level in surface.levels])


def test_its_space_is_right(surface: RandomSurface) -> None:
    space = surface.space
    assert space.findings == []
    assert 4 <= len(space.dimensions) <= 20
    assert 3 <= len(surface.grid.active) <= 7
    assert space.numbers <= 10**9
    assert len(surface.failed) - 1 <= 40_000


def test_every_configuration_has_its_row(surface: RandomSurface) -> None:
    generator, space = random.Random(0), surface.space
    for _ in range(50):
        places = space.draw(generator)
        assert places is not None
        found = space.build(places)
        assert found is not None
        row = surface.row(found)
        assert surface.grid.listed[row]
        for column, number in enumerate(surface.grid.active):
            assert surface.grid.on[row, column] == (places[number] >= 0)
            assert surface.grid.places[row, column] == max(places[number], 0)


def test_what_does_not_matter_changes_nothing() -> None:
    surface = next(one for one in map(random_surface, range(COUNT)) if len(one.space.dimensions) > 15)
    generator = random.Random(0)
    rows: dict[int, set[str]] = {}
    for _ in range(2_000):
        found = surface.space.build(surface.space.draw(generator) or ())
        assert found is not None
        rows.setdefault(surface.row(found), set()).add(surface.space.identity(found))
    assert max(map(len, rows.values())) > 1


def test_what_the_space_has_not_is_not_reachable(surface: RandomSurface) -> None:
    listed = surface.grid.listed
    assert listed[surface.reachable].all()
    for row in np.flatnonzero(surface.grid.on.all(axis=1))[:: max(len(listed) // 100, 1)]:
        places = [0] * len(surface.space.dimensions)
        for number, place in zip(surface.grid.active, surface.grid.places[row], strict=True):
            places[number] = int(place)
        assert (surface.space.settle(places) is not None) == listed[row]


def test_a_load_is_physical(surface: RandomSurface) -> None:
    levels = np.array(surface.levels)[:, None]
    assert len(levels) in (3, 4)
    assert set(levels[1:, 0] // levels[:-1, 0]) <= {2, 4, 8}
    for metric in ("ttft", "ttft99", "tpot", "tpot99", "e2e"):
        assert (np.diff(figures(surface, metric), axis=0) >= 0).all(), metric
    throughput = figures(surface, "thr")
    assert (np.diff(throughput, axis=0) >= 0).all()
    assert (np.diff(throughput / levels, axis=0) <= 1e-12 * throughput[1:]).all()
    assert (figures(surface, "ttft99") > figures(surface, "ttft")).all()
    # Little's law: the same tokens of a request everywhere.
    tokens = throughput / 1e3 * figures(surface, "e2e") / levels
    assert tokens == pytest.approx(float(tokens[0, 0]))


def test_a_best_exists_and_shares_are_as_promised(surface: RandomSurface) -> None:
    runs = ~surface.failed[:-1]
    assert 0 <= 1 - runs[surface.grid.listed].mean() <= 0.6
    assert surface.failed[-1]
    assert np.isfinite(surface.losses[surface.reachable].min())
    assert all(
        np.isnan(one[surface.failed]).all() and np.isfinite(one[runs.nonzero()]).all()
        for one in surface.columns.values()
    )
    if surface.goal == "slo":
        assert KEPT[0] <= np.isfinite(surface.losses[surface.reachable]).mean() <= KEPT[1]
        assert set(surface.limits) == {"ttft", "tpot"}
    if "needle" in surface.kinds:
        assert NEEDLE[0] <= near_share(surface.losses[:-1], runs) <= NEEDLE[1]


def test_the_mix_is_pinned() -> None:
    digest = hashlib.sha256()
    for seed in range(COUNT):
        surface = random_surface(seed)
        rows = surface.reachable[np.linspace(0, len(surface.reachable) - 1, 5).astype(int)]
        told = [
            surface.name, surface.goal, surface.levels, surface.kinds, surface.space.numbers, int(surface.failed.sum()),
            *(f"{one:.5e}" for one in (surface.noise.deviation, surface.noise.far, surface.noise.drift)),
            *(f"{one:.5e}" for one in surface.limits.values()),
            *(f"{one:.5e}" for column in surface.columns.values() for one in column[rows]),
            *(f"{one:.5e}" for one in surface.losses[surface.reachable].min(keepdims=True)),
        ]  # fmt: skip
        digest.update(repr(told).encode())
    assert digest.hexdigest()[:16] == DIGEST


def test_noise_has_tails_and_drifts() -> None:
    calm, wild = (
        np.array([one.draw(np.random.default_rng(seed), 3, 40) for seed in range(2_000)])
        for one in (CALM, Noise(0.03, 0.1, 0.05))
    )
    assert calm.mean() == pytest.approx(0, abs=0.002)
    assert calm.std() == pytest.approx(0.03, rel=0.05)
    added = (wild - calm - 0.05).round(12)
    far = added[:, 0] != 0
    assert far.mean() == pytest.approx(0.1, abs=0.02)
    assert (np.abs(added[far]) >= 0.1).all()
    assert (np.abs(added[far]) <= 0.25).all()
    assert (np.ptp(added, axis=1) < 1e-9).all()
    assert (added[far] > 0).mean() == pytest.approx(0.8, abs=0.06)
