"""Precisions, in words that every engine has its own flags for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from autotuner.api.common import EngineName
from autotuner.engines.arguments import Value

Word = Literal["weights", "kvCache", "attention", "moe"]
Words = Mapping[str, Value]

WORDS: tuple[Word, ...] = ("weights", "kvCache", "attention", "moe")
AUTO = "auto"
_DTYPES = ("float16", "bfloat16", "float32")

PRESETS: Mapping[str, Words] = {
    "default": {"weights": AUTO, "kvCache": AUTO, "attention": AUTO, "moe": AUTO},
    "kv-cache-fp8": {"weights": AUTO, "kvCache": "fp8_e5m2", "attention": AUTO, "moe": AUTO},
    "dynamic-fp8": {"weights": "fp8", "kvCache": "fp8_e5m2", "attention": "fp8", "moe": "fp8"},
    "bf16-stable": {"weights": "bfloat16", "kvCache": "fp8_e5m2", "attention": AUTO, "moe": AUTO},
    "aggressive-moe": {"weights": "bfloat16", "kvCache": "fp8_e5m2", "attention": "fp8", "moe": "w4afp8"},
}

_TOUCHED: Mapping[EngineName, Mapping[str, tuple[str, ...]]] = {
    "SGLang": {
        "weights": ("quantization", "dtype"),
        "kvCache": ("kv-cache-dtype",),
        "attention": ("attention-backend",),
        "moe": ("quantization", "moe-runner-backend"),
    },
    "VLLM": {"weights": ("quantization", "dtype"), "kvCache": ("kv-cache-dtype",)},
    "Custom": {},
}
_SGLANG_KV = {"fp8": "fp8_e5m2", "fp8_e5m2": "fp8_e5m2", "fp8_e4m3": "fp8_e4m3"}
_VLLM_KV = ("fp8", "fp8_e5m2", "fp8_e4m3", "bfloat16")

# The longest first: nvfp4 holds fp4.
_MARKS = ("nvfp4", "mxfp4", "w4afp8", "awq", "gptq", "gguf", "fp4", "fp8", "int8", "int4")


def neutral(word: str) -> Value:  # noqa: ARG001 - the families of words are asked alike
    """What a word means that is not said."""
    return AUTO


def prequantized(model: Mapping[str, Any]) -> str:
    """How the checkpoint itself is quantized; empty if it is not, as far as can be told.

    Args:
        model: spec of the OME model: its `quantization`, else what its path or source are called.
    """
    if model.get("quantization"):
        return str(model["quantization"]).lower()
    storage = model.get("storage") or {}
    called = f"{storage.get('path', '')} {storage.get('storageUri', '')}".lower()
    return next((mark for mark in _MARKS if mark in called), "")


def flags(engine: EngineName, words: Words, prequantized: str = "") -> dict[str, Value]:
    """The flags of one combination, which is not `illegal`; what is not there is left to engine and checkpoint.

    Args:
        engine: whose flags.
        words: one combination; what is not said is auto.
        prequantized: how the checkpoint is quantized already.
    """
    if engine == "Custom":
        return {}
    found: dict[str, Value] = {}
    weights, cache = str(words.get("weights", AUTO)), str(words.get("kvCache", AUTO))
    if weights in _DTYPES:
        found["dtype"] = weights
    elif weights == "int8":
        found["quantization"] = "w8a8_int8"
    elif weights == "fp8" and not prequantized:
        found["quantization"] = "fp8"
    if cache != AUTO:
        found["kv-cache-dtype"] = _SGLANG_KV[cache] if engine == "SGLang" else cache
    return found | (_sglang_kernels(words, found) if engine == "SGLang" else {})


def _sglang_kernels(words: Words, found: Mapping[str, Value]) -> dict[str, Value]:
    kernels: dict[str, Value] = {}
    if words.get("attention", AUTO) == "fp8":
        kernels["attention-backend"] = "flashinfer"
    moe = words.get("moe", AUTO)
    if moe in ("w4afp8", "mxfp4"):
        kernels["quantization"] = moe
    if moe == "mxfp4":
        kernels["moe-runner-backend"] = "flashinfer_mxfp4"
    elif moe == "fp8" and "quantization" not in found:
        kernels["moe-runner-backend"] = "flashinfer_cutlass"
    return kernels


def touched(engine: EngineName, words: Collection[str]) -> frozenset[str]:
    """All flags that these words may set."""
    return frozenset(flag for word, flags in _TOUCHED[engine].items() if word in words for flag in flags)


def illegal(engine: EngineName, words: Words, prequantized: str = "") -> str | None:
    """Why a combination cannot run; None if it can."""
    if engine == "Custom":
        return "engine Custom has no flags for quantization that are known; write them as parameters"
    said = {word: str(value) for word, value in words.items() if value != AUTO}
    weights, moe = said.get("weights", AUTO), said.get("moe", AUTO)
    if weights in ("fp8", "int8") and prequantized and prequantized != weights:
        return f"weights {weights}: the checkpoint is quantized already ({prequantized}); write auto"
    if weights == "fp8" and moe in ("w4afp8", "mxfp4") and not prequantized:
        return f"weights fp8 and moe {moe} are both quantizations of the weights; write weights auto"
    return _illegal_sglang(said) if engine == "SGLang" else _illegal_vllm(said)


def _illegal_sglang(said: Mapping[str, str]) -> str | None:
    cache = said.get("kvCache", AUTO)
    if cache != AUTO and cache not in _SGLANG_KV:
        return f"kvCache {cache}: SGLang takes fp8_e5m2 and fp8_e4m3 here; auto is the model's own type"
    if said.get("weights") == "int8" and said.get("moe") in ("w4afp8", "mxfp4"):
        return f"weights int8 and moe {said['moe']} are both quantizations of the weights; write weights auto"
    return None


def _illegal_vllm(said: Mapping[str, str]) -> str | None:
    cache = said.get("kvCache", AUTO)
    if said.get("weights") == "int8":
        return "weights int8: vLLM needs a checkpoint that is quantized so; name one in model and write auto"
    if cache != AUTO and cache not in _VLLM_KV:
        return f"kvCache {cache}: vLLM takes {', '.join(_VLLM_KV)}"
    if said.get("attention") == "fp8":
        return "attention fp8: vLLM has no such switch"
    if said.get("moe") == "w4afp8":
        return "moe w4afp8: vLLM has no such switch; it comes with the checkpoint"
    return None


_NUMERICS = frozenset({"quantization", "dtype", "kv-cache-dtype", "enable-fp32-lm-head", "torchao-config"})


def numerics_changed(changed: Iterable[str]) -> list[str]:
    """Those of the flags that change what a model answers: its quality is not measured here."""
    return sorted(flag for flag in set(changed) if flag in _NUMERICS)
