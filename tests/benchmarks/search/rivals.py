"""Optuna's Tree-structured Parzen Estimator (Bergstra et al. 2011), told the same noisy records as the product.

Numbers are its integers (places on their list), texts its categories. It does not know rules and lists, and repeats
itself: what is forbidden, not listed, or taken becomes the most similar configuration that is not. So it pays nothing
for what the product's space saves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from autotuner.search.experiment_record import Record
from autotuner.search.kernel import Metric
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.dimensions import Dimension
from tests.benchmarks.search.fronts import Trade
from tests.benchmarks.search.goals import Goal
from tests.benchmarks.search.methods import luckiest

# Worse than all logarithms of losses; it looks at nothing but their order.
_FAILED = 1e6


class Tpe:
    """One study.

    As good as it gets (multivariate, failures told as worst), or as it comes: its own defaults, failures told as
    failures, from which it learns nothing.
    """

    def __init__(self, goal: Goal | Trade, seed: int, *, default: bool) -> None:
        """Begin a task."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._points = goal.surface.space, goal.surface.points
        self._maximise = goal.maximise if isinstance(goal, Trade) else (goal.maximise,)
        self._distributions = {one.name: _distribution(one) for one in self._space.dimensions}
        self._distances = Metric(self._space.dimensions).distances
        self._free = np.ones(len(self._points), dtype=np.bool_)
        self._generator = np.random.default_rng(seed)
        sampler = TPESampler(seed=seed) if default else TPESampler(seed=seed, multivariate=True)
        self._study = optuna.create_study(sampler=sampler, directions=["minimize"] * len(self._maximise))
        self._tells_failures = not default
        self._told = 0
        self._asked: list[optuna.Trial] = []

    def propose(self, records: Sequence[Record], count: int) -> list[Configuration]:
        for trial in self._asked:
            self._study.tell(trial, state=TrialState.FAIL)
        for record in records[self._told :]:
            self._tell(record)
        self._told, self._asked, found = len(records), [], []
        for _ in range(min(count, int(self._free.sum()))):
            # Until the next call: what is being measured counts as bad (its constant liar).
            trial = self._study.ask(self._distributions)
            self._asked.append(trial)
            found.append(self._nearest([trial.params[one.name] for one in self._space.dimensions]))
        return found

    def incumbent(self, records: Sequence[Record]) -> Configuration | None:
        return luckiest(records, self._maximise[0])

    def _tell(self, record: Record) -> None:
        values = record.softened or record.values
        if not values and not self._tells_failures:
            return
        losses = [-np.log(one) if more else np.log(one) for one, more in zip(values, self._maximise, strict=False)]
        places = self._space.places(record.configuration or {})
        names = [one.name for one in self._space.dimensions]
        self._study.add_trial(
            create_trial(
                params={name: max(place, 0) for name, place in zip(names, places, strict=True)},
                distributions=self._distributions,
                values=losses or [_FAILED] * len(self._maximise),
            )
        )

    def _nearest(self, places: Sequence[int]) -> Configuration:
        apart = self._distances[np.arange(len(places)), self._points, np.array(places)].sum(axis=1)
        apart += 1e-9 * self._generator.random(len(apart))
        number = int(np.argmin(np.where(self._free, apart, np.inf)))
        self._free[number] = False
        found = self._space.build(self._points[number].tolist())
        assert found is not None
        return found


def _distribution(dimension: Dimension) -> BaseDistribution:
    count = len(dimension.values)
    if dimension.ordered and dimension.unset is None:
        return IntDistribution(0, count - 1)
    return CategoricalDistribution(range(count))
