"""Bayesian search: the fewest experiments to the best configuration.

Each proposal is worked out anew from all records, in four steps:

1. Begin. What the caller advises comes first, unless it would most likely crash. Then configurations that are as
   unlike all measured ones as possible, five in all: whatever a model says before is its prior. Where there was advice,
   a third of what ran is kept: farther away, more crashes than is learnt.
2. Learn. A Gaussian process (`gp`) learns the losses that `targets` makes of the records, a second one what crashes:
   0 and 1 with a little noise. Ladders that were ended early only tell that the loss is not below a bound; a first fit
   on the others says how much above. Running experiments count as if they had ended as predicted ("kriging believer",
   Ginsbourger et al. 2010), so that a batch is spread.
3. Ask. The worth of a candidate is its expected improvement over the best expected loss among the feasible ones (not
   over the luckiest measurement), times a power of its chance to run. The model is not believed altogether: in one
   case of ten its deviations are taken to be three times as large (a contaminated normal distribution; Tukey 1960).
   When it expects nothing new any more, that doubt decides, and leads where it knows least. As long as nothing has
   run, what is most unlike the crashed ones is asked for.
4. Choose. The best candidate (`candidates`) that has not been measured and is not running. Small spaces are looked at
   whole, so they are measured to the end, the most promising first.

Everything random comes from the seed and the number of experiments: the same records give the same proposal, in
whatever order they ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import numpy as np

from autotuner.search import candidates, training_targets
from autotuner.search.acquisition import expected_above, expected_improvement
from autotuner.search.candidates import Places
from autotuner.search.experiment_record import Record
from autotuner.search.gaussian_process import Process
from autotuner.search.kernel import Floats, Metric, Points
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from autotuner.search.training_targets import Targets

BEGINNING = 5
# Relative: about what identical runs differ by; and what that becomes where SLOs are softened.
_NOISE, _SOFTENED_NOISE = 0.03, 0.1
# Of zeros and ones that tell whether something ran; some crashes are chance.
_CHANCE_NOISE = 0.1
_DOUBTFUL = 0.35
_LEAST_CHANCE = 0.02
# Powers of the chance to run: where improvement is expected, where the model is doubted, and in the beginning.
_CAUTIOUS, _CAREFUL, _TIMID = 1.5, 4.0, 8.0
# How far the beginning goes from what ran, of all parameters, if there is advice to stay near to.
_NEAR = 2 / 3
# How often the model is taken to be wrong, and by how much its deviations are too small then.
_DOUBT, _WRONG = 0.1, 3.0
# Configurations whose neighbourhoods are looked at, beside the advised ones.
_CENTRES = 4


def propose(
    space: Space,
    records: Sequence[Record],
    pending: Sequence[Configuration],
    seed: int,
    maximise: Sequence[bool] = (True,),
    advised: Sequence[Configuration] = (),
) -> Configuration | None:
    """One configuration that is neither measured nor running; None if none was found.

    Args:
        space: what there is to choose from.
        records: experiments that have ended.
        pending: configurations being measured.
        seed: of the task.
        maximise: for each objective, whether more of it is better.
        advised: configurations to begin with, the most promising first.
    """
    tried = [record.configuration for record in records if record.configuration is not None]
    generator = np.random.default_rng([seed, len(records) + len(pending)])
    seen = training_targets.read(space, records, maximise, generator.dirichlet(np.ones(len(maximise))))
    running = sorted(_places(space, pending))
    taken = {*_places(space, tried), *running}
    metric = Metric(space.dimensions)
    chance = _chance(metric, seen, generator)
    identities = {space.identity(one) for one in [*tried, *pending]}
    worth: candidates.Worth
    if len(taken) < BEGINNING:
        for places in _places(space, advised):
            found = space.build(places)
            new = found is not None and space.identity(found) not in identities
            if new and chance(np.array([places]))[0] >= _DOUBTFUL:
                return found
        near = seen.points[seen.runs] if advised else seen.points[:0]
        worth = _unlike(metric, sorted(taken), near, chance)
    else:
        worth = _improving(metric, seen, running, chance, generator)
    centres = [tuple(row) for row in seen.points[np.argsort(seen.losses, kind="stable")[:_CENTRES]].tolist()]
    around = list(dict.fromkeys([*centres, *_places(space, advised)]))
    for places in candidates.ranked(space, worth, around, taken, generator):
        found = space.build(places)
        if found is not None and space.identity(found) not in identities:
            return found
    return None


def _places(space: Space, configurations: Iterable[Configuration]) -> list[Places]:
    """The places of configurations, without those of another space."""
    found = []
    for one in configurations:
        with suppress(ValueError):
            found.append(space.places(one))
    return found


def incumbent(space: Space, records: Sequence[Record], maximise: bool, seed: int) -> Configuration | None:
    """The feasible measured configuration with the best expected value; None if nothing is feasible.

    The one with the best measurement was lucky; this one is what the model holds for good.
    """
    seen = training_targets.read(space, records, (maximise,), np.ones(1))
    if not seen.feasible.any():
        return None
    process = _losses(Metric(space.dimensions), seen, (), np.random.default_rng([seed, len(records)]))
    found = process.weights @ process.measured[:, : len(seen.records)]
    # Of repeats, the luckiest is no better than the others.
    same = np.unique(seen.points, axis=0, return_inverse=True)[1].reshape(-1)
    expected = (np.bincount(same, found) / np.bincount(same))[same]
    return seen.records[int(np.argmin(np.where(seen.feasible, expected, np.inf)))].configuration


def _chance(metric: Metric, seen: Targets, generator: np.random.Generator) -> candidates.Worth:
    """The probability that configurations run."""
    if seen.runs.all() or not seen.runs.any():
        return lambda points: np.ones(len(points))
    process = Process(metric, seen.points, seen.runs.astype(np.float64), _CHANCE_NOISE, generator)
    return lambda points: np.clip(process.mean(points), _LEAST_CHANCE, 1.0)


def _unlike(metric: Metric, taken: Sequence[Places], near: Points, chance: candidates.Worth) -> candidates.Worth:
    """The distance to the nearest taken point, weighted with the chance to run, not far from those that do."""
    farthest = _NEAR * len(metric.distances)

    def worth(points: Points) -> Floats:
        distance = np.min([metric.apart(points, one) for one in taken], axis=0) if taken else np.ones(len(points))
        if len(near):
            remote = np.min([metric.apart(points, one) for one in near.tolist()], axis=0) > farthest
            distance = np.where(remote, distance * _LEAST_CHANCE, distance)
        return np.asarray(distance * chance(points) ** _TIMID)

    return worth


def _improving(
    metric: Metric,
    seen: Targets,
    running: Sequence[Places],
    chance: candidates.Worth,
    generator: np.random.Generator,
) -> candidates.Worth:
    """The expected improvement, weighted with the probability to run."""
    if not seen.runs.any():
        return _unlike(metric, [*map(tuple, seen.points.tolist()), *running], seen.points[:0], chance)
    process = _losses(metric, seen, running, generator)
    eligible = seen.feasible if seen.feasible.any() else seen.runs
    best = process.measured[:, : len(seen.points)][:, eligible].min(axis=1, keepdims=True)

    def worth(points: Points) -> Floats:
        mean, deviation = process.predict(points)
        runs = chance(points)
        believed = process.weights @ expected_improvement(mean, deviation, best) * runs**_CAUTIOUS
        doubted = process.weights @ expected_improvement(mean, _WRONG * deviation, best) * runs**_CAREFUL
        return np.asarray((1 - _DOUBT) * believed + _DOUBT * doubted)

    return worth


def _losses(metric: Metric, seen: Targets, running: Sequence[Places], generator: np.random.Generator) -> Process:
    """The Gaussian process of the losses: measured rows first, then what is running."""
    losses = seen.losses
    noise = _SOFTENED_NOISE if any(record.softened for record in seen.records) else _NOISE
    if not seen.exact.all() and seen.exact.any():
        exact = Process(metric, seen.points[seen.exact], losses[seen.exact], noise, generator)
        bound = losses[~seen.exact]
        losses = losses.copy()
        losses[~seen.exact] = exact.weights @ expected_above(*exact.predict(seen.points[~seen.exact]), bound)
    process = Process(metric, seen.points, losses, noise, generator)
    if not running:
        return process
    points = np.array(running, dtype=np.intp)
    believed = np.concatenate([losses, process.mean(points)])
    return Process(metric, np.concatenate([seen.points, points]), believed, noise, generator)
