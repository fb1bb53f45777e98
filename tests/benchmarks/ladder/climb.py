"""Where the runner ends a ladder: what the product tells it, and what it makes of that."""

from __future__ import annotations

from collections.abc import Sequence

from autotuner import scoring
from autotuner.api.experiment import ExperimentSpec, Level
from autotuner.benchmark.contract.spec import RunnerSpec
from autotuner.benchmark.job import JobSurroundings, runner_spec
from autotuner.benchmark.runner.early_stop import StopCriteria, Stopped, would_stop
from autotuner.scoring import Goal
from autotuner.serving.backend import Endpoint

_METADATA = {"name": "replayed", "namespace": "replayed", "uid": "replayed"}
_AROUND = JobSurroundings(Endpoint("http", "engine", 8080), image="benchmark")


def climb(whole: Sequence[Level], goal: Goal, best: float | None) -> tuple[int, Stopped | None]:
    """How many levels the product would measure, and why no more."""
    runner = _runner(goal, best)
    weights = {scenario.name: scenario.weight for scenario in runner.scenarios}
    criteria = StopCriteria(runner.ladder, weights, runner.slos, runner.required_throughput, runner.noise_margin)
    steps = [(scenario.name, concurrency) for scenario, concurrency in runner.levels]
    for count in range(1, len(steps)):
        if stopped := would_stop(whole[:count], criteria, steps[count:]):
            return count, stopped
    return len(steps), None


def _runner(goal: Goal, best: float | None) -> RunnerSpec:
    """What the product tells the runner of an experiment."""
    stop = scoring.stop(goal, best)
    spec = {
        "service": {
            "model": {"name": "replayed"},
            "runtime": {"name": "replayed"},
            "engine": "Custom",
            "args": [],
            "accelerator": {"count": 1},
        },
        "benchmark": {
            "scenarios": [scenario.dump() for scenario in goal.scenarios],
            "concurrency": list(goal.ladder),
            "tokenizer": {"source": "Builtin"},
        },
        **({"stop": stop.dump()} if stop else {}),
    }
    return runner_spec({"metadata": _METADATA}, ExperimentSpec.model_validate(spec), _AROUND)
