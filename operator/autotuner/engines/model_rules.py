"""What engines refuse for a model's own numbers: heads, quantization blocks and context, as its config.json tells them.

An experiment would fail in its first minute: each engine divides these numbers by its parallel degrees when it builds
the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from autotuner.engines.combination_rules import Flags, number

# Engines may overlay what the config.json says by one of these.
OVERRIDES = ("hf-overrides", "json-model-override-args", "hf-config-path")


@dataclass(frozen=True)
class ModelConfig:
    """What a model's config.json tells; 0 for a number that it does not.

    Attributes:
        heads: of attention.
        kv_heads: of keys and values; 0 also where they are one latent vector, which nobody divides.
        context: tokens of the longest sequence.
        widths: name -> inner width of the layers that are divided: dense ones, and experts.
        block: rows and columns of a quantization block; None where weights are not quantized in blocks.
    """

    heads: int
    kv_heads: int
    context: int
    widths: Mapping[str, int]
    block: tuple[int, int] | None

    @classmethod
    def of(cls, model: Mapping[str, Any]) -> ModelConfig | None:
        """The config of a model by the spec of its object; None if that does not hold it.

        Args:
            model: with `modelConfiguration`, the content of config.json or a part of it.
        """
        given = model.get("modelConfiguration")
        if not isinstance(given, Mapping) or not given:
            return None
        inner = given.get("text_config")
        text = inner if isinstance(inner, Mapping) else given  # of a model that reads images too
        quantization = text.get("quantization_config") or given.get("quantization_config")
        return cls(
            heads=_count(text, "num_attention_heads"),
            kv_heads=0 if _count(text, "kv_lora_rank") else _count(text, "num_key_value_heads"),
            context=_count(text, "max_position_embeddings"),
            widths={name: _count(text, name) for name in ("intermediate_size", "moe_intermediate_size")},
            block=_block(quantization if isinstance(quantization, Mapping) else {}),
        )


@dataclass(frozen=True)
class ModelRule:
    """One rule of an engine about a model.

    Attributes:
        name: as a status tells it.
        reads: canonical flags that decide.
        check: why these flags cannot run with the model, or None; flags as in FlagRule.
    """

    name: str
    reads: frozenset[str]
    check: Callable[[Flags, ModelConfig], str | None]

    def about(self, model: ModelConfig) -> Callable[[Flags], str | None]:
        """The check of flags alone, for one model."""
        return lambda flags: self.check(flags, model)


def model_rule(name: str, check: Callable[[Flags, ModelConfig], str | None], *reads: str) -> ModelRule:
    """Make a rule that reads the canonical flags named; it holds its tongue where flags overlay the config."""

    def unless_overridden(flags: Flags, model: ModelConfig) -> str | None:
        return None if any(flag in flags for flag in OVERRIDES) else check(flags, model)

    return ModelRule(name, frozenset({*reads, *OVERRIDES}), unless_overridden)


def whole_degree(flags: Flags, flag: str) -> int:
    """A parallel degree; 1 where nobody says one that makes sense."""
    value = number(flags, flag) or 1
    return int(value) if value >= 1 and value == int(value) else 1


def heads_split(model: ModelConfig, degree: int, flag: str) -> str | None:
    """Why attention cannot be divided: each part needs as many heads, and whole key heads or one that is copied."""
    if model.heads and model.heads % degree:
        return f"the model's {model.heads} attention heads cannot be divided by {flag} ({degree})"
    if model.kv_heads and model.kv_heads % degree and degree % model.kv_heads:
        return f"the model's {model.kv_heads} key-value heads and {flag} ({degree}) do not divide each other"
    return None


def blocks_split(model: ModelConfig, dense: int, experts: int, flag: str) -> str | None:
    """Why weights that are quantized in blocks cannot be divided: each part needs whole blocks.

    Args:
        model: its config.
        dense: parts of a dense layer.
        experts: parts of one expert.
        flag: that decides, for the message.
    """
    if model.block is None:
        return None
    for name, parts in (("intermediate_size", dense), ("moe_intermediate_size", experts)):
        width = model.widths[name]
        if width and (width % parts or any(width // parts % side for side in model.block)):
            sides = " x ".join(map(str, model.block))
            return (
                f"the model's {name} ({width}) over {parts} parts ({flag}) does not make whole quantization blocks of"
                f" {sides}"
            )
    return None


def _count(config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _block(quantization: Mapping[str, Any]) -> tuple[int, int] | None:
    match quantization.get("weight_block_size"):
        case [int(rows), int(columns)] if rows > 0 and columns > 0:
            return rows, columns
    return None
