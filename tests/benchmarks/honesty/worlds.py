"""What is measured: the simulated engine's timing model without noise, so that the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from autotuner.api.experiment import Distribution, Level
from autotuner.simulator.config import EngineConfig, StartupError
from autotuner.simulator.flags import parse
from autotuner.simulator.virtual_time import Timing, Workload, simulate

LADDER = (4, 16, 64)
SCENARIO = "chat"
_REQUESTS = 200  # of the steady part


@dataclass(frozen=True)
class World:
    """A model on a kind of GPU under one kind of traffic, and what may be tuned."""

    name: str
    model: str
    gpu: str
    load: str
    parameters: tuple[str, ...]


_CHOICES: dict[str, dict[str, Any]] = {
    "tp-size": {"values": [1, 2]},
    "wide tp-size": {"values": [2, 4, 8]},
    "max-running-requests": {"values": [8, 16, 32, 128]},
    "chunked-prefill-size": {"values": [512, 2048, 8192]},
    "attention-backend": {"choices": ["fa3", "triton"]},
    "enable-mixed-chunk": {"toggle": True},
    "cuda-graph-max-bs-decode": {"values": [8, 64]},
    "mem-fraction-static": {"values": [0.7, 0.8]},
    # Without effect here: the cache holds all that runs, and nobody waits.
    "page-size": {"values": [1, 16]},
    "schedule-conservativeness": {"values": [0.8, 1, 1.3]},
    "watchdog-timeout": {"values": [100, 200, 300]},
}
_INERT = ("page-size", "schedule-conservativeness", "watchdog-timeout")

_SEQUENCES = ("max-running-requests", "enable-mixed-chunk", "tp-size")
_PROMPTS = ("chunked-prefill-size", "enable-mixed-chunk", "tp-size")
_KERNELS = ("max-running-requests", "attention-backend", "tp-size")
_GRAPHS = ("cuda-graph-max-bs-decode", "max-running-requests", "tp-size")
_LARGE = ("wide tp-size", "mem-fraction-static", "enable-mixed-chunk")

WORLDS = (
    World("small, chat", "1b", "l4", "N(256,64)/(96,24)", _SEQUENCES),
    World("small, documents", "3b", "l40s", "N(1500,300)/(48,12)", _PROMPTS),
    World("medium, chat", "8b", "l40s", "N(400,100)/(96,24)", _KERNELS),
    World("medium, writing", "8b", "h100", "N(128,32)/(192,48)", _GRAPHS),
    World("large, chat", "70b", "h100", "N(400,100)/(64,16)", _LARGE),
    World("nothing to gain", "8b", "h100", "N(300,80)/(96,24)", _INERT),
)


def parameters(world: World) -> list[dict[str, Any]]:
    """The task's search space."""
    return [{"name": name.removeprefix("wide "), **_CHOICES[name]} for name in world.parameters]


def truth(world: World, args: Sequence[str]) -> tuple[Level, ...] | None:
    """What a configuration does without noise, at all levels; None if the engine does not start."""
    own = ("--dialect=sglang", "--model-path=m", f"--sim-model={world.model}", f"--sim-gpu={world.gpu}")
    try:
        config = parse([*own, "--sim-time-scale=1", "--sim-noise=0", "--sim-seed=0", *args]).config
        return tuple(_level(config, world.load, concurrency) for concurrency in LADDER)
    except StartupError:
        return None


@cache
def _level(config: EngineConfig, load: str, concurrency: int) -> Level:
    timings = simulate(replace(config, noise=0.0), Workload.parse(load), concurrency, concurrency + _REQUESTS, seed="0")
    steady = timings[concurrency:]
    seconds = steady[-1].end - timings[concurrency - 1].end
    outputs = sum(timing.output_tokens for timing in steady)
    return Level(
        scenario=SCENARIO,
        concurrency=concurrency,
        requests=len(steady),
        errors=0,
        duration_seconds=seconds,
        output_tokens_per_second=outputs / seconds,
        total_tokens_per_second=(outputs + sum(timing.prompt_tokens for timing in steady)) / seconds,
        requests_per_second=len(steady) / seconds,
        ttft_seconds=_distribution([timing.ttft for timing in steady]),
        tpot_seconds=_distribution([_pace(timing) for timing in steady]),
        e2e_latency_seconds=_distribution([timing.latency for timing in steady]),
        output_tokens_mean=outputs / len(steady),
    )


def _pace(timing: Timing) -> float:
    assert timing.tpot is not None, "answers are longer than one token"
    return timing.tpot


def _distribution(values: Sequence[float]) -> Distribution:
    ordered = sorted(values)
    p50, p90, p95, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.9, 0.95, 0.99))
    return Distribution(mean=sum(values) / len(values), p50=p50, p90=p90, p95=p95, p99=p99)
