"""One experiment as the product runs it: its order of levels, its figures, its score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autotuner import scoring
from autotuner.api.benchmark import ConcurrencySearch, RateSearch, Scenario
from autotuner.api.experiment import Level
from autotuner.api.goals import Objective, Slo
from autotuner.benchmark.contract.spec import RunnerScenario, RunnerSpec
from autotuner.benchmark.job import _in_si
from autotuner.benchmark.runner.early_stop import would_stop
from autotuner.benchmark.runner.level_order import Ended, criteria, next_step
from autotuner.scoring import Goal, Score, slos
from tests.benchmarks.boundary.engine import Measured

SCENARIO = Scenario(name="chat", load="D(1,1)")


@dataclass(frozen=True)
class Found:
    """What became of an experiment: its score, and the virtual seconds of all its levels."""

    score: Score
    levels: tuple[Level, ...]
    seconds: float


def goal(metric: str, limits: Sequence[Slo], ladder: Sequence[float], *, open_loop: bool, searches: bool) -> Goal:
    """A goal of one objective under these limits."""
    objective = Objective.model_validate({"metric": metric})
    counted = slos.counted(limits)
    return Goal([SCENARIO], ladder, [objective], counted, open_loop=open_loop, searches=searches)


def searched(
    search: ConcurrencySearch | RateSearch, goal: Goal, measure: Callable[[float], Measured], best: Score | None = None
) -> Found:
    """An experiment that searches for the boundary, given the best so far."""
    spec = _spec(goal, best, search)
    levels: list[Level] = []
    seconds = 0.0
    while not isinstance(step := next_step(levels, spec), Ended):
        one = measure(step[1])
        levels.append(one.level)
        seconds += one.seconds
    return Found(scoring.score(levels, goal, 1, step.ladder), tuple(levels), seconds)


def climbed(goal: Goal, measure: Callable[[float], Measured], best: Score | None = None) -> Found:
    """An experiment that climbs a ladder, given the best so far; it may have more levels than a task's."""
    spec = _spec(goal, best, None)
    rules = replace(criteria(spec), ladder=goal.ladder)
    levels: list[Level] = []
    seconds, ending = 0.0, "Complete"
    for number, offered in enumerate(goal.ladder):
        one = measure(offered)
        levels.append(one.level)
        seconds += one.seconds
        if stopped := would_stop(levels, rules, [("chat", left) for left in goal.ladder[number + 1 :]]):
            ending = stopped.ladder
            break
    return Found(scoring.score(levels, goal, 1, ending), tuple(levels), seconds)  # type: ignore[arg-type]


def _spec(goal: Goal, best: Score | None, search: ConcurrencySearch | RateSearch | None) -> RunnerSpec:
    stop = scoring.stop(goal, best.worth if best else None, best.at[0] if best and best.at else None)
    assert stop is not None, "there are limits"
    boundary = stop.metric in ("MaxConcurrency", "MaxRequestRate")
    required = {"metric": stop.metric, "threshold": stop.threshold} if stop.metric and not boundary else None
    return RunnerSpec.model_validate(
        {
            "apiBase": "http://engine:1",
            "backend": "vllm",
            "scenarios": [RunnerScenario(name="chat", load="D(1,1)")],
            "concurrency": [1] if search is None else None,
            "concurrencySearch": search if isinstance(search, ConcurrencySearch) else None,
            "rateSearch": search if isinstance(search, RateSearch) else None,
            "startAt": stop.start_at,
            "requiredBoundary": stop.threshold if boundary else None,
            "requiredThroughput": required,
            "slos": [_in_si(slo, 1) for slo in stop.slos or []],
            "tokenizer": {"source": "Builtin"},
            "workDir": Path("/tmp"),
        }
    )
