"""A tuning task replayed on a surface: where its ladders end, and what that costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from autotuner import scoring
from autotuner.scoring import Goal, Score, gain_percent, score
from autotuner.search.suggest import suggest
from tests.benchmarks.ladder.climb import climb
from tests.benchmarks.ladder.goals import NOISE, Ladder, measure
from tests.benchmarks.search.surfaces import Surface

_GPUS = 1


@dataclass
class Outcome:
    """What the ladder stop did to one task.

    Attributes:
        experiments: that ran, so that they had a ladder to climb.
        spent: seconds of the levels that were measured.
        whole: seconds of all their levels.
        broken: ladders ended by a ceiling.
        hopeless: ladders ended because they could not become good enough.
        regretted: of those, measured whole and with the same noise they would have become the best by more than noise.
        missed: of those, in truth feasible and better than the best, at a level that was not measured.
        wrong: of the missed, better by more than noise.
        loss: how much better the true figure of the last best would be without any early end, as a share.
    """

    experiments: int = 0
    spent: float = 0.0
    whole: float = 0.0
    broken: int = 0
    hopeless: int = 0
    regretted: int = 0
    missed: int = 0
    wrong: int = 0
    loss: float = 0.0


@dataclass(frozen=True)
class Best:
    """The best so far: what the product holds of it, and what is true of it."""

    worth: float
    true: float


def replay(surface: Surface, goal: Goal, seed: int, experiments: int) -> Outcome:
    """One task in random order; the threshold is the best feasible worth so far, as the policy has it."""
    generator = np.random.default_rng(seed)
    outcome = Outcome()
    best: Best | None = None
    patient: Best | None = None  # the best if no ladder ended early
    for configuration in suggest("Random", surface.space, [], [], experiments, seed).configurations:
        row = surface.row(configuration)
        if surface.failed[row]:
            continue
        ladder, truth = measure(surface, row, generator), measure(surface, row, None)
        count, stopped = climb(ladder.levels, goal, best.worth if best else None)
        outcome.experiments += 1
        outcome.spent += sum(ladder.seconds[:count])
        outcome.whole += sum(ladder.seconds)
        whole = score(ladder.levels, goal, _GPUS)
        found = score(ladder.levels[:count], goal, _GPUS, stopped.ladder if stopped else "Complete")
        best = _better(best, found, truth, goal)
        if stopped is not None:
            outcome.broken += stopped.ladder == "StoppedSLO"
            outcome.hopeless += stopped.ladder == "StoppedHopeless"
            _judge(outcome, whole, truth, goal, count, best)
        patient = _better(patient, whole, truth, goal)
    if patient is not None:
        outcome.loss = _gain(patient.true, best.true, goal) if best else 1.0
    return outcome


def _judge(outcome: Outcome, whole: Score, truth: Ladder, goal: Goal, count: int, best: Best | None) -> None:
    """Whether an early end was right."""
    if whole.worth is not None:
        outcome.regretted += best is None or _gain(whole.worth, best.worth, goal) > NOISE
    missed = score(truth.levels[count:], goal.on(goal.ladder[count:]), _GPUS)
    if missed.value is not None:
        more = _gain(missed.value, best.true, goal) if best else math.inf
        outcome.missed += more > 0
        outcome.wrong += more > NOISE


def _better(best: Best | None, found: Score, truth: Ladder, goal: Goal) -> Best | None:
    metric = goal.objectives[0].metric
    if found.worth is None or found.level is None or (best and not scoring.better(found.worth, best.worth, metric)):
        return best
    # Its true figure at the level that it was chosen for, even if in truth a ceiling is just broken there.
    true = score(truth.levels, replace(goal.on([found.level[1]]), slos=()), _GPUS).value
    assert true is not None, "a configuration that runs has all figures"
    return Best(found.worth, true)


def _gain(value: float, over: float, goal: Goal) -> float:
    """How much better one figure is than another one, as a share of that."""
    return (gain_percent(value, over, goal.objectives[0].metric) or 0.0) / 100
