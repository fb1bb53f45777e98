"""One task from its baseline to its recommendation."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autotuner.policy.evidence.measurements import Measured
from autotuner.search.space.configuration import Configuration
from tests.benchmarks.search.goals import NEAR, Case
from tests.benchmarks.search.methods import Method, begin
from tests.benchmarks.search.side_by_side import SideBySide
from tests.benchmarks.search.task import Task

_TIMED = 4
# `search.minExpectedGain`, as the documentation recommends it.
_LEAST_GAIN = 0.01
_NOISE_STREAM = 77


@dataclass(frozen=True)
class Run:
    """What came of a task.

    Attributes:
        method: that searched.
        surface: its name.
        goal: its name.
        seed: of the task.
        batch: how many experiments ran at the same time.
        together: whether the next ones began only when all had ended, instead of one whenever one had.
        first: experiments until the best in the status was truly within 5 % of the best; 0 if the baseline is;
            infinite if it never was.
        curve: how much worse than the best that one truly was after each experiment, the first of them the baseline's;
            infinite while it kept no limits. Empty if the task was ended at `first`.
        regret: of the recommendation after the confirmation; infinite if there was none, NaN without confirmation.
        ended: experiments until ten more were expected to gain less than 1 %; infinite if they never were.
        ended_regret: of the recommendation of a task that ends then; NaN if it never does.
        repeats: that the confirmation took.
        failures: experiments that failed.
        ms: processor time of one proposal, mean of the last ones.
        shares: of the front's hypervolume after so many experiments each.
        near: the share of what runs that is truly within 5 % of the best.
        choices: what it proposed and recommended, in this order, to the last bit.
    """

    method: str
    surface: str
    goal: str
    seed: int
    batch: int = 1
    first: float = math.inf
    curve: tuple[float, ...] = ()
    regret: float = math.nan
    ended: float = math.inf
    ended_regret: float = math.nan
    repeats: int = 0
    failures: int = 0
    ms: float = math.nan
    shares: tuple[float, ...] = ()
    near: float = 1.0
    choices: tuple[str, ...] = ()
    together: bool = False


class _Observed:
    """A method, what it chose, and how long its last proposals took."""

    def __init__(self, method: Method, experiments: int) -> None:
        self._method, self._experiments = method, experiments
        self._seconds: list[float] = []
        self.choices: list[str] = []

    def propose(self, task: Task, made: int, wanted: int) -> list[Configuration]:
        begun = time.process_time()
        wanted = min(wanted, self._experiments - made)
        found = self._method.propose(task, wanted) if wanted else []
        if found and made >= self._experiments - _TIMED:
            self._seconds.append((time.process_time() - begun) / len(found))
        self.choices += [repr(one.pairs) for one in found]
        return found

    @property
    def would_end(self) -> bool:
        """Whether a task that asks for a gain of 1 % would end instead of measuring the last proposal."""
        gain = self._method.expected_gain
        return gain is not None and gain < _LEAST_GAIN

    @property
    def ms(self) -> float:
        return 1e3 * float(np.mean(self._seconds)) if self._seconds else math.nan


def play(
    name: str,
    case: Case,
    seed: int,
    experiments: int,
    batch: int = 1,
    *,
    whole: bool = True,
    together: bool = False,
) -> Run:
    """Search for the best configuration, and confirm it.

    Experiments that run side by side end one after the other; the best in the status is looked at after each.

    Args:
        name: of the method.
        case: what to reach, and where.
        seed: of the task, of the noise, and of how long experiments take.
        experiments: its budget; neither the baseline nor repeats count.
        batch: how many run at the same time.
        whole: go on when the best is good enough, and confirm it.
        together: see `Run`.
    """
    task, method = _begun(name, case, seed, experiments)
    places = SideBySide(task, batch, seed, together=together)
    curve, made = [_regret(case, task.leader)], 0
    ended, ended_regret = math.inf, math.nan
    while whole or min(curve) > NEAR:
        best = task.leader
        for one in method.propose(task, made, places.free):
            if whole and math.isinf(ended) and method.would_end:
                ended, ended_regret = float(made), _recommended(task.copy())[0]
            places.begin(task.begin("Search", one, best.worth if best else None))
            made += 1
        if not places.end_next():
            break
        curve.append(_regret(case, task.leader))
    first = next((float(number) for number, regret in enumerate(curve) if regret <= NEAR), math.inf)
    if not whole:
        return Run(name, case.surface.name, case.name, seed, batch, first, near=case.near, together=together)
    failures = sum(one.outcome == "crash" for one in task.measured[1:])
    regret, repeats, winner = _recommended(task)
    return Run(
        name,
        case.surface.name,
        case.name,
        seed,
        batch,
        first,
        tuple(curve),
        regret,
        ended,
        ended_regret,
        repeats,
        failures,
        method.ms,
        near=case.near,
        choices=(*method.choices, f"best: {winner.pairs if winner else winner!r}"),
        together=together,
    )


def walk(name: str, case: Case, seed: int, marks: Sequence[int]) -> Run:
    """Search for a front.

    Args:
        name: of the method.
        case: the trade-off.
        seed: of the task, and of the noise.
        marks: after how many experiments to look at it, ascending; the last one is the budget.
    """
    task, method = _begun(name, case, seed, marks[-1])
    made = 0
    while found := method.propose(task, made, 1):
        made += len(found)
        for one in found:
            task.run("Search", one, None)
    tried = [one.configuration for one in task.measured if one.configuration is not None]
    failures = sum(one.outcome == "crash" for one in task.measured[1:])
    shares = tuple(case.share(tried[: mark + 1]) for mark in marks)
    return Run(
        name,
        case.surface.name,
        case.name,
        seed,
        failures=failures,
        ms=method.ms,
        shares=shares,
        choices=tuple(method.choices),
    )


def _begun(name: str, case: Case, seed: int, experiments: int) -> tuple[Task, _Observed]:
    task = Task(case, np.random.default_rng([seed, _NOISE_STREAM]))
    task.run("Baseline", case.baseline(seed), None)
    return task, _Observed(begin(name, case, seed), experiments)


def _recommended(task: Task) -> tuple[float, int, Configuration | None]:
    """The regret of what a task recommends, infinite if that is nothing, the repeats that it took, and what it is."""
    winner, repeats = task.confirmed()
    case = task.case
    return math.inf if winner is None else float(case.regret[case.surface.row(winner)]), repeats, winner


def _regret(case: Case, leader: Measured | None) -> float:
    if leader is None or leader.configuration is None:
        return math.inf
    return float(case.regret[case.surface.row(leader.configuration)])
