"""vLLM: its command line, its rules and defaults, and its last words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from autotuner.engines import flag_table, json_flags, reserved
from autotuner.engines.arguments import Value
from autotuner.engines.combination_rules import Flags, is_on, number, rule
from autotuner.engines.diagnosis import LogPatterns
from autotuner.engines.engine import Accelerator, Earlier, Engine, Start
from autotuner.engines.flag_table import Leniency
from autotuner.engines.idle_flags import idle_while
from autotuner.engines.memory import MemoryFlags
from autotuner.engines.model_rules import ModelConfig, blocks_split, heads_split, model_rule, whole_degree
from autotuner.engines.parallelism import ParallelismFlags, WordFlag, Words, degree
from autotuner.engines.quantization import QuantizationFlags, Said
from autotuner.engines.start_points import FP8_WORDS, Advice
from autotuner.engines.worth_tuning import WorthTuning, around_users, tokens_of_a_step

_TENSOR = "tensor-parallel-size"


def _batch(flags: Flags) -> str | None:
    """vllm/config/scheduler.py: `max_num_batched_tokens must be greater than or equal to max_num_seqs`."""
    tokens, sequences = number(flags, "max-num-batched-tokens"), number(flags, "max-num-seqs")
    if tokens is not None and sequences is not None and tokens < sequences:
        return f"max-num-seqs ({sequences:g}) must not exceed max-num-batched-tokens ({tokens:g})"
    return None


def _whole_prompts(flags: Flags) -> str | None:
    """vllm/config/scheduler.py: without chunks, a batch must hold the longest sequence that is accepted."""
    tokens, longest = number(flags, "max-num-batched-tokens"), number(flags, "max-model-len")
    if flags.get("enable-chunked-prefill") != "false" or tokens is None or longest is None or tokens >= longest:
        return None
    return f"without chunked prefill, max-num-batched-tokens ({tokens:g}) must hold max-model-len ({longest:g})"


def _contexts(flags: Flags) -> str | None:
    """vllm/config/parallel.py: decode contexts reuse the tensor group."""
    tensor = number(flags, "tensor-parallel-size") or 1
    context = number(flags, "decode-context-parallel-size") or 1
    if tensor % context:
        return f"decode-context-parallel-size ({context:g}) must divide tensor-parallel-size ({tensor:g})"
    return None


def _expert_balance(flags: Flags) -> str | None:
    """vllm/config/parallel.py: `enable_expert_parallel must be True to use EPLB`, and there must be several ranks."""
    if not is_on(flags, "enable-eplb"):
        return None
    if not is_on(flags, "enable-expert-parallel"):
        return "enable-eplb needs enable-expert-parallel"
    several = any((number(flags, flag) or 1) > 1 for flag in (_TENSOR, "data-parallel-size"))
    return None if several else f"enable-eplb needs {_TENSOR} or data-parallel-size above 1"


_WHOLE_PROMPTS = ("max-num-batched-tokens", "max-model-len", "enable-chunked-prefill")
_RULES = (
    rule("batch size", _batch, "max-num-seqs", "max-num-batched-tokens"),
    rule("whole prompts", _whole_prompts, *_WHOLE_PROMPTS),
    rule("expert balance", _expert_balance, "enable-eplb", "enable-expert-parallel", _TENSOR, "data-parallel-size"),
    rule("decode contexts", _contexts, "tensor-parallel-size", "decode-context-parallel-size"),
)


def _heads(flags: Flags, model: ModelConfig) -> str | None:
    """vllm/config/model.py, verify_with_parallel_config; the attention of vllm/model_executor/models/llama.py."""
    tensor = whole_degree(flags, _TENSOR)
    if reason := heads_split(model, tensor, _TENSOR):
        return reason
    context = whole_degree(flags, "decode-context-parallel-size")
    if context > 1 and model.kv_heads and context > tensor // model.kv_heads:
        return (
            f"decode-context-parallel-size ({context}) needs as many copies of the model's {model.kv_heads} key-value"
            f" heads; with {_TENSOR} {tensor} there are {tensor // model.kv_heads}"
        )
    return None


def _quantization_blocks(flags: Flags, model: ModelConfig) -> str | None:
    """vllm/model_executor/layers/quantization/utils/fp8_utils.py, validate_fp8_block_shape and ..._moe."""
    tensor = whole_degree(flags, _TENSOR)
    experts = 1 if is_on(flags, "enable-expert-parallel") else tensor
    return blocks_split(model, tensor, experts, _TENSOR)


def _one_batch(flags: Flags, model: ModelConfig) -> str | None:
    """vllm/config/scheduler.py, verify_max_model_len: without a flag, the model's context is what a batch must hold."""
    if "max-model-len" in flags or not model.context:
        return None
    return _whole_prompts({**flags, "max-model-len": str(model.context)})


def _cache_blocks(flags: Flags, model: ModelConfig) -> str | None:
    """vllm/v1/attention/backends: all that read key-value heads take multiples of 16, except tree_attn.py."""
    size = number(flags, "block-size")
    if size is None or not size % 16 or not model.kv_heads or "TREE" in flags.get("attention-backend", ""):
        return None
    return f"block-size ({size:g}) must be a multiple of 16"


_MODEL_RULES = (
    model_rule("heads", _heads, _TENSOR, "decode-context-parallel-size"),
    model_rule("quantization blocks", _quantization_blocks, _TENSOR, "enable-expert-parallel"),
    model_rule("whole prompts of the model", _one_batch, *_WHOLE_PROMPTS),
    model_rule("cache blocks", _cache_blocks, "block-size", "attention-backend"),
)


_IDLE = (
    # vllm/engine/arg_utils.py, create_engine_config: there is a LoRAConfig only if enable_lora.
    idle_while(
        lambda flags: not is_on(flags, "enable-lora"),
        ["enable-lora"],
        *("max-loras", "max-lora-rank", "max-cpu-loras", "lora-dtype", "lora-target-modules", "fully-sharded-loras"),
    ),
    # vllm/config/vllm.py, __post_init__: enforce_eager empties the sizes.
    idle_while(
        lambda flags: is_on(flags, "enforce-eager"),
        ["enforce-eager"],
        *("cudagraph-capture-sizes", "max-cudagraph-capture-size"),
    ),
    # vllm/config/cache.py: "KV offloading is only activated when kv_offloading_size is set".
    idle_while(lambda flags: "kv-offloading-size" not in flags, ["kv-offloading-size"], "kv-offloading-backend"),
    # vllm/config/cache.py: "Set the hash algorithm for prefix caching".
    idle_while(
        lambda flags: flags.get("enable-prefix-caching") == "false",
        ["enable-prefix-caching"],
        "prefix-caching-hash-algo",
    ),
    # vllm/config/scheduler.py: "If set to true and chunked prefill is enabled".
    idle_while(
        lambda flags: flags.get("enable-chunked-prefill") == "false",
        ["enable-chunked-prefill"],
        "disable-chunked-mm-input",
    ),
    # vllm/config/parallel.py: micro-batches are cut by either flag, the thresholds say when.
    idle_while(
        lambda flags: not is_on(flags, "enable-dbo") and "ubatch-size" not in flags,
        ["enable-dbo", "ubatch-size"],
        *("dbo-decode-token-threshold", "dbo-prefill-token-threshold"),
    ),
)


def _refuse_parallelism(said: Words) -> str | None:
    """vllm/config/parallel.py: the expert degree follows from the others, contexts share the tensor group."""
    tensor, data, expert = degree(said, "tensor"), degree(said, "data"), degree(said, "expert")
    context = degree(said, "decodeContext")
    if expert not in (1, tensor * data):
        return f"vLLM's expert degree is always tensor x data ({tensor * data}); write that, or 1 for none"
    if tensor % context:
        return f"decodeContext ({context}) must divide tensor ({tensor}): it reuses the tensor group"
    return None


_PARALLELISM = ParallelismFlags(
    words={
        "tensor": WordFlag("tensor-parallel-size"),
        "pipeline": WordFlag("pipeline-parallel-size"),
        "data": WordFlag("data-parallel-size"),
        "decodeContext": WordFlag("decode-context-parallel-size"),
        "expert": WordFlag("enable-expert-parallel", is_switch=True),
    },
    not_offered={
        "moeDenseTensor": "vLLM does not offer moeDenseTensor; it is SGLang's",
        "dataParallelAttention": (
            "vLLM has no switch for dataParallelAttention: with data and expert it is how vLLM works anyway"
        ),
    },
    exchanged={},
    refuse=_refuse_parallelism,
)

_WEIGHTS: dict[str, dict[str, Value]] = {
    "float16": {"dtype": "float16"},
    "bfloat16": {"dtype": "bfloat16"},
    "float32": {"dtype": "float32"},
    "fp8": {"quantization": "fp8"},
}
# Words that it writes otherwise: config/cache.py, CacheDType.
_KV_CACHE = {"fp16": "float16", "int8": "int8_per_token_head", "int4": "int4_per_token_head"}


def _write_quantization(said: Said) -> dict[str, Value]:
    found = dict(_WEIGHTS.get(said.get("weights", ""), {}))
    if "kvCache" in said:
        found["kv-cache-dtype"] = _KV_CACHE.get(said["kvCache"], said["kvCache"])
    return found


def _refuse_quantization(said: Said) -> str | None:
    if said.get("weights") == "int8":
        return "weights int8: vLLM needs a checkpoint that is quantized so; name one in model and write auto"
    if said.get("attention") == "fp8":
        return "attention fp8: vLLM has no such switch"
    if said.get("moe") == "w4afp8":
        return "moe w4afp8: vLLM has no such switch; it comes with the checkpoint"
    return None


_QUANTIZATION = QuantizationFlags(
    touches={"weights": ("quantization", "dtype"), "kvCache": ("kv-cache-dtype",)},
    write=_write_quantization,
    refuse=_refuse_quantization,
    numerics=frozenset({"quantization", "dtype", "kv-cache-dtype"}),
)

_FP8 = {**FP8_WORDS, "quantization": ("fp8",), "kv-cache-dtype": ("fp8_e5m2", "fp8", "fp8_e4m3")}
_ADVICE = Advice(
    wanted={
        "throughput": {
            **_FP8,
            "max-num-seqs": 256.0,
            "max-num-batched-tokens": 4096.0,
            "gpu-memory-utilization": 0.9,
            "enable-prefix-caching": (True,),
        },
        "latency": {**_FP8, "max-num-seqs": 64.0, "max-num-batched-tokens": 8192.0},
        "slo": {
            **_FP8,
            "max-num-seqs": 96.0,
            "max-num-batched-tokens": 2048.0,
            "enable-chunked-prefill": (True,),
            "gpu-memory-utilization": 0.88,
        },
    },
    tensor=("tensor-parallel-size", "tp"),
    at_least={},
)

# docs/configuration/optimization.md names these.
_WORTH_TUNING = (
    WorthTuning(
        "gpu-memory-utilization",
        lambda _: (0.85, 0.9, 0.95),
        "The share of the accelerator's memory for weights and KV cache: more of it holds more requests at once, too"
        " much leaves no room for activations and ends the engine",
    ),
    WorthTuning(
        "max-num-seqs",
        around_users,
        "How many requests run at once: a lower limit keeps the time per token short, a higher one keeps requests from"
        " waiting for their first",
    ),
    WorthTuning(
        "max-num-batched-tokens",
        tokens_of_a_step,
        "How many tokens a step works on, prompts in chunks and answers together: more of them fill the accelerator,"
        " fewer keep the time per token short",
    ),
)


def _typical(
    accelerator: Accelerator, *, small: tuple[str, ...] = ("a100", "gb10"), tiers: bool = True
) -> Mapping[str, Value]:
    """vllm/engine/arg_utils.py, get_batch_defaults, for a server on a GPU; the rest by the model.

    Args:
        accelerator: one of unknown memory counts as one of 80 GiB.
        small: products that count as small, however much memory they have.
        tiers: from 160 GiB on, batches are larger still.
    """
    memory = 80 if accelerator.memory_mib is None else accelerator.memory_mib / 1024
    large = memory >= 70 and not any(name in accelerator.product.lower() for name in small)
    largest = 16384 if tiers and memory >= 160 else 8192
    return {
        "max-num-batched-tokens": largest if large else 2048,
        "max-num-seqs": 1024 if large else 256,
        "block-size": 16,
        "enable-chunked-prefill": True,
        "enable-prefix-caching": True,
    }


VLLM = Engine(
    name="VLLM",
    version="",
    # Its rules are those of vllm/config, which have not changed since 0.11; what its flags are called, take and mean
    # without a word is told by the tables of the releases.
    earlier=(
        Earlier("0.33.0", lambda engine: replace(engine, typical=partial(_typical, small=("a100",)))),
        Earlier("0.28.0", lambda engine: replace(engine, typical=partial(_typical, small=("a100",), tiers=False))),
        # vllm/config/cache.py
        Earlier("0.20.1", lambda engine: replace(engine, memory=replace(engine.memory, default_fraction=0.9))),
    ),
    label="vLLM",
    package="vllm",
    # The module was the way until 0.10 and still works; vllm/vllm-openai starts the server by itself.
    start=Start(
        (
            ("vllm", "serve"),
            ("-m", "vllm.entrypoints.openai.api_server"),
            ("-m", "vllm.entrypoints.cli.main", "serve"),
        ),
        by_image=True,
        key_variable="VLLM_API_KEY",
        port=8000,
    ),
    client_backend="vllm",
    cache_flush="",
    version_calls=("/version",),
    ignores_end_of_text=True,
    text_sensitive=("speculative",),
    prefix_sensitive=("prefix-caching",),
    flag_documents=partial(flag_table.shipped, "vllm"),
    # vllm/config/parallel.py: what the number of processes is the product of.
    json_keys=partial(json_flags.shipped, "vllm"),
    flag_bounds={
        "tensor-parallel-size": {"ge": 1},
        "pipeline-parallel-size": {"ge": 1},
        "data-parallel-size": {"ge": 1},
        "decode-context-parallel-size": {"ge": 1},
        "max-model-len": {"ge": -1},
    },
    # vllm/utils/argparse_utils.py; -O3 is a level.
    leniency=Leniency(underscores=True, json_parts=True, one_word=re.compile(r"-O[0-3]?")),
    negatable=True,
    aliases={},
    # Decode context parallelism reuses the tensor-parallel group, so it does not multiply.
    degrees=("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size"),
    folded={},
    reserved={
        "host": reserved.OPERATORS_OWN,
        "port": reserved.OPERATORS_OWN,
        "model": reserved.MODEL,
        "served-model-name": reserved.OPERATORS_OWN,
        "api-key": reserved.SECRET,
        "grpc": reserved.NO_HTTP,
    },
    # vllm/config/cache.py, model.py, parallel.py and scheduler.py.
    defaults={
        "tensor-parallel-size": 1,
        "pipeline-parallel-size": 1,
        "data-parallel-size": 1,
        "decode-context-parallel-size": 1,
        "enable-expert-parallel": False,
        "dtype": "auto",
        "kv-cache-dtype": "auto",
        "scheduling-policy": "fcfs",
        "enforce-eager": False,
    },
    typical=_typical,
    rules=_RULES,
    model_rules=_MODEL_RULES,
    context="max-model-len",
    idle=_IDLE,
    advice=_ADVICE,
    worth_tuning=_WORTH_TUNING,
    memory=MemoryFlags(
        fraction="gpu-memory-utilization",
        default_fraction=0.92,
        dtype="dtype",
        quantization="quantization",
        splits=("tensor-parallel-size", "pipeline-parallel-size"),
    ),
    parallelism=_PARALLELISM,
    quantization=_QUANTIZATION,
    log_patterns=LogPatterns(
        # "(EngineCore_0 pid=272) ERROR 09-12 10:00:00 [core.py:700] "
        decorations=(
            re.compile(r"\((?P<process>[\w ]+?pid=\d+)\) ?"),
            re.compile(
                r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) (?P<time>\d\d-\d\d \d\d:\d\d:\d\d)"
                r" (?:\[[^\]]*\] ?|\w+\.py:\d+\] ?)?"
            ),
        ),
        argument_modules=(re.compile(r"vllm/(?:config/|engine/arg_utils\.py|entrypoints/openai/cli_args\.py)"),),
        fatal=(
            re.compile(r"EngineCore (?:failed to start|encountered a fatal error)"),
            re.compile(r"WorkerProc (?:failed to start|hit an exception)"),
        ),
        echo=(
            re.compile(
                r"[Ss]ee (?:root cause|stack trace)(?: above| \(above\))?|check the stack trace above|EngineDeadError"
            ),
            re.compile(r"Engine(?:Core)? (?:loop )?(?:has died|is not running|process failed to start)"),
        ),
        peer=(re.compile(r"^RuntimeError: cancelled$|RPC call to \w+ timed out"),),
        out_of_memory=(
            re.compile(r"No available memory for the cache blocks"),
            re.compile(r"larger than the (?:available KV cache memory|maximum number of tokens that can be stored)"),
            re.compile(r"Free memory on device .* is less than desired GPU memory utilization"),
        ),
        broken_model=(re.compile(r"Invalid repository ID or local directory"),),
        unsupported_model=(),
        crash=(),
        kills_itself=(),
        draft_modules=(re.compile(r"vllm/(?:config/speculative\.py|v1/spec_decode/|lora/)|speculators"),),
        notes=(),
        version=(
            re.compile(r"^vLLM API server version (\d\S*)"),  # 0.11.2, entrypoints/openai/api_server.py
            re.compile(r"^[ ▄▀█]+  version (\d\S*)"),  # from 0.15.1 on, beside a picture; entrypoints/utils.py
            re.compile(r"^Initializing a V1 LLM engine \(v(\d[^\s)]*)\) with config"),  # v1/engine/core.py
        ),
    ),
)
