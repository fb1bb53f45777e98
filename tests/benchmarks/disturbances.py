"""Does bad luck change the answer? Whole tasks in simulated time, undisturbed and disturbed, side by side.

python -m tests.benchmarks.disturbances [--tasks 100] [--first 0] [--jobs 2]

One start of an engine in ten dies without a word, and so does one engine in ten under load; each of the two pods of an
experiment is evicted once in ten times. One configuration in ten always dies without a word, in both runs of a task.
The policy decides about each reconcile, as in the cluster; equal configurations meet equal noise in the same block of
both runs, so that only the disturbances can change the answer.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context

from autotuner import scoring
from autotuner.api.task import Search
from autotuner.api.task_status import TaskStatus
from autotuner.kubernetes_object import Object
from tests.benchmarks import against
from tests.benchmarks.honesty.play import measured, run
from tests.benchmarks.honesty.tasks import Args, Task, draw
from tests.unit.task_builders import ended

_DEATH, _EVICTION = 0.1, 0.1
_BROKEN = 0.1  # of the configurations
_NEAR = 0.02


@dataclass
class Luck:
    """What happens to the experiments of one task.

    Attributes:
        task: that is played.
        disturbed: whether anything happens by chance.
        happened: how many experiments were disturbed.
        broken: configurations that were found to die always.
    """

    task: Task
    disturbed: bool
    happened: int = 0
    broken: set[Args] = field(default_factory=set)

    def end(self, experiment: Object) -> Object:
        """The experiment after its end."""
        args = tuple(experiment["spec"]["service"]["args"])
        name = experiment["metadata"]["name"]
        if reason := self._disturbance(name):
            self.happened += 1
            pod = f"the engine's pod {name}-engine-x on node-{len(name)}"
            words = (
                f"{pod} was taken away" if reason == "Evicted" else "the engine ended with exit code 1; nothing said"
            )
            return ended(experiment, reason, message=words, reproducible=False)
        if args != self.task.baseline and random.Random(f"{self.task.number}/{args}").random() < _BROKEN:
            self.broken.add(args)
            return ended(experiment, "EngineCrashed", message=f"died of {args}", reproducible=False)
        block = experiment["spec"].get("block", 0)
        return measured(self.task, experiment, random.Random(f"{self.task.number}/{args}/{block}"))

    def _disturbance(self, name: str) -> str:
        """How a disturbance ends an experiment of this name; empty if it meets none."""
        generator = random.Random(f"{self.task.number}/{name}/luck")
        chances = (("EngineCrashed", _DEATH), ("Evicted", _EVICTION), ("EngineCrashed", _DEATH), ("Evicted", _EVICTION))
        if not self.disturbed:
            return ""
        return next((reason for reason, chance in chances if generator.random() < chance), "")


@dataclass(frozen=True)
class Pair:
    """What came of a task with and without disturbances.

    Attributes:
        task: its number.
        verdicts: undisturbed and disturbed; the reason of the end where there is none.
        loss: of the disturbed winner's true worth against the other's, as a share; None where only one has a winner.
        baseline: whether the disturbed task had a baseline with figures, if the other had.
        retries: of the disturbed task.
        allowed: its disturbances, and configurations found to die always.
    """

    task: int
    verdicts: tuple[str, str]
    loss: float | None
    baseline: bool
    retries: int
    allowed: int


def play(number: int) -> Pair:
    """Play one task twice."""
    task = draw(number, Search(max_experiments=1).strategy)
    calm, rough = Luck(task, disturbed=False), Luck(task, disturbed=True)
    (quiet, _), (shaken, experiments) = run(task, calm.end), run(task, rough.end)
    return Pair(
        task=number,
        verdicts=(_verdict(quiet), _verdict(shaken)),
        loss=_loss(task, quiet, shaken),
        baseline=_has_baseline(shaken) or not _has_baseline(quiet),
        retries=sum("retryOf" in one["spec"] for one in experiments),
        allowed=rough.happened + len(rough.broken),
    )


def _verdict(status: TaskStatus) -> str:
    if status.best is not None:
        return status.best.confidence.verdict
    return next(one.reason for one in status.conditions or [] if one.type == "Succeeded")


def _has_baseline(status: TaskStatus) -> bool:
    return status.baseline is not None and status.baseline.value is not None


def _loss(task: Task, quiet: TaskStatus, shaken: TaskStatus) -> float | None:
    if quiet.best is None and shaken.best is None:
        return 0.0
    if quiet.best is None or shaken.best is None:
        return None
    before, after = (task.case.truths[tuple(one.args)].worth for one in (quiet.best, shaken.best))
    if before is None or after is None:
        return 0.0 if before == after else None
    low, high = (before, after) if scoring.minimised(task.case.metric) else (after, before)
    return max(0.0, 1 - low / high)


@dataclass(frozen=True)
class Bar:
    """A promise about all pairs."""

    what: str
    figure: Callable[[Sequence[Pair]], float]
    least: float = 0.0
    most: float = float("inf")

    def show(self, pairs: Sequence[Pair]) -> tuple[float, bool]:
        """Print it; returns the figure and whether the bar is kept."""
        figure = self.figure(pairs)
        bar = f"at least {self.least:g}" if self.least else f"at most {self.most:g}"
        print(f"  {self.what:66} {figure:6.3f}  {bar}")
        return figure, self.least <= figure <= self.most


def _share(holds: Callable[[Pair], bool]) -> Callable[[Sequence[Pair]], float]:
    return lambda pairs: sum(map(holds, pairs)) / len(pairs)


BARS = (
    Bar("same verdict as undisturbed", _share(lambda one: one.verdicts[0] == one.verdicts[1]), least=0.95),
    Bar("winner truly within 2 % of the other's", _share(lambda one: one.loss is not None and one.loss <= _NEAR), 0.95),
    Bar("tasks that lost their baseline", lambda pairs: sum(not one.baseline for one in pairs), most=0),
    Bar(
        "retries per disturbance and configuration that always dies",
        lambda pairs: sum(one.retries for one in pairs) / max(1, sum(one.allowed for one in pairs)),
        most=1.5,
    ),
)


def main() -> int:
    """Read the command line and run; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="number of the first task: others are other tasks")
    parser.add_argument("--jobs", type=int, default=2)
    return against.main("disturbances", parser, _run)


def _run(args: argparse.Namespace) -> against.Result:
    with get_context("fork").Pool(args.jobs) as pool:
        pairs = sorted(pool.imap_unordered(play, range(args.first, args.first + args.tasks)), key=lambda one: one.task)
    print(f"{len(pairs)} tasks, {sum(one.allowed for one in pairs)} disturbances and configurations that always die")
    found = {bar.what: bar.show(pairs) for bar in BARS}
    for one in pairs:
        if one.verdicts[0] != one.verdicts[1] or one.loss is None or one.loss > _NEAR or not one.baseline:
            loss = "no winner" if one.loss is None else f"{one.loss:.1%} lost"
            print(f"  task {one.task}: {one.verdicts[0]} -> {one.verdicts[1]}, {loss}")
    return against.Result(
        {what: [figure] for what, (figure, _) in found.items()}, all(kept for _, kept in found.values())
    )


if __name__ == "__main__":
    sys.exit(main())
