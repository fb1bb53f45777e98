"""How long one step of the engine takes.

A roofline model: step = host + max(compute, memory, kernel launches) + communication, where

- compute: two floating-point operations per active parameter and token, plus attention over the context;
- memory: the weights are read once per step, the KV cache of every decoding sequence too;
- launches: only without a captured CUDA graph, so for every prompt chunk and for batches above the captured ones;
- communication: two all-reduces per layer, with a latency and a cost per token.

The constants are orders of magnitude of published profiles, not measurements of one machine: what matters is that the
trade-offs point the right way. Every duration is multiplied by `time_scale` (8 by default), because a client on two
cores cannot follow the token rate of a real GPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from autotuner.simulator.config import EngineConfig
from autotuner.simulator.memory import kv_bytes_per_token

COMPUTE_EFFICIENCY = 0.5
BANDWIDTH_EFFICIENCY = 0.8
FP8_SPEEDUP = 1.6
HOST = {"sglang": 380e-6, "vllm": 450e-6}
NO_OVERLAP = 250e-6
SEQUENCE = 5e-6
LAUNCH_PER_LAYER = 80e-6
ALL_REDUCE = 6e-6
STAGE_HOP = 60e-6
SORT = 1e-6


@dataclass(frozen=True, slots=True)
class StepCosts:
    """Seconds per unit of work, all scaled."""

    host: float
    sequence: float
    sort: float
    token: float
    attention: float
    weights: float
    kv: float
    launch: float
    hop: float
    wire: float
    graph_batch: int
    pipeline: int
    sparsity: float
    """Share of the weights that one token reads: below 1 for a mixture of experts."""

    def step(self, prompt: int, attended: float, sequences: int, context: float, waiting: int) -> float:
        """Duration of a step in seconds.

        Args:
            prompt: Prompt tokens computed.
            attended: Sum over those tokens of the tokens each attends to.
            sequences: Sequences that get an output token.
            context: Tokens in the cache of those sequences.
            waiting: Requests in the queue that the policy looks through.
        """
        tokens = prompt + sequences
        compute = tokens * self.token + attended * self.attention
        cached = context * self.kv
        if self.pipeline > 1:
            lanes = min(self.pipeline, max(1, sequences))
            compute /= lanes
            cached /= lanes
        weights = self.weights
        if self.sparsity < 1.0:
            weights *= 1.0 - (1.0 - self.sparsity) ** tokens
        busy = max(compute, weights + cached)
        if prompt or sequences > self.graph_batch:
            busy = max(busy, self.launch)
        return self.host + tokens * self.wire + self.hop + sequences * self.sequence + waiting * self.sort + busy


def step_costs(config: EngineConfig) -> StepCosts:
    """The cost table of one engine."""
    gpu, model, scale = config.gpu, config.model, config.time_scale
    flops = gpu.tflops * 1e12 * COMPUTE_EFFICIENCY * (FP8_SPEEDUP if config.fp8_compute else 1.0)
    bandwidth = gpu.bandwidth * 1e9 * BANDWIDTH_EFFICIENCY
    kernels = 0.93 if config.compiled else 1.0
    host = HOST[config.dialect] + (0.0 if config.overlap else NO_OVERLAP)
    # Converting an 8-bit cache back costs a few per cent of its attention.
    attention = config.attention * (1.04 if config.kv_bytes < 2 else 1.0)
    hop = wire = 0.0
    if config.tensor > 1:
        reduces = 2 * model.layers * (1.5 if config.data_attention else 1.0)
        hop += reduces * ALL_REDUCE * (1 + 0.15 * math.log2(config.tensor)) * (450 / gpu.link) ** 0.5
        share = 2 * (config.tensor - 1) / config.tensor
        wire = reduces * model.hidden * 2 * share / (gpu.link * 1e9)
    hop += (config.pipeline - 1) * STAGE_HOP
    return StepCosts(
        host=host * scale,
        sequence=SEQUENCE * scale,
        sort=SORT * scale if config.policy in ("lpm", "dfs-weight", "lof") else 0.0,
        token=2 * model.active * 1e9 / (flops * config.tensor) * kernels * scale,
        attention=4 * model.layers * model.heads * model.head_dim / (flops * config.tensor) * attention * scale,
        weights=model.parameters * 1e9 * config.weight_bytes / config.tensor / bandwidth * kernels * scale,
        kv=kv_bytes_per_token(config) * config.pipeline / bandwidth * attention * scale,
        launch=model.layers * LAUNCH_PER_LAYER * (0.6 if config.compiled else 1.0) * scale,
        hop=hop * scale,
        wire=wire * scale,
        graph_batch=config.graph_batch,
        pipeline=config.pipeline,
        sparsity=model.active / model.parameters,
    )
