"""The score of an experiment: from its levels to values and feasibility.

A throughput is that of the best level at which every scenario keeps every hard SLO. A latency is judged at one level.
MaxConcurrency and MaxRequestRate are the number of users and the rate at which the first hard SLO breaks. Nothing is
averaged over levels, and what was not measured never becomes a number: the explanation says what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from autotuner.api.common import BOUNDARY_METRICS, JUDGED_AT_A_LEVEL
from autotuner.api.experiment import Ladder, Level
from autotuner.api.goals import Objective
from autotuner.scoring import judged_rungs, ladder_upper_bound, scenarios, slos
from autotuner.scoring.figures import better, figure, told
from autotuner.scoring.goal import Goal
from autotuner.scoring.judged_rungs import JudgedRung, LoadBoundary
from autotuner.scoring.scenarios import Rung
from autotuner.scoring.slos import Violation

ScoreOutcome = Literal["value", "infeasible", "bound", "unknown"]


@dataclass(frozen=True)
class Score:
    """The worth of an experiment.

    Attributes:
        outcome: value: every objective has one, at levels that keep all hard SLOs; infeasible: no level keeps them;
            bound: its ladder ended early, because it could not become better than `values`; unknown: something that an
            objective or an SLO needs was not measured, so that there is nothing to compare.
        values: of the objectives in SI units, as measured; empty if infeasible or unknown.
        worths: the same with the cost of broken soft SLOs, which is what comparisons and the search go by.
        rungs: what was measured, rung by rung, for the search's model; of any outcome but unknown.
        boundary: if the objective is one, where it lies, for the search's model too.
        at: the users or the rate that each value was measured at; of a boundary the last that keeps the hard SLOs.
        level: scenario and users or rate that the first value was measured at (the first scenario), or that came
            nearest to the SLOs (the scenario of its worst violation); None if nothing can be said.
        metrics: that level.
        shortfall: 0 unless infeasible; then the smallest over the levels of the largest relative violation.
        explanation: why there is no value; empty when there is one.
        broken_soft: the soft SLOs that are broken where the first value was measured; only if feasible.
    """

    outcome: ScoreOutcome
    values: tuple[float, ...] = ()
    worths: tuple[float, ...] = ()
    at: tuple[float, ...] = ()
    rungs: tuple[JudgedRung, ...] = ()
    boundary: LoadBoundary | None = None
    level: tuple[str, float] | None = None
    metrics: Level | None = None
    shortfall: float = 0.0
    explanation: str = ""
    broken_soft: tuple[Violation, ...] = ()

    @property
    def feasible(self) -> bool:
        """Whether there are values, and their levels keep every hard SLO."""
        return self.outcome == "value"

    @property
    def value(self) -> float | None:
        """The value of the first objective, as measured; None unless feasible."""
        return self.values[0] if self.feasible else None

    @property
    def worth(self) -> float | None:
        """The worth in the first objective, for comparisons; None unless feasible."""
        return self.worths[0] if self.feasible else None


@dataclass(frozen=True)
class _Found:
    """The result of one objective."""

    rung: Rung
    value: float
    worth: float


def score(
    levels: Sequence[Level], goal: Goal, gpus: int, ladder: Ladder | None = None, *, at: float | None = None
) -> Score:
    """Score an experiment's levels.

    Args:
        levels: what was measured; a ladder that was stopped early has fewer.
        goal: what counts.
        gpus: that the engine occupied, at least 1.
        ladder: how the ladder ended; matters if StoppedHopeless.
        at: the only level of the ladder that counts for a throughput or a cost; None: the best one.
    """
    steps = scenarios.build(levels, goal, gpus)
    found = _scored(steps, levels, goal, gpus, ladder, at)
    if found.outcome == "unknown":
        return found
    # A search measures each configuration at other levels, of which its model could learn nothing.
    rungs = () if goal.searches else judged_rungs.judged(steps, goal, gpus)
    edge = judged_rungs.boundary(steps, found.worth, found.shortfall) if _is_boundary(goal) else None
    return replace(found, rungs=rungs, boundary=edge)


def _is_boundary(goal: Goal) -> bool:
    return len(goal.objectives) == 1 and goal.objectives[0].metric in BOUNDARY_METRICS


def _scored(
    steps: Sequence[Rung], levels: Sequence[Level], goal: Goal, gpus: int, ladder: Ladder | None, at: float | None
) -> Score:
    if ladder == "StoppedHopeless":
        limit = _least_broken(steps) if _is_boundary(goal) else ladder_upper_bound.of_goal(levels, goal, gpus)
        # Zero: all that counts breaks an SLO, which is told as such.
        if limit:
            why = "the ladder ended early: it could not become good enough"
            return Score("bound", (limit,), (limit,), explanation=why)
    results = [_judge(steps, goal, objective, gpus, at) for objective in goal.objectives]
    failed = [result for result in results if isinstance(result, Score)]
    if failed:
        return max(failed, key=lambda one: (one.outcome == "infeasible", one.shortfall))
    found = [result for result in results if isinstance(result, _Found)]
    level = found[0].rung.levels[0]
    return Score(
        "value",
        tuple(one.value for one in found),
        tuple(one.worth for one in found),
        tuple(one.rung.offered for one in found),
        level=(level.scenario, level.offered),
        metrics=level,
        broken_soft=tuple(slos.broken_soft(found[0].rung.levels, goal.slos, gpus)),
    )


def kept_and_broken(levels: Sequence[Level], goal: Goal, gpus: int) -> tuple[float | None, float | None]:
    """The largest level that keeps the hard SLOs below all that break one, and the smallest of these."""
    steps = scenarios.build(levels, goal, gpus)
    broken = _least_broken(steps)
    kept = [step.offered for step in steps if step.kept and (broken is None or step.offered < broken)]
    return max(kept, default=None), broken


def _least_broken(steps: Sequence[Rung]) -> float | None:
    return min((step.offered for step in steps if step.broken), default=None)


def needed_levels(levels: Sequence[Level], goal: Goal, gpus: int) -> tuple[float, ...]:
    """The users or rates that the values of an experiment come from: what to measure again; empty if infeasible."""
    steps = scenarios.build(levels, goal, gpus)
    needed: set[float] = set()
    for objective in goal.objectives:
        found = _judge(steps, goal, objective, gpus)
        if isinstance(found, Score):
            return ()
        at = found.rung.offered
        above = [step.offered for step in steps if step.offered > at]
        needed |= {at, *(above[:1] if objective.metric in BOUNDARY_METRICS else ())}
    return tuple(sorted(needed))


def _judge(
    steps: Sequence[Rung], goal: Goal, objective: Objective, gpus: int, at: float | None = None
) -> _Found | Score:
    if objective.metric in BOUNDARY_METRICS:
        return _boundary(steps, goal, objective, gpus)
    counted = list(steps)
    wanted = goal.judged_at(objective) if objective.metric in JUDGED_AT_A_LEVEL else at
    if wanted is not None:
        counted = [step for step in steps if step.offered == wanted]
        if not counted:
            return Score("unknown", explanation=f"{told(wanted, goal.open_loop)} is not on the ladder")
    best: _Found | None = None
    missing: list[str] = []
    for step in counted:
        value, lacking = scenarios.value(step, goal, objective, gpus)
        missing += lacking
        if value is None or step.broken:
            continue
        worth = scenarios.worth(value, step.cost, objective.metric)
        # Of equal ones the lowest level wins.
        if best is None or better(worth, best.worth, objective.metric):
            best = _Found(step, value, worth)
    if best is not None and goal.searches:
        return _at_boundary(best, steps, goal, objective, gpus)
    return best or _without(goal, steps, counted, missing)


def _at_boundary(best: _Found, steps: Sequence[Rung], goal: Goal, objective: Objective, gpus: int) -> _Found:
    """What the best level is worth where the first hard SLO breaks, between it and the next one.

    Of two equal configurations chance lets one keep a level that the other just breaks: a value that steps from level
    to level would tell them apart by a whole step, in every repeat.
    """
    beyond = next((step for step in steps if step.offered > best.rung.offered), None)
    if beyond is None or not beyond.broken or beyond.missing:
        return best
    value, _ = scenarios.value(beyond, goal, objective, gpus)
    if not value or best.value <= 0 or not better(value, best.value, objective.metric):
        return best
    edge = _crossing(best.rung, beyond, goal, gpus)
    share = (edge - best.rung.offered) / (beyond.offered - best.rung.offered)
    found = best.value * (value / best.value) ** share
    return _Found(best.rung, found, scenarios.worth(found, best.rung.cost, objective.metric))


def _boundary(steps: Sequence[Rung], goal: Goal, objective: Objective, gpus: int) -> _Found | Score:
    """The last rung that keeps the hard SLOs, and how far it is from there to the first promise that breaks."""
    kept = [number for number, step in enumerate(steps) if step.kept]
    if not kept:
        return _without(goal, steps, steps, [reason for step in steps for reason in step.missing])
    last = steps[kept[-1]]
    edge = last.offered
    if kept[-1] + 1 < len(steps):
        beyond = steps[kept[-1] + 1]
        if beyond.missing and not (goal.searches and beyond.broken):
            return Score("unknown", explanation="; ".join(beyond.missing))
        edge = _crossing(last, beyond, goal, gpus)
    return _Found(last, edge, scenarios.worth(edge, last.cost, objective.metric))


def _crossing(last: Rung, beyond: Rung, goal: Goal, gpus: int) -> float:
    """Where the first hard SLO breaks between two rungs, if figures grow in proportion in between."""
    shares = []
    before_by_scenario = {level.scenario: level for level in last.levels}
    for after in beyond.levels:
        before = before_by_scenario[after.scenario]
        for slo in slos.hard(goal.slos):
            broken = slos.violation(after, slo, gpus)
            if broken is None:
                continue
            start = figure(before, slo.metric, slo.statistic, gpus)
            assert start is not None, "a rung that lacks it is not kept"
            shares.append((broken.limit - start) / (broken.actual - start))
    if not shares:
        # The engine did not keep up: no figure says how near it was.
        return math.sqrt(last.offered * beyond.offered)
    return last.offered + min(shares) * (beyond.offered - last.offered)


def _without(goal: Goal, steps: Sequence[Rung], counted: Sequence[Rung], missing: Sequence[str]) -> Score:
    """The score without a value: what came nearest to the SLOs, or what was not measured."""
    tried = counted
    if any(len(step.levels) < len(goal.scenarios) for step in counted):
        # A broken SLO ends the ladder: it is why a level further up was not measured.
        tried = [step for step in steps if step.offered <= counted[-1].offered]
    broken = [step for step in tried if step.broken]
    if not broken or any(step.kept for step in counted):
        return Score("unknown", explanation="; ".join(dict.fromkeys(missing)) or "nothing was measured")
    whole = [step for step in counted if len(step.levels) == len(goal.scenarios)]
    lacking = [reason for step in whole if not step.broken for reason in step.missing]
    if lacking:
        # For all that is known, that level keeps the SLOs which others break.
        return Score("unknown", explanation="; ".join(dict.fromkeys(lacking)))
    nearest = min(broken, key=lambda step: step.worst[0].relative)
    violation, level = nearest.worst
    return Score(
        "infeasible",
        level=(level.scenario, level.offered),
        metrics=level,
        shortfall=violation.relative,
        explanation=nearest.explanation,
    )
