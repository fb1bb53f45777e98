"""Optuna's samplers behind one interface.

Numbers are its integers (places on their list), texts its categories. Limits are its constraints; what failed is told
as the worst that was measured, and as beyond all limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from autotuner.search.space.configuration import Configuration
from autotuner.search.space.dimensions import Dimension
from autotuner.search.space.space import Space
from tests.benchmarks.search.rivals.rival import Rival, worst
from tests.benchmarks.search.rivals.untaken import Places, Points
from tests.benchmarks.search.told import Told

# Beyond the limits is above 0. How far they are kept by is not told: half as far as anything can be beyond them.
_KEPT, _FAILED = -0.5, 1.0


class OptunaStudy(Rival):
    """One sampler, with a new study for each question: what failures are told as may change."""

    def __init__(
        self,
        space: Space,
        points: Points | None,
        starts: Sequence[Configuration],
        seed: int,
        objectives: int,
        sampler: BaseSampler,
    ) -> None:
        super().__init__(space, points, starts, seed, objectives)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._sampler = sampler
        self._distributions = {one.name: _distribution(one) for one in space.dimensions}

    def wish(self, told: Sequence[Told], known: Sequence[Places], running: Sequence[Places]) -> list[int]:
        study = optuna.create_study(sampler=self._sampler, directions=["minimize"] * self.objectives)
        limited = any(one.shortfall > 0 for one in told)
        failed = worst(told, self.objectives)
        for one, places in zip(told, known, strict=True):
            constraints = {"limits": _constraint(one.shortfall)} if limited else None
            study.add_trial(self._trial(places, values=one.losses or failed, constraints=constraints))
        for places in running:
            study.add_trial(self._trial(places, state=TrialState.RUNNING))
        trial = study.ask(self._distributions)
        return [trial.params[one.name] for one in self.space.dimensions]

    def _trial(
        self,
        places: Places,
        *,
        state: TrialState = TrialState.COMPLETE,
        values: Sequence[float] | None = None,
        constraints: dict[str, float] | None = None,
    ) -> FrozenTrial:
        params = {one.name: max(place, 0) for one, place in zip(self.space.dimensions, places, strict=True)}
        return create_trial(
            state=state, params=params, distributions=self._distributions, values=values, constraints=constraints
        )


def _constraint(shortfall: float) -> float:
    if math.isinf(shortfall):
        return _FAILED
    return shortfall / (1 + shortfall) if shortfall > 0 else _KEPT


def _distribution(dimension: Dimension) -> BaseDistribution:
    count = len(dimension.values)
    if dimension.ordered and dimension.unset is None:
        return IntDistribution(0, count - 1)
    return CategoricalDistribution(range(count))
