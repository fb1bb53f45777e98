"""Optuna's Gaussian process with logarithmic expected improvement.

It needs PyTorch, which the locked environment has not: the package index has no build for processors alone, and the
other one is a download of 3 GB. Whoever has PyTorch can install it beside the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from optuna.samplers import GPSampler

from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from tests.benchmarks.search.rivals.optuna_study import OptunaStudy
from tests.benchmarks.search.rivals.untaken import Points


class OptunaGp(OptunaStudy):
    """One process for the loss, one for the limits."""

    def __init__(
        self, space: Space, points: Points | None, starts: Sequence[Configuration], seed: int, objectives: int = 1
    ) -> None:
        if objectives > 1:
            raise ValueError("one objective only")
        super().__init__(space, points, starts, seed, objectives, GPSampler(seed=seed))
