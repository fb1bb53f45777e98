"""vLLM's flags and its defaults.

Names, choices and defaults follow `arg_utils.py` and the configuration classes of vLLM 0.32.0.
"""

from __future__ import annotations

import argparse
from typing import Any

from autotuner.simulator.arguments import Flag, json_object
from autotuner.simulator.config import EngineConfig, bytes_per_weight
from autotuner.simulator.hardware_profiles import Gpu, Model
from autotuner.simulator.vllm_refusals import check

PROG = "api_server.py"
_KV_CACHE = (
    *("auto", "bfloat16", "float16", "fp8", "fp8_ds_mla", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_per_token_head"),
    *("int4_per_token_head", "int8_per_token_head", "nvfp4", "nvfp4_4over6", "nvfp4_ds_mla", "turboquant_3bit_nc"),
    *("turboquant_4bit_nc", "turboquant_k3v4_nc", "turboquant_k8v4", "ultraquant_4bit"),
)
FLAGS = (
    Flag("model", required=True),
    Flag("tokenizer"),
    Flag("served-model-name", several=True),
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
    Flag("quantization", aliases=("-q",)),
    Flag("kv-cache-dtype", default="auto", choices=_KV_CACHE),
    Flag("tensor-parallel-size", int, 1),
    Flag("pipeline-parallel-size", int, 1),
    Flag("data-parallel-size", int, 1),
    Flag("decode-context-parallel-size", int, 1),
    Flag("enable-expert-parallel", bool, False, negatable=True),
    Flag("gpu-memory-utilization", float, 0.92),
    Flag("block-size", int, 16),
    Flag("max-num-seqs", int),
    Flag("max-num-batched-tokens", int),
    Flag("enable-chunked-prefill", bool, True, negatable=True),
    Flag("enable-prefix-caching", bool, True, negatable=True),
    Flag("prefix-caching-hash-algo", default="sha256", choices=("sha256", "sha256_cbor", "xxhash", "xxhash_cbor")),
    Flag("scheduling-policy", default="fcfs", choices=("fcfs", "priority")),
    Flag("async-scheduling", bool, True, negatable=True),
    Flag("enforce-eager", bool, False, negatable=True),
    Flag("max-cudagraph-capture-size", int),
    Flag("compilation-config", json_object, aliases=("-cc",)),
    Flag("speculative-config", json_object, aliases=("-sc",)),
    Flag("attention-backend"),
)


def _kv_bytes(kind: str) -> float:
    """Bytes per cached value, scales left aside."""
    if any(word in kind for word in ("4", "3bit")) and not kind.startswith(("fp8", "float", "bfloat")):
        return 0.5
    return 1.0 if "8" in kind else 2.0


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
    # vLLM's defaults for its API server on large GPUs, which no A100 is to it, and on small ones.
    tokens, sequences = (8192, 1024) if memory_gib >= 70 and gpu.name != "a100" else (2048, 256)
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
        kv_bytes=_kv_bytes(args.kv_cache_dtype),
        prefix_cache=args.enable_prefix_caching,
        overlap=args.async_scheduling,
    )
    check(args, config)
    return config
