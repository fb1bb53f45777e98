"""SMAC3 (Lindauer et al. 2022): a random forest, or a Gaussian process, with expected improvement.

The parts and settings are those of its facades, but the model is trained after each experiment, not each eighth; the
forest looks among 1,000 configurations, as the process does, not 10,000; and its trees have no room for a million
leaves. Without the last two, a proposal of the forest takes over a second instead of a third of it. It has no
constraints: what is beyond the limits is told as worse, by ten times the relative excess.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ConfigSpace import Categorical, ConfigurationSpace, Integer
from ConfigSpace import Configuration as Chosen
from smac import BlackBoxFacade, HyperparameterOptimizationFacade, Scenario
from smac.model import AbstractModel
from smac.model.random_forest.random_forest import RandomForest

from autotuner.search.space.configuration import Configuration
from autotuner.search.space.dimensions import Dimension
from autotuner.search.space.space import Space
from tests.benchmarks.search.rivals.rival import Rival
from tests.benchmarks.search.rivals.untaken import Places, Points
from tests.benchmarks.search.surfaces import Floats
from tests.benchmarks.search.told import Told

_PENALTY = 10.0
# As many as Optuna begins with.
_BEGINNING = 10
_CHALLENGERS = 1_000
_LEAVES = 512
# How many of its wishes, the dearest first, are looked through for one that can be had.
_LOOKED_AT = 64


class Smac(Rival):
    """The parts of a facade.

    Attributes:
        facade: whose.
    """

    facade: type[BlackBoxFacade | HyperparameterOptimizationFacade]

    def __init__(
        self, space: Space, points: Points | None, starts: Sequence[Configuration], seed: int, objectives: int = 1
    ) -> None:
        if objectives > 1:
            raise ValueError("one objective only")
        super().__init__(space, points, starts, seed, objectives)
        self._names = [f"p{number:02}" for number in range(len(space.dimensions))]
        self._space = ConfigurationSpace(seed=seed)
        for name, dimension in zip(self._names, space.dimensions, strict=True):
            if len(dimension.values) > 1:
                self._space.add(_parameter(name, dimension))
        with tempfile.TemporaryDirectory() as folder:
            scenario = Scenario(self._space, deterministic=True, seed=seed, output_directory=Path(folder))
        self._model = self.model(scenario)
        self._gain = self.facade.get_acquisition_function(scenario)
        self._maximizer = self.facade.get_acquisition_maximizer(scenario, challengers=_CHALLENGERS)
        self._maximizer.acquisition_function = self._gain
        self._mixture = self.facade.get_random_design(scenario)
        design = self.facade.get_initial_design(scenario, n_configs=_BEGINNING, max_ratio=1.0)
        self._beginning = [self._places(one) for one in design.select_configurations()]

    def model(self, scenario: Scenario) -> AbstractModel:
        return self.facade.get_model(scenario)

    def wish(self, told: Sequence[Told], known: Sequence[Places], running: Sequence[Places]) -> Sequence[int]:
        if (len(told) + len(running) < _BEGINNING and self._beginning) or not any(one.losses for one in told):
            return self._beginning.pop(0) if self._beginning else self._places(self._space.sample_configuration())
        chosen = [self._chosen(places) for places in known]
        points, losses = np.array([one.get_array() for one in chosen]), _losses(told)
        self._model.train(points, losses)
        expected = self._model.predict_marginalized(points)[0].ravel()
        best = int(np.argmin(expected))
        self._gain.update(
            model=self._model, eta=float(expected[best]), incumbent_array=points[best], num_data=len(points), X=points
        )
        first: list[int] | None = None
        for _, one in zip(
            range(_LOOKED_AT), self._maximizer.maximize(chosen, random_design=self._mixture), strict=False
        ):
            places = self._places(one)
            first = first or places
            if self.untaken.holds(places):
                return places
        return first or self._places(self._space.sample_configuration())

    def _places(self, chosen: Chosen) -> list[int]:
        return [int(chosen[name]) if name in self._space else 0 for name in self._names]

    def _chosen(self, places: Places) -> Chosen:
        pairs = zip(self._names, places, strict=True)
        return Chosen(self._space, values={name: max(place, 0) for name, place in pairs if name in self._space})


class SmacForest(Smac):
    """As for the tuning of learning algorithms."""

    facade = HyperparameterOptimizationFacade

    def model(self, scenario: Scenario) -> AbstractModel:
        return RandomForest(
            scenario.configspace,
            log_y=True,
            n_trees=10,
            ratio_features=1.0,
            min_samples_split=2,
            min_samples_leaf=1,
            max_leaf_nodes=_LEAVES,
            n_jobs=1,
            seed=scenario.seed,
        )


class SmacGp(Smac):
    """As for expensive functions of few parameters."""

    facade = BlackBoxFacade


def _losses(told: Sequence[Told]) -> Floats:
    """(n, 1) what failed has the worst of all others."""
    found = np.array([one.losses[0] + _PENALTY * one.shortfall if one.losses else np.nan for one in told])
    return np.asarray(np.where(np.isnan(found), np.nanmax(found), found)[:, None])


def _parameter(name: str, dimension: Dimension) -> Categorical | Integer:
    count = len(dimension.values)
    if dimension.ordered and dimension.unset is None:
        return Integer(name, (0, count - 1))
    return Categorical(name, list(range(count)))
