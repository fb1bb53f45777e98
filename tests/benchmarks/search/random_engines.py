"""Engines of random speed: what their parameters cost, where they do not run, and what a load then measures.

Capacity, unloaded latency and where requests wait are three random functions of the parameters, so that throughput is
bought with latency. Under load it is a closed queue: as many requests as the concurrency are always under way, so that
by Little's law throughput x latency = concurrency; throughput grows in proportion while nothing queues, then saturates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tests.benchmarks.search import random_shapes as shapes
from tests.benchmarks.search.random_spaces import Bools, Grid
from tests.benchmarks.search.surfaces import Floats

_STEPS = 64


@dataclass(frozen=True)
class Traits:
    """What kind of functions they are.

    Attributes:
        plateau: some parameters stop to matter beyond a value.
        cliff: there are thresholds behind which everything is 1.5 to 4 times worse.
        ridge: two or three parameters must be in balance.
        interplay: the best value of a parameter depends on a category.
        corner: each number is best at the same end for everything, without cliffs and ridges.
    """

    plateau: bool
    cliff: bool
    ridge: bool
    interplay: bool
    corner: bool


@dataclass(frozen=True)
class Engine:
    """Costs of each row, as logarithms of factors around 1; less is better.

    Attributes:
        capacity: of the throughput at saturation.
        base: of the time of an output token without load.
        prefill: of the time to the first token without load.
        waiting: 0 to 1, the share of the queueing before the first token.
    """

    capacity: Floats
    base: Floats
    prefill: Floats
    waiting: Floats

    def with_needle(self, share: Floats, best: Bools, gap: float) -> Engine:
        """The same, with some rows moved beyond the best.

        Args:
            share: 0 to 1, how far each row is moved.
            best: of which rows.
            gap: how far beyond them.
        """

        def moved(costs: Floats) -> Floats:
            return np.asarray((1 - share) * costs + share * (costs[best].min() - gap))

        return replace(self, capacity=moved(self.capacity), base=moved(self.base), prefill=moved(self.prefill))


@dataclass(frozen=True)
class Load:
    """A benchmark.

    Attributes:
        levels: its concurrencies, ascending.
        tokens: of each answer.
        token_ms, first_ms: without load, where costs are 0.
        knee: the concurrency at which an engine of no costs saturates.
        sharpness: of the knee.
        tail: of P99 relative to the mean, where requests wait.
    """

    levels: tuple[int, ...]
    tokens: int
    token_ms: float
    first_ms: float
    knee: float
    sharpness: float
    tail: float

    def measure(self, engine: Engine) -> dict[str, Floats]:
        """The true figures of each row at each level: output tokens/s and milliseconds."""
        first, token = self.first_ms * np.exp(engine.prefill), self.token_ms * np.exp(engine.base)
        alone = first + self.tokens * token
        usual = self.first_ms + self.tokens * self.token_ms
        least = usual / self.knee * np.exp(engine.capacity)  # milliseconds of capacity that a request takes
        found = {}
        for level in self.levels:
            whole = (alone**self.sharpness + (level * least) ** self.sharpness) ** (1 / self.sharpness)
            before = engine.waiting * (whole - alone)
            within = (1 - engine.waiting) * (whole - alone) / self.tokens
            found[f"thr_c{level}"] = 1e3 * level * self.tokens / whole
            found[f"ttft_c{level}"] = first + before
            found[f"ttft99_c{level}"] = 1.3 * first + self.tail * before
            found[f"tpot_c{level}"] = token + within
            found[f"tpot99_c{level}"] = 1.1 * token + (1 + self.tail) / 2 * within
            found[f"e2e_c{level}"] = whole
        return found


def random_traits(generator: np.random.Generator) -> Traits:
    """Each of them in a good share of the surfaces."""
    plateau, cliff, ridge, interplay, corner = (generator.random(5) < (0.55, 0.65, 0.65, 0.6, 0.33)).tolist()
    return Traits(plateau, cliff, ridge, interplay, corner)


def random_load(generator: np.random.Generator) -> Load:
    """Three or four concurrencies, around those at which the engines saturate."""
    factors = generator.choice([2, 4, 8], size=int(generator.integers(2, 4)), p=[0.4, 0.45, 0.15])
    whole = int(np.prod(factors))
    first = int(2 ** generator.integers(0, max(int(np.log2(256 // whole)), 0) + 1)) if whole <= 256 else 1
    levels = [first]
    for factor in factors.tolist():
        levels.append(min(levels[-1] * factor, 256))
    levels = list(dict.fromkeys(levels))
    knee = float(np.exp(generator.uniform(*np.log([levels[0] * 1.5, levels[-1] * 1.5]))))
    return Load(
        tuple(levels),
        int(generator.choice([128, 256, 512, 1024])),
        float(generator.uniform(4, 30)),
        float(generator.uniform(30, 600)),
        knee,
        float(generator.uniform(1.5, 4)),
        float(generator.uniform(1.5, 3)),
    )


def random_engine(generator: np.random.Generator, grid: Grid, traits: Traits) -> Engine:
    """Costs that depend on what matters, each in its own way."""
    towards = generator.random(len(grid.sizes)) < 0.5
    capacity, base, prefill, waiting = (_costs(generator, grid, traits, towards) for _ in range(4))
    # What is bought with what: large batches with slow tokens.
    traded = 0.0 if traits.corner else generator.uniform(0, 0.6)
    base = generator.uniform(0.4, 1) * base - traded * capacity
    shift = generator.uniform(-1, 2)
    return Engine(capacity, base, 0.5 * base + 0.7 * prefill, 1 / (1 + np.exp(2 * waiting - shift)))


def random_failures(generator: np.random.Generator, grid: Grid, engine: Engine) -> Bools:
    """Where it does not run: where it needs too much memory, and where two values do not go together.

    Of what the space has, 0 to 60 %. Often the best lies close to where the memory ends.
    """
    failed = np.zeros(len(grid.places), dtype=np.bool_)
    share = 0.0 if generator.random() < 0.25 else generator.uniform(0.02, 0.58)
    if not share:
        return failed
    for _ in range(int(generator.integers(0, 3))):
        first, second = generator.choice(len(grid.sizes), 2, replace=False).tolist()
        pair = _part(generator, grid, first) & _part(generator, grid, second)
        if (failed | pair)[grid.listed].mean() < share:
            failed |= pair
    columns = generator.choice(len(grid.sizes), int(generator.integers(2, 4)), replace=False).tolist()
    memory = np.zeros(len(grid.places))
    for column in columns:
        height = shapes.coordinate(generator, grid, column)
        good = float(np.mean((height - height.mean()) * engine.capacity)) < 0
        sign = (1 if good else -1) if generator.random() < 0.6 else generator.choice([-1, 1])
        memory += sign * generator.uniform(0.3, 1) * height
    steps = np.unique(memory[grid.listed])
    for step in steps[:: max(len(steps) // _STEPS, 1)]:
        found = failed | (memory >= step)
        if found[grid.listed].mean() <= share:
            return np.asarray(found)
    return failed


def _part(generator: np.random.Generator, grid: Grid, column: int) -> Bools:
    """One value of a category, or the upper or lower end of a number."""
    places, size = grid.places[:, column], grid.sizes[column]
    place = int(generator.integers(1, size))
    if not grid.ordered[column]:
        return np.asarray(grid.on[:, column] & (places == place))
    return np.asarray(grid.on[:, column] & ((places >= place) if generator.random() < 0.5 else (places < place)))


def _costs(generator: np.random.Generator, grid: Grid, traits: Traits, towards: Sequence[bool] | Bools) -> Floats:
    """One random function of all that matters; its middle is 0."""
    count = len(grid.sizes)
    # A few matter much, the others a little.
    weights = (generator.exponential(1, count) ** 1.5).clip(0.05)
    found = np.zeros(len(grid.places))
    for column in range(count):
        along = shapes.coordinate(generator, grid, column)
        if grid.ordered[column]:
            along = np.where(grid.on[:, column], _along(generator, along, traits, bool(towards[column])), 0.0)
        found += weights[column] * along
    if traits.ridge and not traits.corner:
        for _ in range(int(generator.integers(1, 3))):
            size = int(generator.integers(2, min(count, 3) + 1))
            found += generator.uniform(0.7, 2) * shapes.ridge(generator, grid, _some(generator, count, size))
    categories = [column for column in range(count) if not grid.ordered[column]]
    if traits.interplay and categories:
        category = int(generator.choice(categories))
        other = int(generator.choice([column for column in range(count) if column != category]))
        found += generator.uniform(0.7, 2) * shapes.interplay(generator, grid, category, other)
    found *= generator.uniform(0.06, 0.35) / max(float(found[grid.listed].std()), 1e-9)
    if traits.cliff and not traits.corner:
        found += shapes.cliff(generator, grid, _some(generator, count, int(generator.integers(1, 3))))
    return np.asarray(found - np.median(found[grid.listed]))


def _along(generator: np.random.Generator, along: Floats, traits: Traits, up: bool) -> Floats:
    flat = traits.plateau and generator.random() < 0.75
    if traits.corner:
        way = 1 - along if up else along
        return 1 - np.minimum((1 - way) / 0.5, 1) if flat and generator.random() < 0.3 else way
    if flat:
        return shapes.plateau(generator, along)
    return shapes.bowl(generator, along) if generator.random() < 0.6 else shapes.slope(generator, along)


def _some(generator: np.random.Generator, count: int, size: int) -> list[int]:
    found: list[int] = generator.choice(count, size, replace=False).tolist()
    return found
