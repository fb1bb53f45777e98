"""Would a prediction from physics help the search?

python -m tests.benchmarks.search.physics_prior [--arms plain,starts,...] [--seeds 5] [--only TEXT] [--wrong]
    [--random N]

plain: the product's search. starts: it begins with the two best predicted configurations instead of the advised ones;
after: with the advised ones, then these. mean: the prediction is the mean of the process of the worths; distances from
limits are left alone. learnt: so it is, times a factor between 0 and 1, by least squares with a pull to 1. both: starts
and learnt. A line has, for each seed, the experiments until the best in the status is truly within 5 % of the best.

With --random every N-th random surface is searched, and with --wrong each tabulated one, by the prediction for some
grid whose parameters are taken for theirs in their order. It has nothing to do with them, and shows what being wrong
costs. The prediction is as it was written down first: nothing in it was fitted to a surface. The figures are in
docs/search.md.
"""

from __future__ import annotations

import argparse
import math
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from unittest import mock

import numpy as np

from autotuner.search import enumeration_orders, level_model
from autotuner.search.gaussian_process import Process, learned
from autotuner.search.kernel import Floats, Metric, Points
from autotuner.search.space.configuration import Configuration
from autotuner.search.training_targets import squashed
from tests.benchmarks.search.goals import NEAR, Case, cases
from tests.benchmarks.search.methods import Own, starts
from tests.benchmarks.search.physics_model import Figures, GridModel, PoolModel
from tests.benchmarks.search.random_surfaces import random_surface
from tests.benchmarks.search.surfaces import SHIPPED, Surface, load
from tests.benchmarks.search.task import Task

ARMS = ("plain", "starts", "after", "mean", "learnt", "both")
_NOISE_STREAM = 77
_STARTS = 2
_SAMPLE = 2000
# The prior of the learnt factor: 1, as good as so many measurements.
_FEW = 4.0
_BEYOND = 20.0


@dataclass(frozen=True)
class Prediction:
    """What is predicted of every combination of a list of values.

    Attributes:
        losses: places -> one for each level, logarithms with a squashed tail.
        judged: places -> by what starts are chosen, less is better.
    """

    losses: Floats
    judged: Floats

    def at(self, points: Points) -> tuple[Floats, Floats]:
        """(m, levels) losses and (m,) judged of (m, dimensions) points."""
        places = tuple(np.maximum(points, 0).T)
        return self.losses[places], self.judged[places]


@dataclass(frozen=True)
class Foreign:
    """A prediction that was made for other parameters, which are taken for these in their order: it is wrong.

    Attributes:
        prediction: of the others.
        sizes: of the lists of values.
    """

    prediction: Prediction
    sizes: tuple[int, ...]

    def at(self, points: Points) -> tuple[Floats, Floats]:
        """As if the positions on the lists were the same."""
        own = self.prediction.judged.shape
        placed = np.zeros((len(points), len(own)), dtype=np.intp)
        for number, (size, wanted) in enumerate(zip(self.sizes, own, strict=False)):
            position = np.maximum(points[:, number], 0) / max(size - 1, 1)
            placed[:, number] = np.round(position * (wanted - 1))
        return self.prediction.at(placed)


Prior = Prediction | Foreign


@lru_cache(maxsize=16)
def predicted(case: Case) -> Prediction:
    """What the model of step times and memory says about a grid or pool."""
    surface = case.surface
    sizes = [len(dimension.values) for dimension in surface.space.dimensions]
    told = {places: _losses(case, one) for places, one in _figures(surface, case)}
    columns = len(case.goal.ladder)
    losses, judged = np.full((*sizes, columns), np.nan), np.full(sizes, np.inf)
    for places, (each, whole) in told.items():
        losses[places], judged[places] = each, whole
    flat = losses.reshape(-1, columns)
    for column in flat.T:
        fine = ~np.isnan(column)
        column[fine] = squashed(column[fine], np.ones(fine.sum(), dtype=np.bool_))
        column[~fine] = column[fine].max()
    return Prediction(losses, judged)


def _figures(surface: Surface, case: Case) -> Iterator[tuple[tuple[int, ...], list[Figures]]]:
    """The predictions of all points that should start."""
    dimensions = surface.space.dimensions
    pool = PoolModel(surface.name) if not surface.levels else None
    grid = None if pool else GridModel(surface.name)
    for row in surface.points.tolist():
        values: Mapping[str, Any] = {one.name: one.values[place] for one, place in zip(dimensions, row, strict=True)}
        found: list[Figures] | None = None
        if pool:
            single = pool.figures(values)
            found = [single] if single else None
        elif grid:
            found = grid.figures(values, list(case.goal.ladder))
        if found:
            yield tuple(row), found


def _losses(case: Case, figures: Sequence[Figures]) -> tuple[list[float], float]:
    """Of each level, and of the best one that keeps the limits."""
    if case.name == "lat":
        return [math.log(figures[0].e2e)], math.log(figures[0].e2e)
    losses = [-math.log(one.throughput) for one in figures]
    if case.name == "score":
        allowed = float(case.surface.columns["tpot_slo_ms"][0])
        losses = [losses[0] + 4 * max(0.0, figures[0].tpot / allowed - 1)]
    beyond = [0.0] * len(figures)
    for slo in case.goal.slos:
        limit = float((slo.max or "").removesuffix("ms"))
        beyond = [
            max(far, math.log(getattr(one, slo.metric.lower()) / limit))
            for far, one in zip(beyond, figures, strict=True)
        ]
    return losses, min(loss + _BEYOND * far for loss, far in zip(losses, beyond, strict=True))


class Corrected:
    """A process that has learned what a prediction leaves open, with the prediction added again."""

    def __init__(self, process: Process, shift: Floats, scale: Floats, prior: Prior) -> None:
        """Take the prediction at the process's own rows, (n, outputs), and each output's factor."""
        self._process, self._scale, self._prior = process, scale, prior
        self.weights = process.weights
        self.measured = process.measured + shift

    def predict(self, points: Points) -> tuple[Floats, Floats]:
        """As `Process.predict`."""
        mean, deviation = self._process.predict(points)
        return mean + _shift(self._prior, points, self._scale), deviation


def _shift(prior: Prior, points: Points, scale: Floats) -> Floats:
    """The prediction, for as many outputs as there are factors: what is missing is the levels at the top."""
    losses = prior.at(points)[0]
    columns = np.minimum(np.arange(len(scale)), losses.shape[1] - 1)
    return np.asarray(scale * losses[:, columns])


def _factor(prior: Prior, points: Points, values: Floats) -> Floats:
    """By what the prediction's differences are to be multiplied: least squares, pulled to 1; never below 0."""
    shift = _shift(prior, points, np.ones(values.shape[1]))
    offset, told = shift - shift.mean(axis=0), values - values.mean(axis=0)
    pull = _FEW * np.maximum(offset.var(axis=0), 1e-9)
    return np.asarray(np.clip(((offset * told).sum(axis=0) + pull) / ((offset**2).sum(axis=0) + pull), 0.0, 1.0))


def as_mean(prior: Prior, learns_factor: bool) -> AbstractContextManager[object]:
    """The model of worths with a prediction as its mean; distances from limits are left alone."""

    def informed(
        metric: Metric,
        points: Points,
        values: Floats,
        running: Sequence[tuple[int, ...]],
        noise: float,
        generator: np.random.Generator,
    ) -> Corrected:
        scale = _factor(prior, points, values) if learns_factor else np.ones(values.shape[1])
        rest = values - _shift(prior, points, scale)
        process = learned(metric, points, rest, running, noise, generator)
        rows = np.concatenate([points, np.array(running, dtype=np.intp).reshape(-1, points.shape[1])])
        return Corrected(process, _shift(prior, rows, scale), scale, prior)

    # No product code takes a prediction.
    return mock.patch.object(level_model, "learned", informed)


class Informed(Own):
    """The product's search with a prediction."""

    def __init__(self, case: Case, arm: str, seed: int, prior: Prior) -> None:
        """Begin a task; `arm` is one of ARMS."""
        super().__init__(case, "Bayesian", seed)
        self._arm, self._prior = arm, prior
        if arm in ("starts", "after", "both"):
            best = _best(case, prior, seed)
            self._starts = [*starts(case), *best] if arm == "after" else best

    def propose(self, task: Task, count: int) -> list[Configuration]:
        if self._arm in ("plain", "starts", "after"):
            return super().propose(task, count)
        with as_mean(self._prior, learns_factor=self._arm != "mean"):
            return super().propose(task, count)


def _best(case: Case, prior: Prior, seed: int) -> list[Configuration]:
    """The best predicted configurations, of different predictions."""
    space = case.surface.space
    points = getattr(case.surface, "points", None)
    if points is None:
        order = enumeration_orders.random_order(space, seed)
        points = np.array([space.places(one) for one, _ in zip(order, range(_SAMPLE), strict=False)], dtype=np.intp)
    judged = prior.at(points)[1]
    # Others that are predicted to be exactly as good would tell nothing new.
    firsts = np.unique(judged.round(6), return_index=True)[1][:_STARTS]
    found = [space.build(points[number]) for number in firsts.tolist()]
    return [one for one in found if one is not None]


def until_near(case: Case, arm: str, seed: int, prior: Prior, experiments: int) -> float:
    """Experiments until the best in the status is truly within 5 % of the best; infinite if it never is."""
    task = Task(case, np.random.default_rng([seed, _NOISE_STREAM]))
    task.run("Baseline", case.baseline(seed), None)
    method = Informed(case, arm, seed, prior)
    for made in range(experiments + 1):
        best = task.leader
        if best and best.configuration and case.regret[case.surface.row(best.configuration)] <= NEAR:
            return float(made)
        found = method.propose(task, 1) if made < experiments else []
        if not found:
            break
        task.run("Search", found[0], best.worth if best else None)
    return math.inf


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and print one line for each case and arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--surfaces", type=Path, default=SHIPPED)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--experiments", type=int, default=40)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--only", default="", help="part of SURFACE/GOAL")
    parser.add_argument("--random", type=int, default=0, help="every n-th random surface instead of tabulated ones")
    parser.add_argument("--wrong", action="store_true", help="give each surface the prediction of another one")
    args = parser.parse_args(arguments)
    tabulated = [case for one in load(args.surfaces) for case in cases(one) if case.name != "pareto"]
    chosen = (
        [cases(cast(Any, random_surface(seed)))[0] for seed in range(0, 200, args.random)] if args.random else tabulated
    )
    found: dict[str, list[float]] = {arm: [] for arm in args.arms.split(",")}
    for case in [one for one in chosen if args.only in f"{one.surface.name}/{one.name}"]:
        prior: Prior = _foreign(case, tabulated) if args.random or args.wrong else predicted(case)
        for arm, all_firsts in found.items():
            firsts = [until_near(case, arm, seed, prior, args.experiments) for seed in range(args.seeds)]
            all_firsts += firsts
            print(case.surface.name, case.name, arm, *(f"{one:g}" for one in firsts), flush=True)
    print("\n".join(_summary(found, args.experiments)))
    return 0


def _summary(found: Mapping[str, Sequence[float]], experiments: int) -> Iterator[str]:
    """Median and mean of the experiments, where a run that never gets there counts as one more than the budget."""
    yield f"{'arm':8}{'runs':>6}{'median':>8}{'mean':>7}{'hit':>6}"
    for arm, firsts in found.items():
        counted = np.minimum(np.array(firsts), experiments + 1)
        hit = float(np.isfinite(np.array(firsts)).mean()) if firsts else math.nan
        median, mean = (float(of(counted)) if firsts else math.nan for of in (np.median, np.mean))
        yield f"{arm:8}{len(firsts):6}{median:8.1f}{mean:7.1f}{hit:6.0%}"


def _foreign(case: Case, tabulated: Sequence[Case]) -> Foreign:
    """The prediction of a grid with another name, always the same one."""
    others = [one for one in tabulated if one.surface.levels and one.surface.name != case.surface.name]
    same = [one for one in others if one.name == case.name] or [one for one in others if one.name == "thr"]
    chosen = same[zlib.crc32(f"{case.surface.name}/{case.name}".encode()) % len(same)]
    return Foreign(predicted(chosen), tuple(len(one.values) for one in case.surface.space.dimensions))


if __name__ == "__main__":
    sys.exit(main())
