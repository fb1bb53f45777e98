from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from autotuner.simulator.hardware_profiles import GPUS, MODELS, Gpu, Model

Dialect = Literal["sglang", "vllm"]


class StartupError(Exception):
    """The engine refuses to start: `lines` are what it logs, as the real engine words it."""

    def __init__(self, *lines: str, exit_code: int = 1) -> None:
        super().__init__(lines[-1])
        self.lines = lines
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What the model needs to know about an engine, free of either engine's words.

    Attributes:
        memory_fraction: Share of the GPU for weights and KV cache (SGLang), or for everything (vLLM).
        max_running: Sequences that run at once.
        step_tokens: Prompt tokens that one step may compute (with `mixed`: prompt and output tokens).
        chunked: Whether a prompt may be split over steps.
        mixed: Whether prompt chunks and output tokens share a step; else prompts go first and outputs wait.
        reserve: Share of the running sequences' remaining output that admission keeps free in the cache.
        graph_batch: Largest batch with a captured CUDA graph; 0: none.
        block: Tokens per cache block.
        weight_bytes: Bytes per parameter.
        kv_bytes: Bytes per cached value.
        attention: Cost of attention relative to the best backend.
        token_limit: Upper bound of the cache in tokens, or None.
        time_scale: Every duration is multiplied by it: 1 is the real GPU.
        noise: Standard deviation of the logarithm of the run's speed; single steps vary three times as much.
    """

    dialect: Dialect = "sglang"
    gpu: Gpu = field(default_factory=lambda: GPUS["h100"])
    model: Model = field(default_factory=lambda: MODELS["1b"])
    memory_gib: float = 79.6
    gpus: int = 8
    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    data_attention: bool = False
    memory_fraction: float = 0.84
    max_running: int = 2048
    step_tokens: int = 8192
    chunked: bool = True
    mixed: bool = False
    policy: str = "fcfs"
    reserve: float = 0.7
    graph_batch: int = 256
    block: int = 1
    context: int = 131072
    token_limit: int | None = None
    weight_bytes: float = 2.0
    fp8_compute: bool = False
    kv_bytes: float = 2.0
    attention: float = 1.0
    prefix_cache: bool = True
    overlap: bool = True
    compiled: bool = False
    time_scale: float = 8.0
    noise: float = 0.01

    @property
    def prefix_block(self) -> int:
        """Tokens per block that the prefix cache finds again: the engine's own blocks, in units of at least 16."""
        return max(self.block, 16)

    @property
    def engines(self) -> int:
        """Independent schedulers behind the one address."""
        return 1 if self.data_attention else self.data

    @property
    def gpu_count(self) -> int:
        """GPUs that the engine occupies."""
        return self.tensor * self.pipeline * self.engines


def bytes_per_weight(model: Model, quantization: str | None, dtype: str) -> float:
    """Bytes per parameter: four bits with their scales are 0.56; without either word the checkpoint decides."""
    if quantization is None:
        return 4.0 if dtype in ("float", "float32") else model.checkpoint_bytes
    return 0.56 if any(word in quantization for word in ("4", "awq", "gptq", "bitsandbytes")) else 1.0
