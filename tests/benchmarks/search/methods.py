"""The searches that are compared: the product's own, exactly as a task asks them, and rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Protocol

from autotuner import engines
from autotuner.engines.start_points import AdviceGoal
from autotuner.search.advised_starts import advised
from autotuner.search.bayesian import incumbent
from autotuner.search.experiment_record import Record
from autotuner.search.space.configuration import Configuration
from autotuner.search.suggest import Strategy, suggest
from tests.benchmarks.search.fronts import Trade
from tests.benchmarks.search.goals import Goal

_ADVICE: Mapping[str, AdviceGoal] = {"thr": "throughput", "lat": "latency", "slo": "slo", "pareto": "throughput"}
_STRATEGIES: Mapping[str, Strategy] = {"bayesian": "Bayesian", "random": "Random"}
RIVALS = ("tpe", "tpe-default")
NAMES = (*_STRATEGIES, *RIVALS)


class Method(Protocol):
    """A search in the middle of a task."""

    def propose(self, records: Sequence[Record], count: int) -> list[Configuration]:
        """The next configurations, all measured at the same time; none if there are no more.

        Args:
            records: of all experiments so far, in the order in which they ended.
            count: how many are wanted at most.
        """
        ...

    def incumbent(self, records: Sequence[Record]) -> Configuration | None:
        """What it would recommend; None if nothing is feasible."""
        ...


class Own:
    """A strategy of the product."""

    def __init__(self, goal: Goal | Trade, strategy: Strategy, seed: int) -> None:
        """Begin a task."""
        self._space, self._strategy, self._seed = goal.surface.space, strategy, seed
        self._maximise = goal.maximise if isinstance(goal, Trade) else (goal.maximise,)
        # Whose flags a pool's columns are is unknown.
        known = goal.name in _ADVICE
        self._starts = advised(self._space, engines.get(goal.surface.engine), _ADVICE[goal.name]) if known else []

    def propose(self, records: Sequence[Record], count: int) -> list[Configuration]:
        return suggest(
            self._strategy,
            self._space,
            records,
            [],
            count,
            self._seed,
            maximise=self._maximise,
            starts=self._starts,
        )

    def incumbent(self, records: Sequence[Record]) -> Configuration | None:
        if self._strategy == "Bayesian":
            return incumbent(self._space, records, self._maximise[0], self._seed)
        return luckiest(records, self._maximise[0])


def luckiest(records: Sequence[Record], maximise: bool) -> Configuration | None:
    """The best measurement, for who has no model of the noise."""
    sign = -1 if maximise else 1
    feasible = [record for record in records if record.outcome == "value"]
    return min(feasible, key=lambda one: sign * one.values[0]).configuration if feasible else None


def begin(name: str, goal: Goal | Trade, seed: int) -> Method:
    """The method of a name in NAMES, at the beginning of a task."""
    if name in _STRATEGIES:
        return Own(goal, _STRATEGIES[name], seed)
    # Optuna is not in every environment.
    from tests.benchmarks.search.rivals import Tpe

    return Tpe(goal, seed, default=name == "tpe-default")


def available() -> list[str]:
    """The names of the methods that this environment has."""
    return [name for name in NAMES if name not in RIVALS or find_spec("optuna")]
