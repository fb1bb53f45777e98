"""SGLang: its command line, its rules and defaults, and its last words.

Files named without a package are those of sglang/srt, version 0.5.5 where nothing else is said. From 0.5.20 on, what
was in server_args.py is in arg_groups.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from autotuner.engines import flag_table, reserved
from autotuner.engines.arguments import Value
from autotuner.engines.combination_rules import FlagRule, Flags, is_on, number, rule
from autotuner.engines.diagnosis import LogPatterns
from autotuner.engines.engine import Accelerator, Earlier, Engine, Start
from autotuner.engines.idle_flags import idle_while
from autotuner.engines.memory import MemoryFlags
from autotuner.engines.model_rules import ModelConfig, blocks_split, heads_split, model_rule, whole_degree
from autotuner.engines.parallelism import ParallelismFlags, WordFlag, Words, degree
from autotuner.engines.quantization import QuantizationFlags, Said
from autotuner.engines.start_points import FP8_WORDS, Advice
from autotuner.engines.worth_tuning import WorthTuning, around_users, tokens_of_a_step


def _attention_groups(flags: Flags) -> str | None:
    """server_args.py, _handle_data_parallelism: `assert self.tp_size % self.dp_size == 0`.

    From 0.5.23 on attn-dp-size says how many groups there are; the old words still mean the same without it
    (arg_groups/parallel_hook.py).
    """
    tensor, data = number(flags, "tp-size") or 1, number(flags, "dp-size") or 1
    groups = number(flags, "attn-dp-size") or 1
    if groups == 1 and is_on(flags, "enable-dp-attention") and data > 1 and tensor % data:
        return f"with --enable-dp-attention, dp-size ({data:g}) must divide tp-size ({tensor:g})"
    if groups > 1 and data > 1:
        return f"dp-size ({data:g}) and attn-dp-size ({groups:g}) above 1 exclude each other"
    return f"attn-dp-size ({groups:g}) must divide tp-size ({tensor:g})" if tensor % groups else None


def _expert_groups(flags: Flags) -> str | None:
    """distributed/parallel_state.py: the expert groups are cut out of the tensor group."""
    tensor, expert = number(flags, "tp-size") or 1, number(flags, "ep-size") or 1
    return f"ep-size ({expert:g}) must divide tp-size ({tensor:g})" if tensor % expert else None


def _dense_groups(flags: Flags) -> str | None:
    """0.5.15, check_server_args: `moe_dense_tp_size only supports None, 1, or tp_size currently`."""
    value, tensor = number(flags, "moe-dense-tp-size"), number(flags, "tp-size") or 1
    return f"moe-dense-tp-size ({value:g}) may only be 1 or tp-size" if value not in (None, 1, tensor) else None


def _single_dense_group(flags: Flags) -> str | None:
    """server_args.py, check_server_args: `moe_dense_tp_size only support 1 and None currently`."""
    value = number(flags, "moe-dense-tp-size")
    return f"moe-dense-tp-size ({value:g}) may only be 1" if value not in (None, 1) else None


def _pages(flags: Flags) -> str | None:
    """server_args.py, check_server_args: `chunked_prefill_size must be divisible by page_size`."""
    chunk, page = number(flags, "chunked-prefill-size"), number(flags, "page-size") or 1
    if chunk is not None and chunk > 0 and chunk % page:
        return f"page-size ({page:g}) must divide chunked-prefill-size ({chunk:g})"
    return None


def _pipeline(flags: Flags) -> str | None:
    """0.5.23, arg_groups/validation_hook.py: of the drafts, pipelines know EAGLE's (NEXTN is that) and DSPARK's."""
    draft = flags.get("speculative-algorithm", "").upper()
    if (number(flags, "pp-size") or 1) == 1 or draft in ("", "EAGLE", "NEXTN", "DSPARK"):
        return None
    return f"pp-size above 1 and --speculative-algorithm {draft} exclude each other"


def _pipeline_without_drafts(flags: Flags) -> str | None:
    """0.5.12, check_server_args: `not compatible with overlap schedule, speculative decoding`."""
    if (number(flags, "pp-size") or 1) > 1 and "speculative-algorithm" in flags:
        return "pp-size above 1 and --speculative-algorithm exclude each other"
    return None


def _pipeline_alone(flags: Flags) -> str | None:
    """server_args.py, check_server_args: pipelines know neither drafts nor mixed chunks."""
    if (number(flags, "pp-size") or 1) > 1 and is_on(flags, "enable-mixed-chunk"):
        return "pp-size above 1 and --enable-mixed-chunk exclude each other"
    return _pipeline_without_drafts(flags)


def _cutlass(flags: Flags) -> str | None:
    """0.5.9, _handle_moe_kernel_config: `FlashInfer Cutlass MOE supports only`."""
    quantization = flags.get("quantization", "modelopt_fp4")
    if flags.get("moe-runner-backend") == "flashinfer_cutlass" and not quantization.startswith("modelopt_"):
        return f"moe-runner-backend flashinfer_cutlass has no kernel for quantization {quantization}"
    return None


def _cutlass_fp4(flags: Flags) -> str | None:
    """server_args.py, _handle_moe_kernel_config."""
    if flags.get("moe-runner-backend") == "flashinfer_cutlass" and flags.get("quantization") != "modelopt_fp4":
        return "moe-runner-backend flashinfer_cutlass needs quantization modelopt_fp4"
    return None


def _priorities(flags: Flags) -> str | None:
    """server_args.py, check_server_args: `schedule_policy must be 'fcfs' or 'lof'`; fcfs is the default."""
    policy = flags.get("schedule-policy", "fcfs")
    if is_on(flags, "enable-priority-scheduling") and policy not in ("fcfs", "lof"):
        return f"enable-priority-scheduling needs schedule-policy fcfs or lof, not {policy}"
    return None


def _devices(flags: Flags) -> str | None:
    """entrypoints/engine.py and managers/data_parallel_controller.py, gpu_id: ranks are put on numbered GPUs.

    An experiment asks for as many GPUs as there are ranks, and a pod numbers its own from 0.
    """
    tensor, stages, step = (whole_degree(flags, flag) for flag in ("tp-size", "pp-size", "gpu-id-step"))
    replicas = 1 if is_on(flags, "enable-dp-attention") else whole_degree(flags, "dp-size")
    first = int(number(flags, "base-gpu-id") or 0)
    last = first + (replicas - 1) * tensor * stages * step + (stages - 1) * tensor + (tensor - 1) * step
    gpus = tensor * stages * replicas
    if last < gpus or (first == 0 and step == 1):
        return None
    return f"base-gpu-id and gpu-id-step use GPUs up to number {last}, and an experiment's pod has {gpus}, from 0 on"


_DENSE = ("moe-dense-tp-size", "tp-size")
_PIPELINE = ("pp-size", "speculative-algorithm", "enable-mixed-chunk")
_CUTLASS = ("moe-runner-backend", "quantization")
_RULES = (
    rule("data parallel attention", _attention_groups, "tp-size", "dp-size", "attn-dp-size", "enable-dp-attention"),
    rule("expert parallelism", _expert_groups, "tp-size", "ep-size"),
    rule("dense layers of a mixture", _dense_groups, *_DENSE),
    rule("pages", _pages, "chunked-prefill-size", "page-size"),
    rule("pipeline parallelism", _pipeline, *_PIPELINE),
    rule("priorities", _priorities, "enable-priority-scheduling", "schedule-policy"),
    rule(
        "GPUs of the pod",
        _devices,
        *("base-gpu-id", "gpu-id-step", "tp-size", "pp-size", "dp-size", "enable-dp-attention"),
    ),
    rule("kernels of a mixture", _cutlass, *_CUTLASS),
)


def _heads(flags: Flags, model: ModelConfig) -> str | None:
    """models/llama.py, `assert self.total_num_heads % tp_size == 0`, and the others; layers/dp_attention.py."""
    tensor, replicas = whole_degree(flags, "tp-size"), whole_degree(flags, "attn-dp-size")
    if is_on(flags, "enable-dp-attention"):  # the older word for replicas of attention
        replicas = max(replicas, whole_degree(flags, "dp-size"))
    shared = replicas * whole_degree(flags, "attn-cp-size")
    return None if tensor % shared else heads_split(model, tensor // shared, "tp-size")


def _quantization_blocks(flags: Flags, model: ModelConfig) -> str | None:
    """layers/quantization/fp8.py: sizes that are `not divisible by weight quantization block_n`."""
    tensor = whole_degree(flags, "tp-size")
    shared = whole_degree(flags, "ep-size") * whole_degree(flags, "moe-dp-size")
    # A backend that sends tokens to experts spreads these over the whole group.
    spread = flags.get("moe-a2a-backend", "none") != "none" or tensor % shared
    dense = 1 if flags.get("moe-dense-tp-size") == "1" else tensor
    return blocks_split(model, dense, 1 if spread else tensor // shared, "tp-size")


_MODEL_RULES = (
    model_rule("heads", _heads, "tp-size", "dp-size", "enable-dp-attention", "attn-dp-size", "attn-cp-size"),
    model_rule(
        "quantization blocks",
        _quantization_blocks,
        *("tp-size", "ep-size", "moe-dp-size", "moe-dense-tp-size", "moe-a2a-backend"),
    ),
)


def _with_rule(changed: FlagRule) -> Callable[[Engine], Engine]:
    """Takes a rule in place of the one of that name."""
    return lambda newer: replace(
        newer, rules=tuple(changed if one.name == changed.name else one for one in newer.rules)
    )


# Drafts that keep mixed chunks (0.5.20, speculative/spec_info.py, supports_mixed_chunk); every other one turns them off
# with a warning (arg_groups/speculative_hook.py), and so did all before (server_args.py, _handle_speculative_decoding).
_KEEP_MIXED_CHUNKS = ("EAGLE", "EAGLE3", "NEXTN", "DFLASH", "DSPARK")


def _drafts_without_mixed_chunks(flags: Flags) -> bool:
    return flags.get("speculative-algorithm", "EAGLE").upper() not in _KEEP_MIXED_CHUNKS


def _drafts(flags: Flags) -> bool:
    return "speculative-algorithm" in flags


def _no_drafts(flags: Flags) -> bool:
    return not _drafts(flags)


def _one_replica(flags: Flags) -> bool:
    return (number(flags, "dp-size") or 1) == 1 and (number(flags, "attn-dp-size") or 1) == 1


def _no_adapters(flags: Flags) -> bool:
    return not is_on(flags, "enable-lora") and "lora-paths" not in flags


def _no_host_cache(flags: Flags) -> bool:
    return not is_on(flags, "enable-hierarchical-cache") and not is_on(
        flags, "disaggregation-decode-enable-offload-kvcache"
    )


def _no_graphs(flags: Flags) -> bool:
    return is_on(flags, "disable-cuda-graph") and "mem-fraction-static" in flags


def _no_chunks(flags: Flags) -> bool:
    size = number(flags, "chunked-prefill-size")
    return size is not None and size <= 0


def _no_expert_balance(flags: Flags) -> bool:
    recorded = is_on(flags, "enable-expert-distribution-metrics") or "expert-distribution-recorder-mode" in flags
    return not is_on(flags, "enable-eplb") and not recorded


_IDLE = (
    # server_args.py, _handle_speculative_decoding; the workers that read them are made for an algorithm only. Not
    # speculative-num-draft-tokens: model_executor/model_runner.py makes room for them in any case.
    idle_while(
        _no_drafts,
        ["speculative-algorithm"],
        *("speculative-num-steps", "speculative-eagle-topk", "speculative-attention-mode", "speculative-token-map"),
        *("speculative-accept-threshold-single", "speculative-accept-threshold-acc", "speculative-ngram-"),
    ),
    # server_args.py, _handle_data_parallelism sets both switches to False; managers/data_parallel_controller.py
    # balances, and there is none for one replica.
    idle_while(
        _one_replica, ["dp-size", "attn-dp-size"], "enable-dp-attention", "enable-dp-lm-head", "load-balance-method"
    ),
    # server_args.py, check_lora_server_args; lora/lora_manager.py is made if enable_lora.
    idle_while(
        _no_adapters,
        ["enable-lora", "lora-paths"],
        *("max-lora-rank", "max-loras-per-batch", "max-loaded-loras", "max-lora-chunk-size", "lora-target-modules"),
        *("lora-backend", "lora-eviction-policy"),
    ),
    # managers/scheduler.py, init_memory_pool_and_cache; disaggregation/decode_kvcache_offload_manager.py.
    idle_while(
        _no_host_cache, ["enable-hierarchical-cache", "disaggregation-decode-enable-offload-kvcache"], "hicache-"
    ),
    # model_executor/model_runner.py, init_device_graphs. Where nobody sets the memory fraction, it depends on the
    # graphs' batch even if there are none (server_args.py, _handle_gpu_memory_settings).
    idle_while(
        _no_graphs,
        ["disable-cuda-graph", "mem-fraction-static"],
        *("cuda-graph-max-bs", "cuda-graph-bs", "disable-cuda-graph-padding", "enable-cudagraph-gc"),
        *("cuda-graph-max-bs-decode", "cuda-graph-bs-decode"),
        "enable-profile-cuda-graph",
    ),
    # model_executor/cuda_graph_runner.py and cpu_graph_runner.py.
    idle_while(
        lambda flags: not is_on(flags, "enable-torch-compile"), ["enable-torch-compile"], "torch-compile-max-bs"
    ),
    # managers/scheduler.py: -1 turns chunks off, and without them nothing is mixed.
    idle_while(_no_chunks, ["chunked-prefill-size"], "enable-mixed-chunk"),
    idle_while(_drafts_without_mixed_chunks, ["speculative-algorithm"], "enable-mixed-chunk"),
    # managers/scheduler.py, init_memory_pool_and_cache: the cache without a tree evicts nothing.
    idle_while(lambda flags: is_on(flags, "disable-radix-cache"), ["disable-radix-cache"], "radix-eviction-policy"),
    # two_batch_overlap.py.
    idle_while(
        lambda flags: not is_on(flags, "enable-two-batch-overlap"),
        ["enable-two-batch-overlap"],
        "tbo-token-distribution-threshold",
    ),
    # model_executor/model_runner.py makes the manager of eplb/ if enable_eplb; server_args.py,
    # _handle_expert_distribution_metrics: the iterations are the recorder's buffer, too.
    idle_while(
        _no_expert_balance,
        ["enable-eplb", "enable-expert-distribution-metrics", "expert-distribution-recorder-mode"],
        *("eplb-rebalance-num-iterations", "eplb-rebalance-layers-per-chunk"),
        "eplb-min-rebalancing-utilization-threshold",
    ),
)


def _refuse_parallelism(said: Words) -> str | None:
    """server_args.py, _handle_data_parallelism and check_server_args; distributed/parallel_state.py."""
    tensor, data, expert = degree(said, "tensor"), degree(said, "data"), degree(said, "expert")
    if said.get("dataParallelAttention"):
        if data == 1:
            return "dataParallelAttention does nothing with data 1"
        if tensor % data:
            return f"with dataParallelAttention, data ({data}) must divide tensor ({tensor})"
    if tensor % expert:
        return f"expert ({expert}) must divide tensor ({tensor}): the experts are spread over the tensor group"
    return None


def _refuse_dense(said: Words, *allowed: int) -> str | None:
    dense = degree(said, "moeDenseTensor")
    if dense in (1, *allowed):
        return None
    return f"SGLang takes moeDenseTensor 1{' or that of tensor' if allowed else ''} only"


_PARALLELISM = ParallelismFlags(
    words={
        "tensor": WordFlag("tp-size"),
        "pipeline": WordFlag("pp-size"),
        "data": WordFlag("dp-size"),
        "expert": WordFlag("ep-size"),
        "moeDenseTensor": WordFlag("moe-dense-tp-size", says_neutral=False),
    },
    not_offered={"decodeContext": "SGLang does not offer decodeContext; it is vLLM's"},
    exchanged={"dataParallelAttention": {"dp-size": "attn-dp-size"}},
    refuse=lambda said: _refuse_parallelism(said) or _refuse_dense(said, degree(said, "tensor")),
)


def _with_attention_switch(newer: Engine) -> Engine:
    """A switch instead of attn-dp-size: under it, dp-size means the groups of the attention."""
    switch = WordFlag("enable-dp-attention", is_switch=True, says_neutral=False)
    flags = newer.parallelism
    words = replace(flags, words={**flags.words, "dataParallelAttention": switch}, exchanged={})
    return _with_rule(rule("pipeline parallelism", _pipeline_without_drafts, *_PIPELINE))(
        replace(newer, parallelism=words)
    )


def _with_idle_mixed_chunks(newer: Engine) -> Engine:
    """No draft keeps mixed chunks."""
    return replace(newer, idle=(*newer.idle, idle_while(_drafts, ["speculative-algorithm"], "enable-mixed-chunk")))


def _with_single_dense_group(newer: Engine) -> Engine:
    flags = replace(newer.parallelism, refuse=lambda said: _refuse_parallelism(said) or _refuse_dense(said))
    changed = rule("dense layers of a mixture", _single_dense_group, *_DENSE)
    return _with_rule(changed)(replace(newer, parallelism=flags))


_EARLIER = (
    Earlier("0.5.23", _with_attention_switch),
    Earlier("0.5.20", _with_idle_mixed_chunks),
    Earlier("0.5.15", _with_single_dense_group),
    Earlier("0.5.12", _with_rule(rule("pipeline parallelism", _pipeline_alone, *_PIPELINE))),
    Earlier("0.5.9", _with_rule(rule("kernels of a mixture", _cutlass_fp4, *_CUTLASS))),
)

_WEIGHTS: dict[str, dict[str, Value]] = {
    "float16": {"dtype": "float16"},
    "bfloat16": {"dtype": "bfloat16"},
    "float32": {"dtype": "float32"},
    "int8": {"quantization": "w8a8_int8"},
    "fp8": {"quantization": "fp8"},
}
_KV_CACHE = {"fp8": "fp8_e5m2"}  # of the two it has, the one that needs no scales of the checkpoint


def _write_quantization(said: Said) -> dict[str, Value]:
    found = dict(_WEIGHTS.get(said.get("weights", ""), {}))
    if "kvCache" in said:
        found["kv-cache-dtype"] = _KV_CACHE.get(said["kvCache"], said["kvCache"])
    if said.get("attention") == "fp8":
        found["attention-backend"] = "flashinfer"
    moe = said.get("moe", "")
    if moe in ("w4afp8", "mxfp4", "fp8"):
        found["quantization"] = moe  # SGLang has no other way to make the experts FP8; it chooses their kernels itself
    if moe == "mxfp4":
        found["moe-runner-backend"] = "flashinfer_mxfp4"
    return found


def _refuse_quantization(said: Said) -> str | None:
    if said.get("weights") == "int8" and said.get("moe") in ("w4afp8", "mxfp4", "fp8"):
        return f"weights int8 and moe {said['moe']} are both quantizations of the weights; write weights auto"
    return None


_QUANTIZATION = QuantizationFlags(
    touches={
        "weights": ("quantization", "dtype"),
        "kvCache": ("kv-cache-dtype",),
        "attention": ("attention-backend",),
        "moe": ("quantization", "moe-runner-backend"),
    },
    write=_write_quantization,
    refuse=_refuse_quantization,
    numerics=frozenset({"quantization", "dtype", "kv-cache-dtype", "enable-fp32-lm-head", "torchao-config"}),
)

_FP8 = {**FP8_WORDS, "quantization": ("fp8",), "kv-cache-dtype": ("fp8_e5m2", "fp8", "fp8_e4m3")}
_ADVICE = Advice(
    wanted={
        "throughput": {
            **_FP8,
            "max-running-requests": 256.0,
            "chunked-prefill-size": 4096.0,
            "mem-fraction-static": 0.89,
            "disable-radix-cache": (False,),
            "schedule-policy": ("lpm",),
        },
        "latency": {
            **_FP8,
            "max-running-requests": 64.0,
            "chunked-prefill-size": 8192.0,
            "speculative-algorithm": ("EAGLE3", "EAGLE", "NEXTN", "NGRAM"),
        },
        "slo": {
            **_FP8,
            "max-running-requests": 96.0,
            "chunked-prefill-size": 2048.0,
            "enable-mixed-chunk": (True,),
            "mem-fraction-static": 0.85,
        },
    },
    tensor=("tp-size", "tensor-parallel-size", "tp"),
    # CUDA graphs up to the batch: larger batches would run without them, larger graphs cost memory and time.
    at_least={"cuda-graph-max-bs": "max-running-requests", "cuda-graph-max-bs-decode": "max-running-requests"},
)

# docs/advanced_features/hyperparameter_tuning.md names these first.
_WORTH_TUNING = (
    WorthTuning(
        "mem-fraction-static",
        lambda _: (0.8, 0.85, 0.9),
        "The share of the accelerator's memory for weights and KV cache: more of it holds more requests at once, too"
        " much leaves no room for activations and ends the engine",
    ),
    WorthTuning(
        "max-running-requests",
        around_users,
        "How many requests run at once: a lower limit keeps the time per token short, a higher one keeps requests from"
        " waiting for their first",
    ),
    WorthTuning(
        "chunked-prefill-size",
        tokens_of_a_step,
        "How many tokens of a prompt are worked on at once: larger chunks fill the accelerator, smaller ones delay the"
        " answers that are under way less",
    ),
    WorthTuning(
        "schedule-policy",
        lambda _: ("lpm", "fcfs"),
        "Which waiting request goes first: the one with the longest prefix in the cache, or the one that came first",
    ),
)

# server_args.py, _handle_gpu_memory_settings: GiB of a GPU's memory, up to which -> tokens of a chunk.
_CHUNKS = ((35, 2048), (60, 4096), (160, 8192))


def _typical(accelerator: Accelerator) -> Mapping[str, Value]:
    memory = 80 if accelerator.memory_mib is None else accelerator.memory_mib / 1024
    return {
        "mem-fraction-static": 0.88,
        "chunked-prefill-size": next((size for limit, size in _CHUNKS if memory < limit), 16384),
    }


SGLANG = Engine(
    name="SGLang",
    version="",
    earlier=_EARLIER,
    label="SGLang",
    package="sglang",
    # `sglang serve` is the way of newer releases; lmsysorg/sglang starts nothing by itself.
    start=Start((("-m", "sglang.launch_server"), ("sglang", "serve")), by_image=False, key_variable="", port=30000),
    client_backend="sglang",
    cache_flush="/flush_cache",
    version_calls=("/server_info", "/get_server_info"),
    ignores_end_of_text=True,
    text_sensitive=("speculative",),
    prefix_sensitive=("radix-cache",),
    flag_documents=partial(flag_table.shipped, "sglang"),
    # server_args.py and model_executor/model_runner.py.
    json_keys=dict,
    flag_bounds={
        "mem-fraction-static": {"gt": 0, "lt": 1},
        "tensor-parallel-size": {"ge": 1},
        "pipeline-parallel-size": {"ge": 1},
        "data-parallel-size": {"ge": 1},
        "attn-dp-size": {"ge": 1},
        "expert-parallel-size": {"ge": 1},
        "chunked-prefill-size": {"ge": -1},
        "max-running-requests": {"ge": 1},
        "page-size": {"ge": 1},
        "schedule-conservativeness": {"ge": 0},
    },
    leniency=flag_table.STRICT,
    negatable=False,
    aliases={
        "tp": "tp-size",
        "tensor-parallel-size": "tp-size",
        "pp": "pp-size",
        "pipeline-parallel-size": "pp-size",
        "dp": "dp-size",
        "data-parallel-size": "dp-size",
        "ep": "ep-size",
        "expert-parallel-size": "ep-size",
        "model": "model-path",
    },
    degrees=("tp-size", "pp-size", "dp-size"),
    # Under attention data parallelism the replicas live inside the tensor-parallel group.
    folded={"enable-dp-attention": "dp-size"},
    reserved={
        "host": reserved.OPERATORS_OWN,
        "port": reserved.OPERATORS_OWN,
        "model-path": reserved.MODEL,
        "served-model-name": reserved.OPERATORS_OWN,
        "api-key": reserved.SECRET,
        "grpc-mode": reserved.NO_HTTP,
        "smg-grpc-mode": reserved.NO_HTTP,
    },
    # server_args.py: literals there, so that its parser cannot tell them from what a user says.
    defaults={
        "tp-size": 1,
        "pp-size": 1,
        "dp-size": 1,
        "attn-dp-size": 1,
        "ep-size": 1,
        "dtype": "auto",
        "kv-cache-dtype": "auto",
        "schedule-policy": "fcfs",
        "schedule-conservativeness": 1.0,
    },
    typical=_typical,
    rules=_RULES,
    model_rules=_MODEL_RULES,
    context="context-length",
    idle=_IDLE,
    advice=_ADVICE,
    worth_tuning=_WORTH_TUNING,
    memory=MemoryFlags(
        fraction="mem-fraction-static",
        default_fraction=0.93,
        dtype="dtype",
        quantization="quantization",
        splits=("tp-size", "pp-size"),
    ),
    parallelism=_PARALLELISM,
    quantization=_QUANTIZATION,
    log_patterns=LogPatterns(
        # "[2025-09-12 10:00:00 TP0] "
        decorations=(re.compile(r"\[(?P<time>(?:\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d)(?P<process>[^\]]*)\] ?"),),
        argument_modules=(re.compile(r"sglang/srt/(?:server_args\w*\.py|arg_groups/)"),),
        fatal=(re.compile(r"\bhit an exception\b"),),
        echo=(re.compile(r"Scheduler process .* (?:has )?(?:died|failed)"),),
        # model_executor/model_runner.py, load_model: a rank that waited for the others.
        peer=(
            re.compile(r"other ranks that didn't finish loading"),
            re.compile(r"scheduler died during initialization"),
        ),
        out_of_memory=(
            re.compile(r"Not enough memory\. Please try to increase --mem-fraction-static"),
            re.compile(r"(?:Prefill|Decode) out of memory\.|\bruns? out of memory\."),
        ),
        broken_model=(),
        unsupported_model=(),
        crash=(),
        kills_itself=(re.compile(r"Received sigquit from a child proc|SIGQUIT received|kill_process_tree called"),),
        draft_modules=(re.compile(r"sglang/srt/(?:speculative|lora)/"),),
        notes=(),
        version=(),  # it says none, from 0.5.5 to 0.5.23
    ),
)
