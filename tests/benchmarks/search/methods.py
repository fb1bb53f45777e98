"""The searches that are compared: the product's own, exactly as a task asks them, and rivals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from autotuner import engines
from autotuner.engines.start_points import AdviceGoal
from autotuner.search.advised_starts import advised
from autotuner.search.space.configuration import Configuration
from autotuner.search.suggest import Strategy, suggest
from tests.benchmarks.search import rivals
from tests.benchmarks.search.goals import Case
from tests.benchmarks.search.task import Task

_ADVICE: Mapping[str, AdviceGoal] = {"thr": "throughput", "lat": "latency", "slo": "slo", "pareto": "throughput"}
_STRATEGIES: Mapping[str, Strategy] = {"bayesian": "Bayesian", "random": "Random"}
OWN = tuple(_STRATEGIES)
NAMES = (*OWN, *rivals.NAMES)


class Method(Protocol):
    """A search in the middle of a task.

    Attributes:
        expected_gain: see `suggest.Proposal`, of the last proposal; None from who does not say it.
    """

    expected_gain: float | None

    def propose(self, task: Task, count: int) -> list[Configuration]:
        """Say what to measure next, all at the same time; nothing if there is no more.

        Args:
            task: with all experiments so far, those that have not ended among them.
            count: how many are wanted at most.
        """
        ...


class Own:
    """A strategy of the product."""

    def __init__(self, case: Case, strategy: Strategy, seed: int) -> None:
        """Begin a task."""
        self._case, self._strategy, self._seed = case, strategy, seed
        self._starts = starts(case)
        self.expected_gain: float | None = None

    def propose(self, task: Task, count: int) -> list[Configuration]:
        space, maximise = self._case.surface.space, self._case.maximise
        found = suggest(
            self._strategy,
            space,
            task.records(),
            task.pending,
            count,
            self._seed,
            maximise=maximise,
            starts=self._starts,
        )
        self.expected_gain = found.expected_gain
        return found.configurations


def starts(case: Case) -> list[Configuration]:
    """What the product would begin with; of a pool and of random surfaces it knows no engine."""
    surface = case.surface
    known = case.name in _ADVICE and surface.engine.name != "Custom"
    return advised(surface.space, engines.get(surface.engine), _ADVICE[case.name]) if known else []


class Other:
    """A rival; it learns of the baseline first, as the product does."""

    expected_gain: float | None = None

    def __init__(self, case: Case, name: str, seed: int) -> None:
        """Begin a task."""
        surface = case.surface
        points = getattr(surface, "points", None)
        self._rival = rivals.begin(name, surface.space, points, starts(case), seed, len(case.maximise))

    def propose(self, task: Task, count: int) -> list[Configuration]:
        return self._rival.propose(task.told(), count)


def begin(name: str, case: Case, seed: int) -> Method:
    """The method of a name in NAMES, at the beginning of a task."""
    return Own(case, _STRATEGIES[name], seed) if name in _STRATEGIES else Other(case, name, seed)


def available() -> list[str]:
    """The names of the methods that this environment has."""
    return [*OWN, *rivals.available()]
