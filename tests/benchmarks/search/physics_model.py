"""What the simulated engine's model of step times and memory predicts for a configuration, without simulating it.

In a closed loop every engine has a steady state: as many sequences run as slots and cache allow, each prompt is
computed once, each output token takes a step. So one cycle, in which every running sequence is answered, gives all.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from autotuner.simulator.config import EngineConfig, StartupError
from autotuner.simulator.costs import StepCosts, step_costs
from autotuner.simulator.flags import DIALECTS, build_parser
from autotuner.simulator.hardware_profiles import GPUS, MODELS, Gpu, Model
from autotuner.simulator.memory import plan


@dataclass(frozen=True)
class Traffic:
    """Tokens of a request, and the share of the prompt that a prefix cache finds."""

    prompt: int
    output: int
    shared: float = 0.0


@dataclass(frozen=True)
class Figures:
    """What is expected under a load: output tokens/s, and means in milliseconds."""

    throughput: float
    ttft: float
    tpot: float
    e2e: float


# As the models' config.json say; a long context is never asked for.
_MODELS = {
    "llama8b": replace(MODELS["8b"], context=8192),
    "llama70b": replace(MODELS["70b"], context=10240),
    "qwen8b": Model("qwen8b", 8.2, 8.2, 36, 4096, 32, 8, 128, 8192),
    "qwen32b": Model("qwen32b", 32.8, 32.8, 64, 5120, 64, 8, 128, 8192),
    "qwen30b": Model("qwen30b", 30.5, 3.3, 48, 2048, 32, 4, 128, 8192),
    "qwen235b": Model("qwen235b", 235, 22, 94, 4096, 64, 4, 128, 8192, checkpoint_bytes=1.0),
    "gptoss20b": Model("gptoss20b", 20.9, 3.6, 24, 2880, 64, 8, 64, 8192, checkpoint_bytes=0.56),
    "minimax-m25": Model("minimax-m25", 230, 10, 62, 3072, 48, 8, 128, 10240),
    # One of four layers has a cache that grows.
    "qwen35-397b": Model("qwen35-397b", 397, 17, 60, 4096, 32, 1, 128, 10240),
}
# Prompts and outputs are known to who sets up a task; the shared share is a guess.
_TRAFFIC = {
    "chat": Traffic(900, 270, 0.4),
    "rag": Traffic(3000, 200, 0.3),
    "moe": Traffic(2000, 500),
    "code": Traffic(1500, 900, 0.2),
    "sum": Traffic(6000, 220),
    "agents": Traffic(3500, 400, 0.7),
    "1k8k": Traffic(1024, 8192),
    "8k1k": Traffic(8192, 1024),
    "1k1k": Traffic(1024, 1024),
}
_B300 = Gpu("b300", 268, 2500, 8000, 900, fp8=True)
_BYTES = {"bf16": 2.0, "fp8": 1.0, "fp4": 0.56}


class GridModel:
    """The prediction for a grid, whose name tells the model, the accelerators and the traffic."""

    def __init__(self, name: str) -> None:
        """Read the name."""
        dialect, model, gpus, traffic = name.split("-")
        self._dialect = "sglang" if dialect == "sg" else dialect
        self._model, self._traffic = _MODELS[model], _TRAFFIC[traffic]
        gpu, _, count = gpus.rpartition("x")
        self._gpu, self._count = GPUS[gpu], int(count)
        path = "--model-path" if self._dialect == "sglang" else "--model"
        parser = build_parser(self._dialect)
        self._defaults = vars(parser.parse_args(["--dialect", self._dialect, path, model]))

    def figures(self, values: Mapping[str, Any], loads: list[int]) -> list[Figures] | None:
        """What is expected at each load, of a configuration's flags; None if it should not start."""
        named = {name.replace("-", "_"): value for name, value in values.items()}
        graph = named.pop("cudagraph_max_size", None)
        if graph is not None:
            named |= {"max_cudagraph_capture_size": int(graph) or None, "enforce_eager": not graph}
        whole = {name: int(one) if isinstance(one, float) and one > 1 else one for name, one in named.items()}
        args = argparse.Namespace(**self._defaults | whole)
        if named.get("enable_dp_attention"):
            args.dp_size = args.tp_size
        try:
            config = DIALECTS[self._dialect].configure(args, self._gpu, self._model, self._gpu.memory_gib)
            return _figures(replace(config, time_scale=1.0), self._traffic, loads, self._count)
        except StartupError:
            return None


class PoolModel:
    """The prediction for a pool, whose name tells the model and the traffic, and its rows the accelerators."""

    def __init__(self, name: str) -> None:
        """Read the name."""
        self._model = next(model for key, model in _MODELS.items() if f"-{key}-" in name)
        self._traffic = _TRAFFIC[name.rpartition("-")[2]]

    def figures(self, values: Mapping[str, Any]) -> Figures | None:
        """What is expected of a row, for each accelerator; None if it should not start."""
        gpu = GPUS.get(str(values["system"]).partition("_")[0], _B300)
        precision, tensor = str(values["precision"]), int(values["tp-size"])
        if precision == "fp4":
            gpu = replace(gpu, tflops=2 * gpu.tflops)
        config = EngineConfig(
            dialect="vllm", gpu=gpu, model=self._model, memory_gib=gpu.memory_gib, gpus=tensor, tensor=tensor,
            memory_fraction=0.9, max_running=2048, mixed=True, reserve=0.0, graph_batch=512, block=16,
            context=self._model.context, weight_bytes=_BYTES[precision], fp8_compute=precision != "bf16",
            kv_bytes=2.0 if precision == "bf16" else 1.0, time_scale=1.0,
        )  # fmt: skip
        try:
            found = _figures(config, self._traffic, [int(values["concurrency"])], tensor)[0]
        except StartupError:
            return None
        return replace(found, throughput=found.throughput / tensor)


def _figures(config: EngineConfig, traffic: Traffic, loads: list[int], gpus: int) -> list[Figures]:
    """Under each load, of as many engines as the accelerators hold.

    Raises:
        StartupError: it does not fit.
    """
    engines = max(gpus // (config.tensor * config.pipeline), 1)
    memory, costs = plan(config), step_costs(config)
    held = traffic.prompt + traffic.output * (0.5 + 0.5 * config.reserve)
    slots = max(min(config.max_running, memory.tokens / held), 1.0)
    found = []
    for load in loads:
        users = max(load / engines, 1.0)
        running = min(users, slots)
        cycle, first = _cycle(config, costs, traffic, running, users - running)
        e2e = users * cycle / running
        waits = e2e * (users - running) / users
        throughput = engines * running * traffic.output / cycle
        found.append(Figures(throughput, 1e3 * (waits + first), 1e3 * cycle / traffic.output, 1e3 * e2e))
    return found


def _cycle(
    config: EngineConfig, costs: StepCosts, traffic: Traffic, running: float, waiting: float
) -> tuple[float, float]:
    """Seconds in which each running sequence is answered once, and of one prompt."""
    fresh = traffic.prompt * (1 - (traffic.shared if config.prefix_cache else 0.0))
    attended = traffic.prompt - fresh / 2
    count, queue = max(round(running), 1), round(waiting)
    context = running * (traffic.prompt + traffic.output / 2)
    decode = costs.step(0, 0.0, count, context, queue)
    # Prompts come one by one, unless more than one ends in a step.
    chunk = min(config.step_tokens, fresh * max(1.0, running / traffic.output)) if config.chunked else fresh
    if not config.mixed:
        first = fresh / chunk * costs.step(round(chunk), chunk * attended, 0, 0.0, queue)
        return traffic.output * decode + running * first, first
    chunk = max(min(chunk, config.step_tokens - count), 1.0)
    step = costs.step(round(chunk), chunk * attended, count, context, queue)
    busy = running * fresh / chunk
    return busy * step + max(traffic.output - busy, 0.0) * decode, fresh / chunk * step
