"""Optuna's Tree-structured Parzen Estimator (Bergstra et al. 2011)."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.samplers import TPESampler

from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from tests.benchmarks.search.rivals.optuna_study import OptunaStudy
from tests.benchmarks.search.rivals.untaken import Points


class OptunaTpe(OptunaStudy):
    """All parameters together; what is being measured counts as bad."""

    def __init__(
        self, space: Space, points: Points | None, starts: Sequence[Configuration], seed: int, objectives: int = 1
    ) -> None:
        sampler = TPESampler(seed=seed, multivariate=True, constant_liar=True)
        super().__init__(space, points, starts, seed, objectives, sampler)
