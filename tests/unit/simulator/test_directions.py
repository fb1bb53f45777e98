"""Where a flag moves a figure of the real vLLM clearly, it moves the simulated one the same way."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

import pytest

from autotuner.simulator.flags import parse
from autotuner.simulator.virtual_time import Workload, simulate
from tests.realengine.directions import DIRECTIONS, LOADS, NOISE, Direction, Load


@dataclass(frozen=True)
class Figures:
    throughput: float
    ttft: float
    tpot: float


def simulated(load: Load, flags: tuple[str, ...]) -> Figures:
    arguments = ["--dialect", "vllm", "--model", "llama-3-2-1b", "--sim-gpu=l4", "--sim-noise=0", *flags]
    config = parse([*arguments, "--max-model-len=4096"]).config
    workload = Workload.parse(f"D({load.prompt},{load.output})")
    timings = simulate(config, workload, load.users, load.users + load.requests, common=load.common)[load.users :]
    return Figures(
        load.users * load.output / fmean(timing.latency for timing in timings),
        fmean(timing.ttft for timing in timings),
        fmean(timing.tpot or 0.0 for timing in timings),
    )


@pytest.mark.parametrize("direction", DIRECTIONS, ids=[f"{one.metric} {' '.join(one.flags)}" for one in DIRECTIONS])
def test_the_simulated_engine_moves_as_the_real_one(direction: Direction) -> None:
    assert direction.real > NOISE or direction.real < 1 / NOISE, "a ratio within the noise tells no direction"
    load = LOADS[direction.load]
    base, changed = simulated(load, ()), simulated(load, direction.flags)
    ratio = getattr(changed, direction.metric) / getattr(base, direction.metric)
    assert (ratio > 1.05) if direction.real > 1 else (ratio < 0.95), ratio
