"""Precisions, in words that every engine has its own flags for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from autotuner.engines.arguments import Value

Word = Literal["weights", "kvCache", "attention", "moe"]
Words = Mapping[str, Value]
Said = Mapping[str, str]  # word -> its value, of words that are not auto

AUTO = "auto"

PRESETS: Mapping[str, Words] = {
    "default": {"weights": AUTO, "kvCache": AUTO, "attention": AUTO, "moe": AUTO},
    "kv-cache-fp8": {"weights": AUTO, "kvCache": "fp8_e5m2", "attention": AUTO, "moe": AUTO},
    "dynamic-fp8": {"weights": "fp8", "kvCache": "fp8_e5m2", "attention": "fp8", "moe": "fp8"},
    "bf16-stable": {"weights": "bfloat16", "kvCache": "fp8_e5m2", "attention": AUTO, "moe": AUTO},
    "aggressive-moe": {"weights": "bfloat16", "kvCache": "fp8_e5m2", "attention": "fp8", "moe": "w4afp8"},
}

# The longest first: nvfp4 holds fp4.
# How their makers publish models of these architectures, where nothing else says it. A copy in 16 bits is named so.
_PUBLISHED = {"GptOssForCausalLM": "mxfp4"}
# The large ones of these too, but smaller ones of others are not.
_MOSTLY = {"DeepseekV3ForCausalLM": "fp8", "DeepseekV32ForCausalLM": "fp8"}
_IN_16_BITS = ("bf16", "bfloat16", "fp16", "float16")
_MARKS = ("nvfp4", "mxfp4", "w4afp8", "awq", "gptq", "gguf", "fp4", "fp8", "int8", "int4")


def neutral(word: str) -> Value:  # noqa: ARG001 - the families of words are asked alike
    """What a word means that is not said."""
    return AUTO


def prequantized(model: Mapping[str, Any]) -> str:
    """How the checkpoint itself is quantized; empty if it is not, as far as can be told.

    Args:
        model: spec of the model's object: its `quantization`, else its config.json, else what its path or source are
            called, else its architecture.
    """
    if model.get("quantization"):
        return str(model["quantization"]).lower()
    if method := _in_config(model.get("modelConfiguration")):
        return method
    called = _called(model)
    if mark := next((mark for mark in _MARKS if mark in called), ""):
        return mark
    return _published(model, _PUBLISHED)


def lightest(model: Mapping[str, Any]) -> str:
    """How the checkpoint is quantized, if perhaps it is; else as `prequantized`."""
    return prequantized(model) or _published(model, _MOSTLY)


def _published(model: Mapping[str, Any], known: Mapping[str, str]) -> str:
    """By its architecture, unless its path or source says 16 bits."""
    return (
        ""
        if any(mark in _called(model) for mark in _IN_16_BITS)
        else known.get(str(model.get("modelArchitecture")), "")
    )


def _called(model: Mapping[str, Any]) -> str:
    storage = model.get("storage") or {}
    return f"{storage.get('path', '')} {storage.get('storageUri', '')}".lower()


def _in_config(config: Any) -> str:
    """What a model's config.json calls its quantization; empty if it does not say."""
    told = config.get("quantization_config") if isinstance(config, Mapping) else None
    return str(told.get("quant_method") or "").lower() if isinstance(told, Mapping) else ""


@dataclass(frozen=True)
class QuantizationFlags:
    """An engine's flags for the words of quantization.

    Attributes:
        touches: word -> all flags that it may set.
        write: the flags of words that are not auto; asked about single words that cannot run too, which then say
            what no engine has.
        refuse: why words that are not auto cannot run together; None if they can.
        numerics: canonical flags that change what a model answers.
    """

    touches: Mapping[Word, tuple[str, ...]]
    write: Callable[[Said], dict[str, Value]]
    refuse: Callable[[Said], str | None]
    numerics: frozenset[str]

    def flags(self, words: Words, prequantized: str = "") -> dict[str, Value]:
        """The flags of one combination, which is not `illegal`; what is not there is left to engine and checkpoint.

        Args:
            words: one combination; what is not said is auto.
            prequantized: how the checkpoint is quantized already.
        """
        said = _said(words)
        if prequantized:
            said = {word: value for word, value in said.items() if word not in ("weights", "moe") or value != "fp8"}
        return self.write(said)

    def touched(self, words: Collection[str]) -> frozenset[str]:
        """All flags that these words may set."""
        return frozenset(flag for word, flags in self.touches.items() if word in words for flag in flags)

    def saying(self, flag: str, words: Words) -> str:
        """The words that set one of their flags, as `weights fp8 and moe fp8`."""
        said = _said(words)
        return " and ".join(f"{word} {value}" for word, value in said.items() if flag in self.touched([word]))

    def illegal(self, words: Words, prequantized: str = "") -> str | None:
        """Why a combination cannot run, whatever the engine's release; None if it can."""
        said = _said(words)
        weights, moe = said.get("weights", AUTO), said.get("moe", AUTO)
        for word, value in (("weights", weights), ("moe", moe)):
            if value in ("fp8", "int8") and prequantized and prequantized != value:
                return f"{word} {value}: the checkpoint is quantized already ({prequantized}); write auto"
        if weights == "fp8" and moe in ("w4afp8", "mxfp4") and not prequantized:
            return f"weights fp8 and moe {moe} are both quantizations of the weights; write weights auto"
        return self.refuse(said)

    def numerics_changed(self, changed: Iterable[str]) -> list[str]:
        """Select the flags that change what a model answers, for its quality is not measured here."""
        return sorted(self.numerics.intersection(changed))


def _said(words: Words) -> dict[str, str]:
    return {word: str(value) for word, value in words.items() if value != AUTO}
