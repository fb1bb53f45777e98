"""One task from its first experiment to its last."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autotuner.search.experiment_record import Record
from autotuner.search.space.configuration import Configuration
from tests.benchmarks.search.fronts import Trade
from tests.benchmarks.search.goals import Goal
from tests.benchmarks.search.methods import Method, begin

# What counts as the best: closer ones cannot be told apart with the noise that there is.
NEAR = 0.05
_TIMED = 4
_NOISE_STREAM = 77


@dataclass(frozen=True)
class Run:
    """What came of a task.

    Attributes:
        method: that searched.
        surface: its name.
        goal: its name.
        batch: how many experiments ran at the same time.
        first: experiments until the incumbent was truly within 5 % of the best; infinite if never.
        regret: of the incumbent at the end; infinite if there was none. NaN if the task was ended at `first`.
        failures: experiments that failed.
        ms: processor time of one proposal, mean of the last ones.
        shares: of the front's hypervolume after so many experiments each.
        choices: what it proposed and preferred, in this order, to the last bit.
    """

    method: str
    surface: str
    goal: str
    batch: int = 1
    first: float = math.inf
    regret: float = math.nan
    failures: int = 0
    ms: float = math.nan
    shares: tuple[float, ...] = ()
    choices: tuple[str, ...] = ()


class _Observed:
    """A method, what it chose, and how long its last proposals took."""

    def __init__(self, method: Method, experiments: int) -> None:
        self._method, self._experiments = method, experiments
        self._seconds: list[float] = []
        self.choices: list[str] = []

    def propose(self, records: Sequence[Record], wanted: int) -> list[Configuration]:
        begun = time.process_time()
        found = self._method.propose(records, min(wanted, self._experiments - len(records)))
        if found and len(records) >= self._experiments - _TIMED:
            self._seconds.append((time.process_time() - begun) / len(found))
        self.choices += [repr(one.pairs) for one in found]
        return found

    def incumbent(self, records: Sequence[Record]) -> Configuration | None:
        found = self._method.incumbent(records)
        self.choices.append(f"best: {found.pairs if found else found!r}")
        return found

    @property
    def ms(self) -> float:
        return 1e3 * float(np.mean(self._seconds)) if self._seconds else math.nan


def play(name: str, goal: Goal, seed: int, experiments: int, batch: int = 1, *, whole: bool = True) -> Run:
    """Search for the best configuration.

    Experiments of a batch end one after the other; an incumbent is asked for after each.

    Args:
        name: of the method.
        goal: what to reach, and where.
        seed: of the task, and of the noise.
        experiments: its budget.
        batch: how many are proposed at once.
        whole: go on when the incumbent is good enough.
    """
    generator = np.random.default_rng([seed, _NOISE_STREAM])
    method = _Observed(begin(name, goal, seed), experiments)
    records: list[Record] = []
    first, regret = math.inf, math.inf
    while (found := method.propose(records, batch)) and (whole or math.isinf(first)):
        for one in found:
            records.append(goal.measure(one, generator))
            if math.isinf(first):
                regret = _regret(method, goal, records)
                first = len(records) if regret <= NEAR else first
    regret = _regret(method, goal, records) if whole else math.nan
    failures = sum(record.outcome == "crash" for record in records)
    return Run(
        name, goal.surface.name, goal.name, batch, first, regret, failures, method.ms, choices=tuple(method.choices)
    )


def walk(name: str, goal: Trade, seed: int, marks: Sequence[int]) -> Run:
    """Search for a front.

    Args:
        name: of the method.
        goal: the trade-off.
        seed: of the task, and of the noise.
        marks: after how many experiments to look at it, ascending; the last one is the budget.
    """
    generator = np.random.default_rng([seed, _NOISE_STREAM])
    method = _Observed(begin(name, goal, seed), marks[-1])
    records: list[Record] = []
    while found := method.propose(records, 1):
        records += [goal.measure(one, generator) for one in found]
    tried = [record.configuration for record in records if record.configuration is not None]
    failures = sum(record.outcome == "crash" for record in records)
    shares = tuple(goal.share(tried[:mark]) for mark in marks)
    told = {"failures": failures, "ms": method.ms, "shares": shares, "choices": tuple(method.choices)}
    return Run(name, goal.surface.name, goal.name, **told)


def _regret(method: _Observed, goal: Goal, records: Sequence[Record]) -> float:
    found = method.incumbent(records)
    return math.inf if found is None else float(goal.regret[goal.surface.row(found)])
