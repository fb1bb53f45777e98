"""What engines refuse for a model's heads, quantization blocks and context."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.common import EngineName
from autotuner.engines import get
from autotuner.engines.model_rules import ModelConfig
from tests.unit.task_builders import shipped

LLAMA_3B = {"num_attention_heads": 24, "num_key_value_heads": 8, "max_position_embeddings": 4096}
BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128]}
# As Qwen3-235B-A22B-FP8: 1536 over eight parts are 192, no multiple of 128.
MIXTURE = {
    "num_attention_heads": 64,
    "num_key_value_heads": 4,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "quantization_config": BLOCKS,
}
LATENT = {"num_attention_heads": 128, "num_key_value_heads": 128, "kv_lora_rank": 512}


def config(**given: Any) -> ModelConfig:
    found = ModelConfig.of({"modelConfiguration": given})
    assert found is not None
    return found


def refusals(engine: EngineName, flags: dict[str, str], model: ModelConfig) -> list[str]:
    found = []
    for rule in get(engine).model_rules:
        reason = rule.check({flag: value for flag, value in flags.items() if flag in rule.reads}, model)
        found += [reason] if reason else []
    return found


REFUSED: list[tuple[EngineName, dict[str, str], dict[str, Any], str]] = [
    (
        "SGLang",
        {"tp-size": "5"},
        LLAMA_3B,
        "the model's 24 attention heads cannot be divided by tp-size (5)",
    ),
    (
        "VLLM",
        {"tensor-parallel-size": "3"},
        LLAMA_3B,
        "the model's 8 key-value heads and tensor-parallel-size (3) do not divide each other",
    ),
    ("SGLang", {"tp-size": "6", "dp-size": "2", "enable-dp-attention": "true"}, LLAMA_3B, "8 key-value heads"),
    ("SGLang", {"tp-size": "16", "attn-dp-size": "1"}, LLAMA_3B, "24 attention heads"),
    (
        "SGLang",
        {"tp-size": "8"},
        MIXTURE,
        "the model's moe_intermediate_size (1536) over 8 parts (tp-size) does not make whole quantization blocks of"
        " 128 x 128",
    ),
    ("VLLM", {"tensor-parallel-size": "8"}, MIXTURE, "moe_intermediate_size (1536) over 8 parts"),
    ("VLLM", {"tensor-parallel-size": "64", "enable-expert-parallel": "true"}, MIXTURE, "intermediate_size (12288)"),
    (
        "VLLM",
        {"tensor-parallel-size": "8", "decode-context-parallel-size": "2"},
        LLAMA_3B,
        "decode-context-parallel-size (2) needs as many copies of the model's 8 key-value heads; with"
        " tensor-parallel-size 8 there are 1",
    ),
    (
        "VLLM",
        {"enable-chunked-prefill": "false", "max-num-batched-tokens": "512"},
        LLAMA_3B,
        "without chunked prefill, max-num-batched-tokens (512) must hold max-model-len (4096)",
    ),
    ("VLLM", {"block-size": "7"}, LLAMA_3B, "block-size (7) must be a multiple of 16"),
]


@pytest.mark.parametrize(("engine", "flags", "model", "words"), REFUSED)
def test_refuses_with_the_models_number(
    engine: EngineName, flags: dict[str, str], model: dict[str, Any], words: str
) -> None:
    (reason,) = refusals(engine, flags, config(**model))

    assert words in reason


FINE: list[tuple[EngineName, dict[str, str], dict[str, Any]]] = [
    ("SGLang", {}, LLAMA_3B),
    ("SGLang", {"tp-size": "24"}, LLAMA_3B),  # three copies of each key head
    ("VLLM", {"tensor-parallel-size": "many"}, LLAMA_3B),
    ("SGLang", {"tp-size": "16", "dp-size": "2", "enable-dp-attention": "true"}, LLAMA_3B),
    ("SGLang", {"tp-size": "16", "attn-dp-size": "2"}, LLAMA_3B),
    ("SGLang", {"tp-size": "8", "ep-size": "8"}, MIXTURE),
    ("SGLang", {"tp-size": "8", "moe-a2a-backend": "deepep"}, MIXTURE),
    ("VLLM", {"tensor-parallel-size": "8", "enable-expert-parallel": "true"}, MIXTURE),
    ("VLLM", {"tensor-parallel-size": "4"}, MIXTURE),
    ("VLLM", {"tensor-parallel-size": "8", "decode-context-parallel-size": "8", "block-size": "1"}, LATENT),
    ("VLLM", {"tensor-parallel-size": "16", "decode-context-parallel-size": "2"}, {"num_key_value_heads": 8}),
    ("VLLM", {"enable-chunked-prefill": "false"}, LLAMA_3B),
    ("VLLM", {"enable-chunked-prefill": "false", "max-num-batched-tokens": "512", "max-model-len": "512"}, LLAMA_3B),
    ("VLLM", {"block-size": "32"}, LLAMA_3B),
    ("VLLM", {"tensor-parallel-size": "5", "hf-overrides": '{"num_attention_heads": 40}'}, LLAMA_3B),
    ("Custom", {"tp-size": "5"}, LLAMA_3B),
]


@pytest.mark.parametrize(("engine", "flags", "model"), FINE)
def test_lets_pass(engine: EngineName, flags: dict[str, str], model: dict[str, Any]) -> None:
    assert refusals(engine, flags, config(**model)) == []


def test_the_text_part_of_a_model_that_reads_images_counts() -> None:
    found = config(text_config={"num_attention_heads": 32, "num_key_value_heads": 16}, num_attention_heads=7)

    assert (found.heads, found.kv_heads) == (32, 16)


@pytest.mark.parametrize("given", [None, {}, [], "{}"])
def test_nothing_is_known_without_a_config(given: object) -> None:
    assert ModelConfig.of({"modelConfiguration": given}) is None


@pytest.mark.parametrize("name", sorted(shipped().models))
def test_every_shipped_model_tells_its_heads_and_runs_as_its_presets_say(name: str) -> None:
    model = ModelConfig.of(shipped().models[name])

    assert model is not None
    assert model.heads and (model.kv_heads or model.heads == 128)
    for degree in ("1", "2", "4", "8"):
        assert not refusals("SGLang", {"tp-size": degree}, model)
        assert not refusals("VLLM", {"tensor-parallel-size": degree}, model)
