"""What each parameter does on its own: the main effects of the parameters on the logarithm of an objective.

The model is additive: log y = mean + sum over the parameters of effect(value) + rest. Each parameter's effects are
random with a variance of their own; the effects of ordered values are correlated (neighbours alike), those of unordered
ones are not. The variances are estimated by restricted maximum likelihood (Patterson and Thompson, Biometrika 58,
1971), with the minorise-maximise iteration for variance components (Zhou, Hu, Zhou and Lange, J. Comput. Graph. Stat.
28, 2019); given those, the effects are their best linear unbiased predictions (Henderson, Biometrics 31, 1975). So a
parameter that does nothing gets a variance near zero and thereby effects of zero, however few measurements there are
for each of its values, where least squares would fit noise. The logarithm makes effects factors, as speed-ups are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autotuner.search.experiment_record import Record
from autotuner.search.space.activity import INACTIVE
from autotuner.search.space.dimensions import Dimension
from autotuner.search.space.space import Space

Matrix = NDArray[np.float64]

_MOST_RECORDS = 200  # takes 0.3 s, and grows with the cube; later ones are nearer to the best
_NOISE = 0.01  # no engine is measured more exactly than this, however well a handful of runs fits
_ROUNDS = 200
_CLOSE = 1e-4
_OUTLIER = 4.0  # deviations; noise has heavy tails, and one bad run must not make a parameter important


@dataclass(frozen=True)
class MainEffect:
    """A difference of logarithms, as a factor less one.

    Attributes:
        change: 0.1: ten per cent more.
        deviation: standard deviation of the logarithm; 0.02: about two per cent.
    """

    change: float
    deviation: float


@dataclass(frozen=True)
class Additive:
    """A fitted additive model of the logarithm of an objective.

    Attributes:
        dimensions: of the space.
        effects: for each dimension the effect of each value on the logarithm, and of being inactive where that was
            measured; they sum to zero.
        covariances: of these.
        rest: variance that no parameter explains on its own: interactions and noise.
    """

    dimensions: tuple[Dimension, ...]
    effects: tuple[Matrix, ...]
    covariances: tuple[Matrix, ...]
    rest: float

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """For each dimension the variance of its effects over its values / all variance; the rest makes them 1."""
        variances = [float(np.mean(effect**2)) for effect in self.effects]
        total = sum(variances) + self.rest
        return tuple(variance / total for variance in variances)

    def change(self, dimension: int, before: int, after: int) -> MainEffect:
        """What going from one place of a dimension to another does; INACTIVE is a place only if it was measured."""
        contrast = np.zeros(len(self.effects[dimension]))
        contrast[after] += 1.0
        contrast[before] -= 1.0
        variance = float(contrast @ self.covariances[dimension] @ contrast)
        return MainEffect(math.expm1(float(contrast @ self.effects[dimension])), math.sqrt(max(0.0, variance)))

    def over_average(self, dimension: int, place: int) -> MainEffect:
        """What a place does, compared with the average of all."""
        variance = float(self.covariances[dimension][place, place])
        return MainEffect(math.expm1(float(self.effects[dimension][place])), math.sqrt(max(0.0, variance)))

    def knows(self, dimension: int, place: int) -> bool:
        """Whether `change` takes this place."""
        return place != INACTIVE or len(self.effects[dimension]) > len(self.dimensions[dimension].values)


def fit(space: Space, records: Sequence[Record], objective: int = 0) -> Additive | None:
    """Fit the model to what was measured.

    Args:
        space: whose parameters they are.
        records: experiments; those with a value and a configuration count, and those that were stopped at a bound,
            with the bound: leaving these out would hide what is bad.
        objective: which of the values.

    Returns:
        None with too few that count (5 for two parameters, 8 for many), or if all are equal.
    """
    usable = [
        (space.places(one.configuration), one.values[objective])
        for one in records
        if one.configuration is not None and len(one.values) > objective and one.outcome in ("value", "bound")
    ][-_MOST_RECORDS:]
    values = [value for _, value in usable if value > 0]
    if len(values) < min(8, 3 + len(space.dimensions)) or len(values) < len(usable) or max(values) <= min(values):
        return None
    places = np.array([row for row, _ in usable])
    kernels = [_kernel(one, bool((places[:, n] == INACTIVE).any())) for n, one in enumerate(space.dimensions)]
    return _Fit(space.dimensions, places, kernels, np.log(np.array(values))).run()


def _kernel(dimension: Dimension, inactive: bool) -> Matrix:
    """Covariance of the effects of a dimension's levels, up to their variance; INACTIVE is the last level."""
    size = len(dimension.values) + inactive
    kernel = np.eye(size)
    numbers = [place for place, value in enumerate(dimension.values) if value is not None]
    if dimension.ordered and len(numbers) > 1:
        rank = np.arange(len(numbers))
        near = np.exp(-2.0 * np.abs(rank[:, None] - rank[None, :]) / (len(numbers) - 1))
        kernel[np.ix_(numbers, numbers)] = near
    centre = np.eye(size) - 1.0 / size
    centred: Matrix = centre @ kernel @ centre
    spread = float(np.trace(centred))
    return centred * (size / spread) if spread > 0 else centred


class _Fit:
    """One fit; `kernels` over levels become `grams` over measurements."""

    def __init__(
        self, dimensions: tuple[Dimension, ...], places: NDArray[np.int_], kernels: list[Matrix], logs: Matrix
    ) -> None:
        self._dimensions, self._kernels, self._logs = dimensions, kernels, logs
        self._columns = [kernel[:, places[:, n]] for n, kernel in enumerate(kernels)]  # levels x measurements
        self._grams = [kernel[np.ix_(places[:, n], places[:, n])] for n, kernel in enumerate(kernels)]
        self._grams.append(np.eye(len(logs)))

    def run(self) -> Additive:
        variances, projector = self._variances(self._logs)
        rest = variances[-1] * (projector @ self._logs)
        limit = _OUTLIER * max(_NOISE, float(np.median(np.abs(rest))) * 1.4826)
        if np.abs(rest).max() > limit:
            self._logs = self._logs - rest + np.clip(rest, -limit, limit)
            variances, projector = self._variances(self._logs)
        weighted = projector @ self._logs
        effects, covariances = [], []
        for variance, kernel, column in zip(variances[:-1], self._kernels, self._columns, strict=True):
            effects.append(variance * (column @ weighted))
            covariances.append(variance * kernel - variance**2 * (column @ projector @ column.T))
        return Additive(self._dimensions, tuple(effects), tuple(covariances), float(variances[-1]))

    def _variances(self, logs: Matrix) -> tuple[Matrix, Matrix]:
        """The variances of each dimension and of the rest, and the projector of the last round."""
        count = len(self._grams)
        variances = np.full(count, float(np.var(logs)) / count)
        variances[-1] = max(variances[-1], _NOISE**2)
        projector = self._projector(variances)
        for _ in range(_ROUNDS):
            weighted = projector @ logs
            explained = np.array([weighted @ gram @ weighted for gram in self._grams])
            expected = np.array([float(np.sum(projector * gram)) for gram in self._grams])
            ratio = np.sqrt(np.maximum(explained, 0.0) / np.maximum(expected, 1e-12))
            updated = variances * np.where(expected > 1e-12, ratio, 0.0)
            updated[-1] = max(updated[-1], _NOISE**2)
            moved = float(np.abs(updated - variances).sum())
            variances, projector = updated, self._projector(updated)
            if moved < _CLOSE * float(variances.sum()):
                break
        return variances, projector

    def _projector(self, variances: Matrix) -> Matrix:
        """The inverse covariance of the measurements, freed of their mean."""
        total = sum(variance * gram for variance, gram in zip(variances, self._grams, strict=True))
        inverse = np.linalg.inv(total)
        ones = inverse.sum(axis=1)
        projector: Matrix = inverse - np.outer(ones, ones) / ones.sum()
        return projector


METHOD = "variance components of an additive model of log(objective), by restricted maximum likelihood"


_DIGITS = 3


def ranking(fitted: Additive) -> list[tuple[str, float]]:
    """Importance: each parameter's share of the variance over the space's values; the rest is interaction and noise.

    As functional ANOVA counts main effects (Hutter, Hoos and Leyton-Brown, ICML 2014): every value of a parameter
    counts the same, however often the search tried it. Where they take a forest of regression trees for the effects,
    this takes the additive model: 10 to 40 noisy measurements are too few for trees.

    Returns:
        All parameters, the most important first, equal ones in the order of the space; shares sum to at most 1.
    """
    named = [(one.name, _short(share)) for one, share in zip(fitted.dimensions, fitted.shares, strict=True)]
    return sorted(named, key=lambda pair: -pair[1])


def _short(share: float) -> float:
    """A share with three digits; what is below a thousandth is nothing."""
    return float(f"{share:.{_DIGITS}g}") if share >= 10**-_DIGITS else 0.0
