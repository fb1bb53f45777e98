"""One whole task: the policy decides, the model measures, the confirmation answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from autotuner import scoring
from autotuner.policy.confirmation import Decided, Fitness, Leader, Repeat, Settings, next_step
from autotuner.policy.draft import TaskPlan
from autotuner.policy.records import Measured
from autotuner.policy.task import decide, finished
from tests.benchmarks.honesty import truths, worlds
from tests.benchmarks.honesty.tasks import Args, Task
from tests.unit.builders import Object, after, written
from tests.unit.task_builders import ended, observed

_PASSES = 200
_SUBSTITUTES = 2
_FITNESS: dict[str, Fitness] = {"value": "kept", "infeasible": "broken"}


@dataclass(frozen=True)
class Outcome:
    """What came of a task, against the truth.

    Attributes:
        task: its number.
        noise: its kind.
        has_gain: whether anything is truly better than the baseline.
        verdict: the product's.
        really_better: whether the recommendation is truly better than the baseline; None if they cannot be compared.
        covered: whether the interval holds the true gain; None without an interval.
        width: half of the interval, in per cent of the baseline.
        near: whether the recommendation is truly within 5 % of the best; None if nothing keeps the SLOs.
        seen: whether the search measured anything within 5 % of the best.
        repeats: blocks of the confirmation.
        runs: of the confirmation, all together.
    """

    task: int
    noise: str
    has_gain: bool
    verdict: str
    really_better: bool | None
    covered: bool | None
    width: float | None
    near: bool | None
    seen: bool | None
    repeats: int
    runs: int


class _Play:
    """A task while it is played."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.generator = random.Random(f"{task.number}/runs")
        self.settings = Settings()

    def search(self) -> tuple[list[Measured], Measured | None]:
        """Let the policy run it to its end."""
        body = self.task.object
        experiments: list[Object] = []
        for number in range(_PASSES):
            plan: TaskPlan = decide(observed(body, experiments), after(number))
            body = written(body, plan.status)
            if finished(plan.status):
                seen = observed(body, experiments)
                return seen.search, seen.baseline
            if plan.create_experiment:
                created = plan.create_experiment
                created["metadata"] |= {"uid": created["metadata"]["name"], "creationTimestamp": "2026-01-01T00:00:00Z"}
                experiments.append(self._ended(created))
        raise AssertionError(f"task {self.task.number} does not end: {plan.status.message}")

    def confirm(
        self, leaders: Sequence[Leader[Args]], baseline: Measured | None, ladder: Sequence[int]
    ) -> tuple[Decided[Args], list[Repeat[Args]]]:
        """Repeat leaders and baseline until the verdict is decided."""
        outcome = baseline.score.outcome if baseline is not None and baseline.score is not None else "unknown"
        fitness: Fitness = _FITNESS.get(outcome, "failed")
        repeats: list[Repeat[Args]] = []
        while True:
            step = next_step(leaders, fitness, repeats, self.settings, metric=self.task.case.metric)
            if isinstance(step, Decided):
                return step, repeats
            assert step.keys, "nothing runs beside"
            repeats.append(self._repeat(step.keys[0], step.block, ladder))

    def levels(
        self, found: Sequence[Measured], baseline: Measured | None, leaders: Sequence[Leader[Args]]
    ) -> list[int]:
        """The levels that any of them had its value from: measured again by all, none is bound to a lucky choice."""
        keys = {leader.key for leader in leaders}
        chosen = [one for one in found if tuple(one.spec.service.args) in keys]
        every = [*chosen, *([baseline] if baseline else [])]
        goal = self.task.case.goal
        wanted = {
            level
            for one in every
            for level in scoring.concurrencies(one.status.levels or [], goal, one.spec.service.accelerator.count)
        }
        return sorted(wanted)

    def _ended(self, experiment: Object) -> Object:
        args = tuple(experiment["spec"]["service"]["args"])
        levels = worlds.truth(self.task.case.world, args)
        if levels is None:
            return ended(experiment, "OutOfMemory")
        return ended(experiment, "Completed", *self.task.noise.run(levels, args, self.generator), ladder="Complete")

    def leaders(self, found: Sequence[Measured], baseline: Measured | None) -> list[Leader[Args]]:
        """Feasible configurations, best first; not what runs today."""
        own = tuple(baseline.spec.service.args) if baseline else ()
        by_args = {
            tuple(one.spec.service.args): one for one in found if one.score is not None and one.score.worth is not None
        }
        by_args.pop(own, None)
        leaders = [
            Leader(args, one.score.worth, one.spec.service.accelerator.count, len(set(args) - set(own)))
            for args, one in by_args.items()
            if one.score is not None and one.score.worth is not None
        ]
        sign = 1 if scoring.minimised(self.task.case.metric) else -1
        leaders.sort(key=lambda leader: sign * leader.worth)
        return leaders[: self.settings.top + _SUBSTITUTES]

    def _repeat(self, args: Args | None, block: int, ladder: Sequence[int]) -> Repeat[Args]:
        case = self.task.case
        own = args if args is not None else self.task.baseline
        levels = worlds.truth(case.world, own)
        assert levels is not None, "it started before"
        measured = self.task.noise.run(levels, own, self.generator)
        score = scoring.score(measured, case.goal.on(ladder), case.configurations[own])
        return Repeat(args, block, "kept" if score.feasible else "broken", score.worth)


def play(task: Task) -> Outcome:
    """Play a task and hold its answer against the truth."""
    game = _Play(task)
    found, baseline = game.search()
    leaders = game.leaders(found, baseline)
    ladder = game.levels(found, baseline, leaders)
    decided, repeats = game.confirm(leaders, baseline, ladder)
    winner = decided.winner if decided.winner is not None else task.baseline
    measured = {task.baseline, *(tuple(one.spec.service.args) for one in found)}
    covered = width = None
    if decided.gain is not None:
        actual = _true_gain(task, winner, ladder)
        covered = actual is not None and decided.gain.low <= actual <= decided.gain.high
        width = (decided.gain.high - decided.gain.low) / 2
    return Outcome(
        task=task.number,
        noise=task.noise.kind,
        has_gain=task.has_gain,
        verdict=decided.verdict,
        really_better=task.better(winner),
        covered=covered,
        width=width,
        near=task.near([winner]),
        seen=task.near(measured),
        repeats=max((one.block for one in repeats), default=0),
        runs=len(repeats),
    )


def _true_gain(task: Task, winner: Args, ladder: Sequence[int]) -> float | None:
    """What ever more repeats of the two would tell."""
    case = task.case
    worths = []
    for args in (winner, task.baseline):
        levels = worlds.truth(case.world, args)
        assert levels is not None, "it started before"
        worths.append(truths.of(levels, case.goal.on(ladder), case.configurations[args], args, task.noise).worth)
    return scoring.gain_percent(worths[0], worths[1], case.metric)
