"""Bayesian search: the fewest experiments to the best configuration.

Each proposal is worked out anew from all records, in four steps:

1. Begin. What the caller advises comes first, unless it would most likely crash. Then configurations that are as
   unlike all measured ones as possible, five in all: whatever a model says before is its prior. Where there was advice,
   a third of what ran is kept: farther away, more crashes than is learnt.
2. Learn. One Gaussian process learns the losses of all levels of load that `training_targets` makes of the records, a
   second one how far each level is from each limit, a third one what crashes: 0 and 1 with a little noise. Running
   experiments count as if they had ended as predicted ("kriging believer", Ginsbourger et al. 2010), so that a batch is
   spread.
3. Ask. The worth of a candidate is what the model of the objectives expects of it (`level_model`, `front_model`), times
   a power of its chance to run. What is better by less than five per cent is no improvement: noise hides it, and where
   many configurations are about equal, the search would go on among them for ever. The model is not believed
   altogether: in one case of ten its deviations are taken to be three times as large (a contaminated normal
   distribution; Tukey 1960). When it expects nothing new any more, that doubt decides, and leads where it knows least.
   As long as nothing has run, what is most unlike the crashed ones is asked for.
4. Choose. The best candidate (`candidates`) that has not been measured and is not running; one that differs from a
   measured one only in flags without effect is none. Small spaces are looked at whole, so they are measured to the
   end, the most promising first.

Everything random comes from the seed and the number of experiments: the same records give the same proposal, in
whatever order they ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from autotuner.search import candidates, gain_of_more, training_targets
from autotuner.search.candidates import Places
from autotuner.search.experiment_record import Record
from autotuner.search.front_model import FrontModel
from autotuner.search.gaussian_process import Process
from autotuner.search.kernel import Floats, Metric, Points
from autotuner.search.level_model import LevelModel
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from autotuner.search.training_targets import Booleans, Targets

BEGINNING = 5
# Relative: about what identical runs differ by.
_NOISE = 0.03
# Of zeros and ones that tell whether something ran; some crashes are chance.
_CHANCE_NOISE = 0.1
_DOUBTFUL = 0.35
_LEAST_CHANCE = 0.02
# Powers of the chance to run: where improvement is expected, where the model is doubted, and in the beginning, with
# advice to stay near to and without.
_CAUTIOUS, _CAREFUL, _TIMID, _BOLD = 2.0, 8.0, 8.0, 2.0
# How far the beginning goes from what ran, of all parameters, if there is advice to stay near to.
_NEAR = 2 / 3
# How often the model is taken to be wrong, and by how much its deviations are too small then.
_DOUBT, _WRONG = 0.1, 3.0
# Configurations whose neighbourhoods are looked at, beside the advised ones.
_CENTRES = 4


@dataclass(frozen=True)
class Asked:
    """What a model would measure next.

    Attributes:
        configuration: that is neither measured nor running, and does something else than all that are; None if none was
            found.
        expected_gain: see `suggest.Proposal`.
    """

    configuration: Configuration | None
    expected_gain: float | None = None


def propose(
    space: Space,
    records: Sequence[Record],
    pending: Sequence[Configuration],
    seed: int,
    maximise: Sequence[bool] = (True,),
    advised: Sequence[Configuration] = (),
    beside: Sequence[Configuration] = (),
) -> Asked:
    """Say what to measure next, and what going on is expected to gain.

    Args:
        space: what there is to choose from.
        records: experiments that have ended, in the order in which they were proposed; only the gain depends on it.
        pending: configurations being measured.
        seed: of the task.
        maximise: for each objective, whether more of it is better.
        advised: configurations to begin with, the most promising first.
        beside: configurations of which something like them is known, so that the beginning goes elsewhere.
    """
    tried = [record.configuration for record in records if record.configuration is not None]
    generator = np.random.default_rng([seed, len(records) + len(pending)])
    seen = training_targets.read(space, records, maximise)
    running = sorted(_places(space, pending))
    taken = {*_places(space, tried), *running}
    metric = Metric(space.dimensions)
    chance = _chance(metric, seen, generator)
    choice = _Choice(space, [*tried, *pending])
    start = _places(space, advised)
    near = _near(seen, [places for places in running if places in start]) if advised else seen.points[:0]
    model: LevelModel | FrontModel | None = None
    if len(taken) < BEGINNING:
        for places in start:
            if choice.is_new(places) and chance(np.array([places]))[0] >= _DOUBTFUL:
                return Asked(space.build(places))
        known = sorted({*taken, *_places(space, beside)})
        worth, ranks = _unlike(metric, known, near, chance, _TIMID if advised else _BOLD), _rank(seen)
    elif not seen.runs.any():
        worth, ranks = _unlike(metric, sorted(taken), near, chance, _BOLD), _rank(seen)
    else:
        model = (LevelModel if len(maximise) == 1 else FrontModel)(metric, seen, running, _NOISE, generator)
        worth, ranks = _improving(model, chance), model.ranks
    centres = [tuple(row) for row in seen.points[np.argsort(ranks, kind="stable")[:_CENTRES]].tolist()]
    ranked = candidates.ranked(space, worth, list(dict.fromkeys([*centres, *start])), taken, generator)
    return Asked(choice.first(ranked), _expected_gain(model, chance, ranked, _lately(seen, _places(space, tried))))


class _Choice:
    """What may be measured next."""

    def __init__(self, space: Space, taken: Sequence[Configuration]) -> None:
        self._space = space
        self._identities = {space.identity(one) for one in taken}
        self._effects = {space.effective_identity(one) for one in taken}

    def is_new(self, places: Places) -> bool:
        """Whether places are a configuration that is not taken."""
        found = self._space.build(places)
        return found is not None and self._space.identity(found) not in self._identities

    def first(self, ranked: Sequence[Places]) -> Configuration | None:
        """The first configuration that does not only repeat what another one does; None if there is none."""
        built = (self._space.build(places) for places in ranked)
        found = (one for one in built if one is not None and self._space.identity(one) not in self._identities)
        return next((one for one in found if self._space.effective_identity(one) not in self._effects), None)


def _expected_gain(
    model: LevelModel | FrontModel | None, chance: candidates.Worth, ranked: Sequence[Places], lately: Booleans
) -> float | None:
    """What ten more experiments are expected to gain, as a share; None while nothing keeps the limits."""
    if not isinstance(model, LevelModel) or not model.found or not ranked:
        return None
    points = np.array(ranked, dtype=np.intp)
    (doubted,) = model.improvements(points, (_WRONG,))
    return gain_of_more.expected(model, doubted * chance(points), lately, points.shape[1])


def _lately(seen: Targets, tried: Sequence[Places]) -> Booleans:
    """Which of what is learnt from was measured in the last ten experiments that taught something."""
    rows = [tuple(point) for point in seen.points.tolist()]
    taught = [places for places in dict.fromkeys(tried) if places in set(rows)]
    last = set(taught[-gain_of_more.MORE_EXPERIMENTS :])
    return np.array([row in last for row in rows], dtype=np.bool_)


def _places(space: Space, configurations: Iterable[Configuration]) -> list[Places]:
    """The places of configurations, without those of another space."""
    found = []
    for one in configurations:
        with suppress(ValueError):
            found.append(space.places(one))
    return found


def _near(seen: Targets, running: Sequence[Places]) -> Points:
    """What ran, and what is running of what was advised, of which so much is expected."""
    return np.concatenate([seen.points[seen.runs], np.array(running, dtype=np.intp).reshape(-1, seen.points.shape[1])])


def _chance(metric: Metric, seen: Targets, generator: np.random.Generator) -> candidates.Worth:
    """The probability that configurations run."""
    if seen.runs.all() or not seen.runs.any():
        return lambda points: np.ones(len(points))
    process = Process(metric, seen.points, seen.runs.astype(np.float64)[:, None], _CHANCE_NOISE, generator)
    return lambda points: np.clip(process.mean(points)[:, 0], _LEAST_CHANCE, 1.0)


def _unlike(
    metric: Metric, taken: Sequence[Places], near: Points, chance: candidates.Worth, power: float
) -> candidates.Worth:
    """The distance to the nearest taken point, weighted with the chance to run, not far from those that do."""
    farthest = _NEAR * len(metric.distances)

    def worth(points: Points) -> Floats:
        distance = np.min([metric.apart(points, one) for one in taken], axis=0) if taken else np.ones(len(points))
        if len(near):
            remote = np.min([metric.apart(points, one) for one in near.tolist()], axis=0) > farthest
            distance = np.where(remote, distance * _LEAST_CHANCE, distance)
        return np.asarray(distance * chance(points) ** power)

    return worth


def _improving(model: LevelModel | FrontModel, chance: candidates.Worth) -> candidates.Worth:
    """The expected improvement, weighted with the probability to run."""

    def worth(points: Points) -> Floats:
        runs = chance(points)
        believed, doubted = model.improvements(points, (1.0, _WRONG))
        return np.asarray((1 - _DOUBT) * believed * runs**_CAUTIOUS + _DOUBT * doubted * runs**_CAREFUL)

    return worth


def _rank(seen: Targets) -> Floats:
    """What was measured, the best first: lower is better."""
    return np.asarray(np.where(seen.feasible, 0.0, np.where(seen.runs, 1.0, 2.0)))
