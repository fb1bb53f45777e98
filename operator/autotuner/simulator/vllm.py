"""vLLM's flags, its rules between them, and its defaults.

Names, choices and defaults follow `arg_utils.py` and the configuration classes of vLLM's V1 engine.
"""

from __future__ import annotations

import argparse
from typing import Any

from autotuner.simulator.arguments import Flag, json_object
from autotuner.simulator.config import EngineConfig, StartupError, bytes_per_weight
from autotuner.simulator.hardware_profiles import Gpu, Model

PROG = "api_server.py"
PREQUANTIZED = ("awq", "awq_marlin", "gptq", "gptq_marlin", "gguf", "compressed-tensors")
FLAGS = (
    Flag("model", required=True),
    Flag("tokenizer"),
    Flag("served-model-name"),
    Flag("host", default="127.0.0.1"),
    Flag("port", int, 8000),
    Flag("api-key"),
    Flag("uvicorn-log-level", default="info"),
    Flag("trust-remote-code", bool, False, negatable=True),
    Flag("enable-log-requests", bool, False, negatable=True),
    Flag("disable-log-stats", bool),
    Flag("download-dir"),
    Flag("load-format", default="auto"),
    Flag("seed", int, 0),
    Flag("max-model-len", int),
    Flag("dtype", default="auto", choices=("auto", "bfloat16", "float", "float16", "float32", "half")),
    Flag("quantization", choices=("fp8", "bitsandbytes", "modelopt", "mxfp4", *PREQUANTIZED)),
    Flag("kv-cache-dtype", default="auto", choices=("auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc")),
    Flag("tensor-parallel-size", int, 1),
    Flag("pipeline-parallel-size", int, 1),
    Flag("data-parallel-size", int, 1),
    Flag("decode-context-parallel-size", int, 1),
    Flag("enable-expert-parallel", bool, False, negatable=True),
    Flag("gpu-memory-utilization", float, 0.9),
    Flag("block-size", int, 16, choices=(1, 8, 16, 32, 64, 128, 256)),
    Flag("swap-space", float, 4.0),
    Flag("max-num-seqs", int),
    Flag("max-num-batched-tokens", int),
    Flag("enable-chunked-prefill", bool, True, negatable=True),
    Flag("enable-prefix-caching", bool, True, negatable=True),
    Flag("scheduling-policy", default="fcfs", choices=("fcfs", "priority")),
    Flag("async-scheduling", bool, True, negatable=True),
    Flag("enforce-eager", bool, False, negatable=True),
    Flag("max-cudagraph-capture-size", int),
    Flag("compilation-config", json_object),
    Flag("speculative-config", json_object),
    Flag("attention-backend"),
)


def _invalid(config: str, message: str, kind: str) -> StartupError:
    """A refusal by one of vLLM's pydantic configurations."""
    return StartupError(
        "Traceback (most recent call last):",
        f"pydantic_core._pydantic_core.ValidationError: 1 validation error for {config}",
        f"{message} [type={kind}, input_type={'ArgsKwargs' if kind == 'value_error' else 'float'}]",
    )


def check(args: argparse.Namespace, config: EngineConfig) -> None:
    """Refuse what vLLM's configuration classes refuse.

    Raises:
        StartupError: In vLLM's words.
    """
    model = config.model
    utilization = args.gpu_memory_utilization
    if utilization <= 0:
        raise _invalid("CacheConfig", "gpu_memory_utilization: Input should be greater than 0", "greater_than")
    if utilization > 1:
        raise _invalid(
            "CacheConfig", "gpu_memory_utilization: Input should be less than or equal to 1", "less_than_equal"
        )
    for name in ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"):
        if getattr(args, name) < 1:
            raise _invalid("ParallelConfig", f"{name}: Input should be greater than 0", "greater_than")
    if model.heads % args.tensor_parallel_size:
        raise _invalid(
            "VllmConfig",
            f"Value error, Total number of attention heads ({model.heads}) must be divisible by tensor parallel size "
            f"({args.tensor_parallel_size}).",
            "value_error",
        )
    if args.max_model_len is not None and not 1 <= args.max_model_len <= model.context:
        raise _invalid(
            "ModelConfig",
            f"Value error, User-specified max_model_len ({args.max_model_len}) is greater than the derived "
            f"max_model_len (max_position_embeddings={model.context}).",
            "value_error",
        )
    if args.quantization in PREQUANTIZED and args.quantization.split("_")[0] not in args.model.lower():
        raise StartupError(f"ValueError: Cannot find the config file for {args.quantization}")
    _check_scheduler(config)


def _check_scheduler(config: EngineConfig) -> None:
    for name, value in (("max_num_seqs", config.max_running), ("max_num_batched_tokens", config.step_tokens)):
        if value < 1:
            raise _invalid(
                "SchedulerConfig", f"{name}: Input should be greater than or equal to 1", "greater_than_equal"
            )
    if not config.chunked and config.step_tokens < config.context:
        raise _invalid(
            "SchedulerConfig",
            f"Value error, max_num_batched_tokens ({config.step_tokens}) is smaller than max_model_len "
            f"({config.context}). This effectively limits the maximum sequence length to max_num_batched_tokens and "
            "makes vLLM reject longer sequences. Please increase max_num_batched_tokens or decrease max_model_len.",
            "value_error",
        )
    if config.step_tokens < config.max_running:
        raise _invalid(
            "SchedulerConfig",
            f"Value error, max_num_batched_tokens ({config.step_tokens}) must be greater than or equal to "
            f"max_num_seqs ({config.max_running}).",
            "value_error",
        )


def _graph_batch(args: argparse.Namespace, max_running: int) -> int:
    """Largest captured batch: set by either flag, else twice the sequences up to 512."""
    if args.enforce_eager:
        return 0
    compilation: Any = args.compilation_config or {}
    if isinstance(compilation, dict):
        sizes = compilation.get("cudagraph_capture_sizes")
        if sizes:
            return int(max(sizes))
        if "max_cudagraph_capture_size" in compilation:
            return int(compilation["max_cudagraph_capture_size"])
    return args.max_cudagraph_capture_size or min(2 * max_running, 512)


def configure(args: argparse.Namespace, gpu: Gpu, model: Model, memory_gib: float) -> EngineConfig:
    """The engine that these flags describe.

    Raises:
        StartupError: The flags break a rule.
    """
    context = args.max_model_len or model.context
    # vLLM's defaults for its API server on large and on small GPUs.
    tokens, sequences = (8192, 1024) if memory_gib >= 70 else (2048, 256)
    if args.max_num_batched_tokens is not None:
        tokens = args.max_num_batched_tokens
    elif not args.enable_chunked_prefill:
        tokens = max(tokens, context)
    sequences = min(sequences, tokens) if args.max_num_seqs is None else args.max_num_seqs
    fp8 = args.quantization in ("fp8", "modelopt")
    config = EngineConfig(
        dialect="vllm",
        gpu=gpu,
        model=model,
        memory_gib=memory_gib,
        tensor=args.tensor_parallel_size,
        pipeline=args.pipeline_parallel_size,
        data=args.data_parallel_size,
        memory_fraction=args.gpu_memory_utilization,
        max_running=sequences,
        step_tokens=tokens,
        chunked=args.enable_chunked_prefill,
        mixed=True,
        policy=args.scheduling_policy,
        reserve=0.0,
        graph_batch=_graph_batch(args, sequences),
        block=args.block_size,
        context=context,
        weight_bytes=bytes_per_weight(model, args.quantization, args.dtype),
        fp8_compute=fp8 and gpu.fp8,
        kv_bytes=1.0 if args.kv_cache_dtype.startswith("fp8") else 2.0,
        prefix_cache=args.enable_prefix_caching,
        overlap=args.async_scheduling,
    )
    check(args, config)
    return config
