"""Bayesian search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autotuner.search import candidates, targets
from autotuner.search.acquisition import expected_above, expected_improvement
from autotuner.search.configuration import Configuration
from autotuner.search.gp import Floats, Metric, Points, Process
from autotuner.search.record import Record
from autotuner.search.space import Space

START = 6
_CAUTION = 1.5
_DOUBTFUL = 0.35
_CENTRES = 4


def propose(
    space: Space,
    records: Sequence[Record],
    pending: Sequence[Configuration],
    seed: int,
    maximise: Sequence[bool],
    advised: Sequence[Configuration],
) -> Configuration | None:
    generator = np.random.default_rng([seed, len(records) + len(pending)])
    weights = generator.dirichlet(np.ones(len(maximise)))
    seen = targets.read(space, records, maximise, weights)
    running = np.array(sorted(_places(space, pending)), dtype=np.intp).reshape(-1, len(space.dimensions))
    taken = {places for places in _places(space, [r.configuration for r in records if r.configuration is not None])}
    taken |= set(map(tuple, running.tolist()))
    identities = {space.identity(one) for one in [*(r.configuration for r in records if r.configuration), *pending]}
    metric = Metric(space.dimensions)
    advice = [space.places(one) for one in advised]

    centres = [tuple(row) for row in seen.points[np.argsort(seen.losses, kind="stable")][:_CENTRES].tolist()]
    centres = list(dict.fromkeys([*centres, *advice]))
    found = candidates.around_and_anywhere(space, centres, taken, generator)
    if not found:
        return None
    points = np.array(found, dtype=np.intp)
    chance = feasibility(metric, seen, points, generator)
    if len(taken) < START:
        free = [a for a in advice if a not in taken]
        if free:
            ok = feasibility(metric, seen, np.array(free), generator) >= _DOUBTFUL
            if ok.any():
                return space.build(free[int(np.argmax(ok))])
        worth = spread(metric, points, np.array(sorted(taken), dtype=np.intp).reshape(-1, points.shape[1])) * np.where(
            chance >= _DOUBTFUL, 1, chance
        )
    elif seen.runs.any():
        worth = improvement(metric, seen, running, points, generator) * chance**_CAUTION
    else:
        worth = chance
    for number in np.argsort(-worth, kind="stable"):
        c = space.build(found[number])
        if c is not None and space.identity(c) not in identities:
            return c
    return None


def feasibility(metric: Metric, seen: targets.Targets, points: Points, generator: np.random.Generator) -> Floats:
    if seen.runs.all():
        return np.ones(len(points))
    if not seen.runs.any():
        process = Process(metric, seen.points, np.append(seen.runs[1:], 1).astype(float), generator)
        return np.ones(len(points))
    process = Process(metric, seen.points, seen.runs.astype(float), generator)
    return np.clip(process.mean(points), 0.02, 1)


def improvement(metric, seen, running, points, generator) -> Floats:
    process = model(metric, seen, generator)
    if len(running):
        m = process.mean(running)
        process = Process(metric, np.concatenate([seen.points, running]), np.concatenate([seen.losses, m]), generator)
    mean, dev = process.predict(points)
    base = seen.points[seen.feasible] if seen.feasible.any() else seen.points
    best = process.predict(base)[0].min(axis=1, keepdims=True)
    ei = expected_improvement(mean, dev, best)
    return process.weights @ ei


def model(metric, seen, generator) -> Process:
    if seen.exact.all():
        return Process(metric, seen.points, seen.losses, generator)
    if not seen.exact.any():
        return Process(metric, seen.points, seen.losses, generator)
    first = Process(metric, seen.points[seen.exact], seen.losses[seen.exact], generator)
    mean, deviation = first.predict(seen.points[~seen.exact])
    losses = seen.losses.copy()
    losses[~seen.exact] = first.weights @ expected_above(mean, deviation, seen.losses[~seen.exact])
    return Process(metric, seen.points, losses, generator)


def spread(metric: Metric, points: Points, taken: Points) -> Floats:
    """New values first."""
    if not len(taken):
        return np.ones(len(points))
    D = metric._distances
    out = np.full(len(points), np.inf)
    for row in taken:
        d = np.zeros(len(points))
        for k in range(points.shape[1]):
            d += D[k][points[:, k] % metric.width, row[k] % metric.width]
        out = np.minimum(out, d)
    return out


def incumbent(space: Space, records: Sequence[Record], maximise: Sequence[bool], seed: int = 0):
    seen = targets.read(space, records, maximise)
    if not seen.feasible.any():
        return None
    generator = np.random.default_rng([seed, len(records)])
    process = model(Metric(space.dimensions), seen, generator)
    rows = np.flatnonzero(seen.feasible)
    means = process.mean(seen.points[rows])
    return seen.records[rows[int(np.argmin(means))]].configuration


def _places(space: Space, configurations):
    for one in configurations:
        try:
            yield space.places(one)
        except ValueError:
            pass
