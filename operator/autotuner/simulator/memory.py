"""What fits into the GPU: the capacity of the KV cache in tokens, or the engine's out-of-memory message.

Weights = parameters x bytes / (tensor x pipeline). Beside weights and cache a GPU holds the CUDA context, buffers of
the collectives, captured graphs, and the activations of the largest step (128 bytes per token and hidden unit; SGLang's
own estimate, 1.5 MB per token of a chunk, is 192 for a hidden size of 8192).
"""

from __future__ import annotations

from dataclasses import dataclass

from autotuner.simulator.config import EngineConfig, StartupError
from autotuner.simulator.hardware_profiles import GIB

CONTEXT_GIB = 0.6
COLLECTIVES_GIB = 0.4
ACTIVATION_BYTES = 128
GRAPH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Memory:
    """The KV cache of one GPU in gibibytes, and the tokens that the cache of one engine holds."""

    cache: float
    tokens: int


def plan(config: EngineConfig) -> Memory:
    """Lay out the memory of one GPU.

    Raises:
        StartupError: It does not fit; in the engine's words.
    """
    if config.gpu_count > config.gpus:
        raise StartupError(_too_few_gpus(config))
    model = config.model
    weights = model.parameters * 1e9 * config.weight_bytes / (config.tensor * config.pipeline) / GIB
    context = CONTEXT_GIB + (COLLECTIVES_GIB if config.tensor * config.pipeline > 1 else 0)
    # Half of a layer's activations are split over the tensor group, half are held by each of its GPUs.
    activations = config.step_tokens * model.hidden * ACTIVATION_BYTES * (0.5 + 0.5 / config.tensor) / GIB
    graphs = config.graph_batch * model.layers * model.hidden * GRAPH_BYTES / config.pipeline / GIB
    total = config.memory_gib
    if weights + context > total:
        raise _cuda_out_of_memory(config, weights / model.layers, total)
    fit = _sglang_cache if config.dialect == "sglang" else _vllm_cache
    cache = fit(config, weights, context, activations, graphs)
    tokens = int(cache * GIB / kv_bytes_per_token(config))
    if config.token_limit is not None:
        tokens = min(tokens, config.token_limit)
    if tokens < config.block:
        raise StartupError(_no_cache(config))
    _check_longest(config, cache, tokens)
    return Memory(cache, tokens)


def kv_bytes_per_token(config: EngineConfig) -> float:
    """Bytes of KV cache per token on one GPU; heads are split over the tensor group, a single head is copied."""
    split = min(config.tensor, config.model.kv_heads) * config.pipeline
    return config.model.kv_values * config.kv_bytes / split


def _sglang_cache(config: EngineConfig, weights: float, context: float, activations: float, graphs: float) -> float:
    """SGLang: the static fraction holds weights and cache, everything else must fit beside it."""
    total = config.memory_gib
    cache = total * config.memory_fraction - weights
    if cache <= 0:
        raise StartupError(_no_cache(config))
    free = total - total * config.memory_fraction - context
    if activations + graphs > free:
        raise _cuda_out_of_memory(config, activations, max(free, 0), capture=True)
    return cache


def _vllm_cache(config: EngineConfig, weights: float, context: float, activations: float, graphs: float) -> float:
    """vLLM: the fraction holds weights, activations and cache; graphs and context must fit beside it."""
    total = config.memory_gib
    wanted = total * config.memory_fraction
    if wanted > total - CONTEXT_GIB / 2:
        raise StartupError(
            f"ValueError: Free memory on device ({total - CONTEXT_GIB / 2:.2f}/{total:.2f} GiB) on startup is less "
            f"than desired GPU memory utilization ({config.memory_fraction}, {wanted:.2f} GiB). Decrease GPU memory "
            "utilization or reduce GPU memory used by other processes."
        )
    cache = wanted - weights - activations - CONTEXT_GIB / 2
    if cache <= 0:
        raise StartupError(_no_cache(config))
    free = total - wanted
    if graphs + context - CONTEXT_GIB / 2 > free:
        raise _cuda_out_of_memory(config, graphs, max(free, 0))
    return cache


def _check_longest(config: EngineConfig, cache: float, tokens: int) -> None:
    """In vLLM one sequence of the full length must fit; SGLang shortens what it accepts instead."""
    if config.dialect == "sglang" or tokens >= config.context:
        return
    needed = config.context * kv_bytes_per_token(config) / GIB
    raise StartupError(
        f"ValueError: To serve at least one request with the models's max seq len ({config.context}), "
        f"({needed:.2f} GiB KV cache is needed, which is larger than the available KV cache memory ({cache:.2f} GiB). "
        f"Based on the available memory, the estimated maximum model length is {tokens}. Try increasing "
        "`gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine."
    )


def _no_cache(config: EngineConfig) -> str:
    if config.dialect == "sglang":
        return "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static."
    return (
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
        "initializing the engine."
    )


def _cuda_out_of_memory(config: EngineConfig, wanted: float, free: float, capture: bool = False) -> StartupError:
    message = (
        f"CUDA out of memory. Tried to allocate {wanted:.2f} GiB. GPU 0 has a total capacity of "
        f"{config.memory_gib:.2f} GiB of which {min(free, wanted) * 0.9:.2f} GiB is free."
    )
    lines = [f"torch.OutOfMemoryError: {message}"]
    if capture:
        lines.append(
            f"Exception: Capture cuda graph failed: {message} Possible solutions: 1. set --mem-fraction-static to a "
            "smaller value (e.g., 0.8 or 0.7) 2. set --cuda-graph-max-bs to a smaller value (e.g., 16)"
        )
    return StartupError(*lines)


def _too_few_gpus(config: EngineConfig) -> str:
    if config.dialect == "sglang":
        return f"torch.AcceleratorError: CUDA error: invalid device ordinal ({config.gpu_count} > {config.gpus} GPUs)"
    return (
        f"ValueError: World size ({config.gpu_count}) is larger than the number of available GPUs ({config.gpus}) in "
        "this node."
    )
