"""SGLang's flags, its rules between them, and its defaults.

Names, choices and defaults follow `server_args.py` of SGLang 0.5; the defaults that depend on the GPU's memory are its
`_handle_gpu_memory_settings`.
"""

from __future__ import annotations

import argparse

from autotuner.simulator.arguments import Flag
from autotuner.simulator.config import EngineConfig, StartupError, bytes_per_weight
from autotuner.simulator.hardware_profiles import Gpu, Model

PROG = "launch_server.py"
PREQUANTIZED = ("awq", "gptq", "marlin", "gptq_marlin", "awq_marlin", "gguf", "w8a8_int8", "w8a8_fp8")
BACKENDS = {
    "fa3": 1.0,
    "fa4": 1.0,
    "flashinfer": 1.02,
    "trtllm_mha": 1.0,
    "triton": 1.15,
    "flex_attention": 1.4,
    "torch_native": 2.0,
    "flashmla": 1.0,
    "cutlass_mla": 1.0,
    "trtllm_mla": 1.0,
}
FLAGS = (
    Flag("model-path", required=True, aliases=("model",)),
    Flag("tokenizer-path"),
    Flag("served-model-name"),
    Flag("host", default="127.0.0.1"),
    Flag("port", int, 30000),
    Flag("api-key"),
    Flag("enable-metrics", bool),
    Flag("trust-remote-code", bool),
    Flag("skip-server-warmup", bool),
    Flag("log-level", default="info"),
    Flag("watchdog-timeout", float, 300.0),
    Flag("random-seed", int),
    Flag("stream-interval", int, 1),
    Flag("download-dir"),
    Flag("load-format", default="auto", choices=("auto", "pt", "safetensors", "dummy", "gguf", "runai_streamer")),
    Flag("context-length", int),
    Flag("dtype", default="auto", choices=("auto", "half", "float16", "bfloat16", "float", "float32")),
    Flag(
        "quantization",
        choices=("fp8", "mxfp8", "bitsandbytes", "modelopt", "modelopt_fp8", "w4afp8", "mxfp4", *PREQUANTIZED),
    ),
    Flag("kv-cache-dtype", default="auto", choices=("auto", "fp8_e5m2", "fp8_e4m3", "bf16", "bfloat16", "fp4_e2m1")),
    Flag("tp-size", int, 1, aliases=("tensor-parallel-size", "tp")),
    Flag("pp-size", int, 1, aliases=("pipeline-parallel-size", "pp")),
    Flag("dp-size", int, 1, aliases=("data-parallel-size", "dp")),
    Flag("ep-size", int, 1, aliases=("expert-parallel-size", "ep")),
    Flag("moe-dense-tp-size", int),
    Flag("enable-dp-attention", bool),
    Flag("load-balance-method", default="round_robin"),
    Flag("mem-fraction-static", float),
    Flag("max-running-requests", int),
    Flag("max-total-tokens", int),
    Flag("max-prefill-tokens", int, 16384),
    Flag("chunked-prefill-size", int),
    Flag("enable-mixed-chunk", bool),
    Flag("schedule-policy", default="fcfs", choices=("lpm", "random", "fcfs", "dfs-weight", "lof", "priority")),
    Flag("schedule-conservativeness", float, 1.0),
    Flag("page-size", int, 1),
    Flag("disable-radix-cache", bool),
    Flag("disable-overlap-schedule", bool),
    Flag("cuda-graph-max-bs-decode", int, aliases=("cuda-graph-max-bs",)),  # before 0.5.20 without -decode, too
    Flag("disable-cuda-graph", bool),
    Flag("enable-torch-compile", bool),
    Flag("torch-compile-max-bs", int, 32),
    Flag("attention-backend", choices=tuple(BACKENDS)),
    Flag("sampling-backend", choices=("flashinfer", "pytorch")),
    Flag(
        "moe-runner-backend",
        default="auto",
        choices=("auto", "deep_gemm", "triton", "flashinfer_trtllm", "flashinfer_cutlass", "flashinfer_mxfp4"),
    ),
    Flag("speculative-algorithm", choices=("EAGLE", "EAGLE3", "NEXTN", "NGRAM", "STANDALONE")),
    Flag("speculative-draft-model-path"),
    Flag("speculative-num-steps", int),
    Flag("speculative-eagle-topk", int),
    Flag("speculative-num-draft-tokens", int),
)


def check(args: argparse.Namespace, model: Model) -> None:
    """Refuse what SGLang's own rules refuse.

    Raises:
        StartupError: In SGLang's words.
    """
    rules = (
        (min(args.tp_size, args.pp_size, args.dp_size) >= 1, "tp_size, pp_size and dp_size must be positive"),
        (
            not args.enable_dp_attention or args.tp_size % args.dp_size == 0,
            f"dp_size ({args.dp_size}) must divide tp_size ({args.tp_size}) when --enable-dp-attention is set",
        ),
        (
            model.heads % max(args.tp_size, 1) == 0,
            f"number of attention heads ({model.heads}) must be divisible by tp_size ({args.tp_size})",
        ),
        (args.page_size >= 1, "page_size must be positive"),
        (
            (args.chunked_prefill_size or 0) <= 0 or args.chunked_prefill_size % max(args.page_size, 1) == 0,
            "chunked_prefill_size must be divisible by page_size",
        ),
        (args.chunked_prefill_size != 0, "chunked_prefill_size must be positive, or -1 for none"),
        (args.max_prefill_tokens >= 1, "max_prefill_tokens must be positive"),
    )
    for holds, message in rules:
        if not holds:
            raise StartupError("Traceback (most recent call last):", f"AssertionError: {message}")
    if args.mem_fraction_static is not None and not 0 < args.mem_fraction_static < 1:
        raise StartupError(
            f"ValueError: --mem-fraction-static must be strictly between 0 and 1, got {args.mem_fraction_static}"
        )
    if args.max_running_requests is not None and args.max_running_requests < 1:
        raise StartupError(f"ValueError: max_running_requests must be positive, got {args.max_running_requests}")
    if args.schedule_conservativeness < 0:
        raise StartupError("AssertionError: schedule_conservativeness must be non-negative")
    if args.quantization in PREQUANTIZED and args.quantization.split("_")[0] not in args.model_path.lower():
        raise StartupError(f"ValueError: Cannot find the config file for {args.quantization}")


def _by_memory(memory_gib: float, tensor: int) -> tuple[int, int]:
    """SGLang's default chunk size and largest CUDA-graph batch for a GPU of this size."""
    small = tensor < 4
    for limit, chunk, graph in (
        (20, 2048, (8, 8)),
        (35, 2048, (24, 80)),
        (60, 4096, (32, 160)),
        (160, 8192, (256, 512)),
    ):
        if memory_gib < limit:
            return chunk, graph[0] if small else graph[1]
    return 16384, 512


def configure(args: argparse.Namespace, gpu: Gpu, model: Model, memory_gib: float) -> EngineConfig:
    """The engine that these flags describe.

    Raises:
        StartupError: The flags break a rule.
    """
    check(args, model)
    chunk, graph = _by_memory(memory_gib, args.tp_size)
    chunk = chunk if args.chunked_prefill_size is None else args.chunked_prefill_size
    graph = args.cuda_graph_max_bs_decode or graph
    largest = args.max_prefill_tokens if chunk < 0 else chunk
    # Its heuristic: 1.5 MB for each token of the largest step and 2 MB for each sequence of a graph stay free.
    spare = (max(largest, 2048) * 1.5 + graph * 2) / 1024
    fraction = args.mem_fraction_static or round(max(0.5, (memory_gib - spare) / memory_gib), 3)
    fp8 = args.quantization in ("fp8", "mxfp8", "w8a8_fp8", "modelopt_fp8")
    return EngineConfig(
        dialect="sglang",
        gpu=gpu,
        model=model,
        memory_gib=memory_gib,
        tensor=args.tp_size,
        pipeline=args.pp_size,
        data=args.dp_size,
        data_attention=args.enable_dp_attention,
        memory_fraction=fraction,
        max_running=args.max_running_requests or 2048,
        step_tokens=min(largest, args.max_prefill_tokens),
        chunked=chunk > 0,
        mixed=args.enable_mixed_chunk and chunk > 0,
        policy=args.schedule_policy,
        reserve=min(1.0, 0.7 * args.schedule_conservativeness),
        graph_batch=0 if args.disable_cuda_graph else graph,
        block=args.page_size,
        context=args.context_length or model.context,
        token_limit=args.max_total_tokens,
        weight_bytes=bytes_per_weight(model, args.quantization, args.dtype),
        fp8_compute=fp8 and gpu.fp8,
        kv_bytes=1.0 if args.kv_cache_dtype.startswith("fp8") else 0.56 if "fp4" in args.kv_cache_dtype else 2.0,
        attention=BACKENDS.get(args.attention_backend or "fa3", 1.0),
        prefix_cache=not args.disable_radix_cache,
        overlap=not args.disable_overlap_schedule,
        compiled=args.enable_torch_compile,
    )
