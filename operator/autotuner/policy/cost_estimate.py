"""What a search will cost, before anything is measured: rough, and rather too much than too little."""

from __future__ import annotations

import random

from autotuner import engines, scoring
from autotuner.api.common import EngineName
from autotuner.api.task import TaskSpec
from autotuner.engines import EngineVersion
from autotuner.search.space.space import Space

# Scheduling, loading weights and capturing graphs, in seconds: what an experiment of a small model needs.
_STARTUP_SECONDS = 300.0
# Configurations looked at for the mean number of accelerators.
_SAMPLE = 64
# The share of forbidden numbers above which those that are not are no fair sample.
_RARE = 0.9


def benchmark_seconds(spec: TaskSpec) -> float:
    """The longest that a whole ladder, or a search for the boundary, can take, in seconds."""
    levels = len(spec.benchmark.scenarios) * spec.benchmark.most_levels
    return levels * spec.benchmark.max_minutes_per_level * 60.0


def gpu_hours(spec: TaskSpec, space: Space, engine: EngineName | EngineVersion) -> float | None:
    """GPU-hours of the whole task with its repeats, if every level takes as long as it may.

    None where its engines have no accelerators.

    Args:
        spec: of the task.
        space: its search space.
        engine: whose arguments they are.
    """
    if not spec.placement.accelerator_resource:
        return None
    searched = min(spec.search.max_experiments, space.most)
    experiments = 1 + searched + _repeats(spec, searched)
    seconds = benchmark_seconds(spec) + _STARTUP_SECONDS
    return round(experiments * seconds * _mean_accelerators(space, engine) / 3600, 2)


def least(spec: TaskSpec, space: Space, engine: EngineName | EngineVersion) -> tuple[float, float]:
    """GPU-hours and hours of a task with one experiment, if every level takes as long as it may.

    Args:
        spec: of the task.
        space: its search space.
        engine: whose arguments they are.
    """
    hours = (2 + _repeats(spec, 1)) * (benchmark_seconds(spec) + _STARTUP_SECONDS) / 3600
    return hours * (_mean_accelerators(space, engine) if spec.placement.accelerator_resource else 0), hours


def _repeats(spec: TaskSpec, searched: int) -> int:
    """The most runs of a confirmation in which no leader gives way to another."""
    confirm = spec.search.confirm
    if len(spec.objectives) > 1 or confirm.max_repeats < scoring.FIRST_LOOK:
        return 0
    return (1 + min(confirm.top, searched)) * confirm.max_repeats


def _mean_accelerators(space: Space, engine: EngineName | EngineVersion) -> float:
    step = max(1, space.numbers // _SAMPLE)
    found = [space.point(index) for index in range(0, space.numbers, step)][: 2 * _SAMPLE]
    if found.count(None) > _RARE * len(found):
        generator = random.Random(0)
        found = [space.draw(generator) for _ in range(_SAMPLE)]
    built = [space.build(places) for places in found if places is not None]
    counts = [engines.get(engine).accelerators(space.render(one).args) for one in built if one is not None]
    return sum(counts) / len(counts) if counts else 1.0
