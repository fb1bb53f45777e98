"""What an engine refuses although each of its flags is right: rules over complete argument lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autotuner.api.common import EngineName

Flags = Mapping[str, str]


@dataclass(frozen=True)
class Rule:
    """One rule of an engine.

    Attributes:
        name: as a status tells it.
        reads: canonical flags that decide.
        check: why these flags cannot run together, or None; canonical flag -> value, `true` for a bare switch and
            `false` for its `--no-` form.
    """

    name: str
    reads: frozenset[str]
    check: Callable[[Flags], str | None]


def _number(flags: Flags, flag: str) -> float | None:
    try:
        return float(flags[flag])
    except (KeyError, ValueError):
        return None


def _on(flags: Flags, flag: str) -> bool:
    return flags.get(flag) == "true"


def _attention_groups(flags: Flags) -> str | None:
    """sglang/srt/server_args.py, _handle_data_parallelism: `assert self.tp_size % self.dp_size == 0`."""
    tensor, data = _number(flags, "tp-size") or 1, _number(flags, "dp-size") or 1
    if _on(flags, "enable-dp-attention") and data > 1 and tensor % data:
        return f"with --enable-dp-attention, dp-size ({data:g}) must divide tp-size ({tensor:g})"
    return None


def _expert_groups(flags: Flags) -> str | None:
    """sglang/srt/distributed/parallel_state.py: the expert groups are cut out of the tensor group."""
    tensor, expert = _number(flags, "tp-size") or 1, _number(flags, "ep-size") or 1
    return f"ep-size ({expert:g}) must divide tp-size ({tensor:g})" if tensor % expert else None


def _dense_groups(flags: Flags) -> str | None:
    """sglang/srt/server_args.py, check_server_args: `moe_dense_tp_size only support 1 and None currently`."""
    value = _number(flags, "moe-dense-tp-size")
    return f"moe-dense-tp-size ({value:g}) may only be 1" if value not in (None, 1) else None


def _pages(flags: Flags) -> str | None:
    """sglang/srt/server_args.py, check_server_args: `chunked_prefill_size must be divisible by page_size`."""
    chunk, page = _number(flags, "chunked-prefill-size"), _number(flags, "page-size") or 1
    if chunk is not None and chunk > 0 and chunk % page:
        return f"page-size ({page:g}) must divide chunked-prefill-size ({chunk:g})"
    return None


def _pipeline(flags: Flags) -> str | None:
    """sglang/srt/server_args.py, check_server_args: pipelines know neither drafts nor mixed chunks."""
    if (_number(flags, "pp-size") or 1) == 1:
        return None
    if "speculative-algorithm" in flags:
        return "pp-size above 1 and --speculative-algorithm exclude each other"
    return "pp-size above 1 and --enable-mixed-chunk exclude each other" if _on(flags, "enable-mixed-chunk") else None


def _drafts(flags: Flags) -> str | None:
    """sglang/srt/server_args.py, check_server_args: drafts are not mixed into chunks."""
    if "speculative-algorithm" in flags and _on(flags, "enable-mixed-chunk"):
        return "--speculative-algorithm and --enable-mixed-chunk exclude each other"
    return None


def _cutlass(flags: Flags) -> str | None:
    """sglang/srt/server_args.py, _handle_moe_kernel_config."""
    if flags.get("moe-runner-backend") == "flashinfer_cutlass" and flags.get("quantization") != "modelopt_fp4":
        return "moe-runner-backend flashinfer_cutlass needs quantization modelopt_fp4"
    return None


def _batch(flags: Flags) -> str | None:
    """vllm/config/scheduler.py: `max_num_batched_tokens must be greater than or equal to max_num_seqs`."""
    tokens, sequences = _number(flags, "max-num-batched-tokens"), _number(flags, "max-num-seqs")
    if tokens is not None and sequences is not None and tokens < sequences:
        return f"max-num-seqs ({sequences:g}) must not exceed max-num-batched-tokens ({tokens:g})"
    return None


def _whole_prompts(flags: Flags) -> str | None:
    """vllm/config/scheduler.py: without chunks, a batch must hold the longest sequence that is accepted."""
    tokens, longest = _number(flags, "max-num-batched-tokens"), _number(flags, "max-model-len")
    if flags.get("enable-chunked-prefill") != "false" or tokens is None or longest is None or tokens >= longest:
        return None
    return f"without chunked prefill, max-num-batched-tokens ({tokens:g}) must hold max-model-len ({longest:g})"


def _contexts(flags: Flags) -> str | None:
    """vllm/config/parallel.py: decode contexts reuse the tensor group."""
    tensor = _number(flags, "tensor-parallel-size") or 1
    context = _number(flags, "decode-context-parallel-size") or 1
    if tensor % context:
        return f"decode-context-parallel-size ({context:g}) must divide tensor-parallel-size ({tensor:g})"
    return None


def _rule(name: str, check: Callable[[Flags], str | None], *reads: str) -> Rule:
    return Rule(name, frozenset(reads), check)


RULES: Mapping[EngineName, tuple[Rule, ...]] = {
    "SGLang": (
        _rule("data parallel attention", _attention_groups, "tp-size", "dp-size", "enable-dp-attention"),
        _rule("expert parallelism", _expert_groups, "tp-size", "ep-size"),
        _rule("dense layers of a mixture", _dense_groups, "moe-dense-tp-size"),
        _rule("pages", _pages, "chunked-prefill-size", "page-size"),
        _rule(
            "pipeline parallelism",
            _pipeline,
            "pp-size",
            "speculative-algorithm",
            "enable-mixed-chunk",
        ),
        _rule("drafts", _drafts, "speculative-algorithm", "enable-mixed-chunk"),
        _rule("kernels of a mixture", _cutlass, "moe-runner-backend", "quantization"),
    ),
    "VLLM": (
        _rule("batch size", _batch, "max-num-seqs", "max-num-batched-tokens"),
        _rule("whole prompts", _whole_prompts, "max-num-batched-tokens", "max-model-len", "enable-chunked-prefill"),
        _rule("decode contexts", _contexts, "tensor-parallel-size", "decode-context-parallel-size"),
    ),
    "Custom": (),
}
