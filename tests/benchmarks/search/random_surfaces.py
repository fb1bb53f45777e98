"""Two hundred random surfaces, so that a search cannot be fitted to a few engines.

A surface has 4 to 20 parameters, in the median 11, of which 3 to 7 matter: up to 10^9 configurations, of which 40 to
35,000 differ. Goals: 39 % limits, 35 % throughput, 26 % latency. What the surfaces have, in the order of `kinds`:

    inert        82 %   parameters that change nothing, up to 15
    conditional  36 %   a parameter that matters only counts at some values of another
    constraint   24 %   a rule of the task: two numbers must not both be high
    plateau      54 %   effects that end somewhere
    cliff        42 %   thresholds of one or two parameters, beyond which it is 1.5 to 4 times worse
    ridge        41 %   two or three parameters that must be in balance
    interplay    52 %   a category decides what is best for another parameter
    corner       20 %   the best has all its numbers at an end of their lists
    failures     73 %   regions that do not run: up to 56 % of all, in the median of all surfaces 20 %
    far          50 %   noise with heavy tails; its deviation is 1 to 10 % everywhere
    drift        38 %   everything becomes 1 to 10 % slower during a task
    needle       18 %   one narrow place, 0.2 to 1 % of what runs, is better than all others

Within 5 % of the best is, in the median, 1.4 % of what runs (tabulated grids: 2 %); limits are kept by 1 to 36 %. The
median of what runs and keeps the limits is 1.4 times worse than the best. `random_summary` prints all of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from autotuner.engines import EngineVersion
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from tests.benchmarks.search.noise import Noise
from tests.benchmarks.search.random_engines import (
    Engine,
    Load,
    Traits,
    random_engine,
    random_failures,
    random_load,
    random_traits,
)
from tests.benchmarks.search.random_spaces import Bools, Grid, random_grid
from tests.benchmarks.search.surfaces import NO_ENGINE, Floats

COUNT = 200
NEAR = 0.05
NEEDLE = (0.002, 0.01)
KEPT = (0.005, 0.4)
_STREAM = 20
_NEEDLES_TRIED = 12
_LATENCY_AT = 32


@dataclass(frozen=True)
class RandomSurface:
    """One of them. Its rows are the combinations of the values that matter, so that the best is known exactly.

    Attributes:
        name: random-SEED.
        space: what can be chosen, with all that does not matter.
        grid: the rows.
        levels: concurrencies, ascending.
        failed: for each row, and for all that the space has not, as the last one.
        columns: true figures by name, NaN where it failed: METRIC_cLEVEL.
        noise: of what is measured.
        goal: thr, slo or lat.
        limits: milliseconds of P99 `ttft` and `tpot`, of goal slo.
        kinds: what makes it hard.
    """

    name: str
    space: Space
    grid: Grid = field(repr=False)
    levels: tuple[int, ...]
    failed: Bools = field(repr=False)
    columns: Mapping[str, Floats] = field(repr=False)
    noise: Noise
    goal: str
    limits: Mapping[str, float]
    kinds: tuple[str, ...]
    engine: EngineVersion = NO_ENGINE

    def row(self, configuration: Configuration) -> int:
        """The number of a configuration's row.

        Raises:
            ValueError: it is none of this space.
        """
        places = self.space.places(configuration)
        return int(np.ravel_multi_index([max(places[one], 0) for one in self.grid.active], self.grid.sizes))

    @cached_property
    def reachable(self) -> npt.NDArray[np.intp]:
        """Rows that the space has and that run."""
        return np.flatnonzero(~self.failed)

    @cached_property
    def losses(self) -> Floats:
        """Of each row, what the goal loses, as a logarithm: exact; infinite where it fails or breaks the limits."""
        return true_losses(self.columns, self.levels, self.goal, self.limits)


@lru_cache(maxsize=4)
def random_surface(seed: int) -> RandomSurface:
    """The surface of a number, 0 to 199."""
    generator = np.random.default_rng([seed, _STREAM])
    grid = random_grid(generator)
    traits, load = random_traits(generator), random_load(generator)
    goal = str(generator.choice(["thr", "slo", "lat"], p=[0.35, 0.4, 0.25]))
    engine = random_engine(generator, grid, traits)
    runs = grid.listed & ~random_failures(generator, grid, engine)
    needle = not traits.corner and generator.random() < 0.4
    plain = _measured(generator, load, engine, runs, goal)
    columns, goal, limits = (needle and _with_needle(generator, load, engine, grid, runs, goal)) or plain
    noise = _noise(generator)
    losses = true_losses(columns, load.levels, goal, limits)[:-1]
    kinds = _kinds(grid, traits, runs, noise, int(np.argmin(losses)))
    if needle and NEEDLE[0] <= near_share(losses, runs) <= NEEDLE[1]:
        kinds = (*kinds, "needle")
    failed = np.append(~runs, True)
    return RandomSurface(
        f"random-{seed:03}", grid.space, grid, load.levels, failed, columns, noise, goal, limits, kinds
    )


def true_losses(
    columns: Mapping[str, Floats], levels: tuple[int, ...], goal: str, limits: Mapping[str, float]
) -> Floats:
    """Logarithms of what is lost; infinite where it failed or no level keeps the limits.

    thr: of output tokens/s at the highest concurrency. lat: of the mean end-to-end latency at the one nearest to 32.
    slo: of the most output tokens/s of the levels that keep the limits.
    """
    if goal == "lat":
        level = min(levels, key=lambda one: abs(np.log(one / _LATENCY_AT)))
        found = np.log(columns[f"e2e_c{level}"])
    elif goal == "thr":
        found = -np.log(columns[f"thr_c{levels[-1]}"])
    else:
        each = [np.where(_kept(columns, level, limits), -np.log(columns[f"thr_c{level}"]), np.inf) for level in levels]
        found = np.min(each, axis=0)
    return np.asarray(np.where(np.isnan(found), np.inf, found))


def near_share(losses: Floats, runs: Bools) -> float:
    """The share within 5 % of the best, of what runs."""
    return float((losses[runs] <= losses[runs].min() + np.log1p(NEAR)).mean())


def _kept(columns: Mapping[str, Floats], level: int, limits: Mapping[str, float]) -> Bools:
    kept = [columns[f"{metric}99_c{level}"] <= limit for metric, limit in limits.items()]
    return np.asarray(np.all(kept, axis=0))


_Told = tuple[dict[str, Floats], str, dict[str, float]]


def _measured(generator: np.random.Generator, load: Load, engine: Engine, runs: Bools, goal: str) -> _Told:
    """Columns with a last row of what is not listed; the goal, which is thr where no limits can be had; its limits."""
    columns = {name: np.append(np.where(runs, told, np.nan), np.nan) for name, told in load.measure(engine).items()}
    limits = _limits(generator, columns, load.levels[0], runs) if goal == "slo" else {}
    return columns, goal if limits or goal != "slo" else "thr", limits


def _limits(generator: np.random.Generator, columns: Mapping[str, Floats], level: int, runs: Bools) -> dict[str, float]:
    """Limits that 0.5 to 40 % of what runs keep at the lowest level, so at any; none if there are no such."""
    figures = [columns[f"{metric}99_c{level}"][:-1][runs] for metric in ("ttft", "tpot")]
    ordered = [np.sort(one) for one in figures]
    needed = np.max([np.searchsorted(one, own) for one, own in zip(ordered, figures, strict=True)], axis=0)
    wanted = float(np.exp(generator.uniform(*np.log([2 * KEPT[0], 0.9 * KEPT[1]]))))
    at = int(np.sort(needed)[int(wanted * len(needed))])
    # A little more than what was measured, as people write it.
    first, token = (float(f"{1.002 * one[at]:.4g}") for one in ordered)
    kept = float(((figures[0] <= first) & (figures[1] <= token)).mean())
    return {"ttft": first, "tpot": token} if KEPT[0] <= kept <= KEPT[1] else {}


def _with_needle(
    generator: np.random.Generator, load: Load, engine: Engine, grid: Grid, runs: Bools, goal: str
) -> _Told | None:
    """As `_measured`, with one narrow place that is better than all others; None if none of some is narrow enough."""
    rows = np.flatnonzero(runs)
    for _ in range(_NEEDLES_TRIED):
        centre = int(generator.choice(rows))
        apart = np.where(
            grid.ordered, np.abs(grid.positions - grid.positions[centre]), grid.places != grid.places[centre]
        )
        distances = np.sqrt((apart**2).sum(axis=1))
        inner = max(int(generator.uniform(*NEEDLE) * len(rows)), 1)
        ordered = np.sort(distances[rows])
        core, rim = float(ordered[inner - 1]), float(ordered[min(4 * inner, len(rows) - 1)])
        share = 0.97 * np.clip((rim - distances) / max(rim - core, 1e-9), 0, 1)
        changed = engine.with_needle(share, runs, generator.uniform(0.06, 0.25))
        told = _measured(generator, load, changed, runs, goal)
        if NEEDLE[0] <= near_share(true_losses(told[0], load.levels, *told[1:])[:-1], runs) <= NEEDLE[1]:
            return told
    return None


def _noise(generator: np.random.Generator) -> Noise:
    deviation, far, drift = generator.uniform(0.01, 0.1), generator.uniform(0.01, 0.1), generator.uniform(0.01, 0.1)
    tails, drifts = (generator.random(2) < (0.5, 0.4)).tolist()
    return Noise(float(deviation), float(far) if tails else 0.0, float(drift) if drifts else 0.0)


def _kinds(grid: Grid, traits: Traits, runs: Bools, noise: Noise, best: int) -> tuple[str, ...]:
    ends = [
        grid.places[best, column] in (0, size - 1)
        for column, size in enumerate(grid.sizes)
        if grid.ordered[column] and grid.on[best, column]
    ]
    told = {
        "plateau": traits.plateau,
        "cliff": traits.cliff and not traits.corner,
        "ridge": traits.ridge and not traits.corner,
        "interplay": traits.interplay and not all(grid.ordered),
        "corner": len(ends) > 1 and all(ends),
        "failures": not runs[grid.listed].all(),
        "far": noise.far > 0,
        "drift": noise.drift > 0,
    }
    return (*grid.kinds, *(name for name, has in told.items() if has))
