from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from autotuner.api.experiment import Level
from autotuner.benchmark.contract.spec import RunnerSpec
from autotuner.benchmark.runner.level_order import Ended, next_step


def spec(*names: str, **changes: Any) -> RunnerSpec:
    return RunnerSpec.model_validate(
        {
            "apiBase": "http://engine:8000",
            "backend": "vllm",
            "scenarios": [{"name": name, "load": "D(1,1)"} for name in names],
            "concurrencySearch": {"min": 1, "max": 256},
            "slos": [{"metric": "TTFT", "statistic": "P99", "max": 0.5}],
            "tokenizer": {"source": "Builtin"},
            "workDir": Path("work"),
            **changes,
        }
    )


def measured(scenario: str, users: float, seconds: float) -> Level:
    times = dict.fromkeys(("mean", "p50", "p90", "p95", "p99"), seconds)
    return Level.model_validate(
        {
            "scenario": scenario,
            "concurrency": int(users),
            "requests": 100,
            "errors": 0,
            "durationSeconds": 60.0,
            "outputTokensPerSecond": 10 * users,
            "totalTokensPerSecond": 20 * users,
            "requestsPerSecond": users,
            "ttftSeconds": times,
            "outputTokensMean": 10.0,
        }
    )


def walk(of: RunnerSpec, ttft: Callable[[str, float], float]) -> tuple[list[tuple[str, float]], Ended]:
    levels: list[Level] = []
    while not isinstance(step := next_step(levels, of), Ended):
        levels.append(measured(*step, ttft(*step)))
    return [(one.scenario, one.offered) for one in levels], step


def test_a_search_ends_with_what_it_found() -> None:
    _, end = walk(spec("chat"), lambda _, users: users / 100)
    assert (end.ladder, end.note) == ("Complete", "the SLOs hold up to concurrency 50 and break at concurrency 55")


def test_the_first_scenario_that_breaks_decides_for_all() -> None:
    steps, _ = walk(spec("chat", "rag"), lambda name, users: users / (100 if name == "rag" else 20))
    assert ("rag", 16.0) not in steps and ("chat", 16.0) in steps


def test_a_boundary_below_the_best_is_given_up_after_two_levels() -> None:
    steps, end = walk(spec("chat", startAt=60, requiredBoundary=60), lambda _, users: users / 60)
    assert len(steps) == 2 and end.ladder == "StoppedHopeless"
