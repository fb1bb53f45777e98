"""One whole task: the policy decides about each pass, the model measures, the status answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autotuner import scoring
from autotuner.api.task_status import TaskStatus
from autotuner.kubernetes_object import Object
from autotuner.policy.task.decide import decide, finished
from tests.benchmarks.honesty import truths, worlds
from tests.benchmarks.honesty.tasks import Args, Task
from tests.unit.builders import after, written
from tests.unit.task_builders import ended, observed

_PASSES = 200
_NOTHING = "NoFeasibleConfiguration"


@dataclass(frozen=True)
class Outcome:
    """What came of a task, against the truth.

    Attributes:
        task: its number.
        noise: its kind.
        has_gain: whether anything is truly better than the baseline.
        verdict: the product's; the reason where it has none.
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


def play(task: Task) -> Outcome:
    """Play a task and hold its answer against the truth."""
    generator = random.Random(f"{task.number}/runs")
    status, experiments = run(task, lambda experiment: measured(task, experiment, generator))
    best = status.best
    winner = tuple(best.args) if best is not None else task.baseline
    repeats = [one["spec"] for one in experiments if one["spec"]["purpose"] == "Confirm"]
    covered = width = None
    if best is not None and best.confidence.low is not None and best.confidence.high is not None:
        actual = _true_gain(task, winner, repeats[0]["benchmark"]["concurrency"])
        covered = actual is not None and best.confidence.low <= actual <= best.confidence.high
        width = (best.confidence.high - best.confidence.low) / 2
    return Outcome(
        task=task.number,
        noise=task.noise.kind,
        has_gain=task.has_gain,
        verdict=best.confidence.verdict if best is not None else _NOTHING,
        really_better=task.better(winner),
        covered=covered,
        width=width,
        near=task.near([winner]),
        seen=task.near(tuple(one["spec"]["service"]["args"]) for one in experiments),
        repeats=max((spec["block"] for spec in repeats), default=0),
        runs=len(repeats),
    )


def run(task: Task, end: Callable[[Object], Object]) -> tuple[TaskStatus, list[Object]]:
    """Reconcile a task until it is over; each experiment has ended before the next reconcile.

    Args:
        task: to play.
        end: returns an experiment as it is after its end.

    Returns:
        Its last status, and all its experiments.
    """
    body = task.object
    experiments: list[Object] = []
    for number in range(_PASSES):
        plan = decide(observed(body, experiments), after(number))
        body = written(body, plan.status)
        if finished(plan.status):
            return plan.status, experiments
        for created in plan.create_experiments:
            created["metadata"] |= {"uid": created["metadata"]["name"], "creationTimestamp": "2026-01-01T00:00:00Z"}
            experiments.append(end(created))
    raise AssertionError(f"task {task.number} does not end: {plan.status.message}")


def measured(task: Task, experiment: Object, generator: random.Random) -> Object:
    """An experiment after it was measured undisturbed, with the noise that the generator draws."""
    args = tuple(experiment["spec"]["service"]["args"])
    levels = worlds.truth(task.case.world, args)
    if levels is None:
        return ended(experiment, "OutOfMemory")
    ladder = experiment["spec"]["benchmark"]["concurrency"]
    found = task.noise.run([one for one in levels if one.concurrency in ladder], args, generator)
    return ended(experiment, "Completed", *found, ladder="Complete")


def _true_gain(task: Task, winner: Args, ladder: Sequence[int]) -> float | None:
    """What ever more repeats of the two would tell."""
    case = task.case
    worths = []
    for args in (winner, task.baseline):
        levels = worlds.truth(case.world, args)
        assert levels is not None, "it started before"
        worths.append(truths.of(levels, case.goal.on(ladder), case.configurations[args], args, task.noise).worth)
    return scoring.gain_percent(worths[0], worths[1], case.metric)
