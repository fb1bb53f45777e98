"""Words of quantization: the flags of both engines, what cannot run, and checkpoints that are quantized already."""

from __future__ import annotations

from typing import Any, cast

import pytest

from autotuner.api.common import EngineName
from autotuner.engines import EngineVersion, get, with_parsers
from autotuner.engines.arguments import Value
from autotuner.engines.quantization import PRESETS, Words, prequantized

FLAGS: list[tuple[EngineName, Words, str, dict[str, Value]]] = [
    ("SGLang", {"weights": "auto", "kvCache": "auto", "attention": "auto", "moe": "auto"}, "", {}),
    ("VLLM", {"weights": "auto", "kvCache": "auto", "attention": "auto", "moe": "auto"}, "", {}),
    ("SGLang", {"weights": "fp8"}, "", {"quantization": "fp8"}),
    ("VLLM", {"weights": "fp8"}, "", {"quantization": "fp8"}),
    ("SGLang", {"weights": "fp8"}, "fp8", {}),
    ("VLLM", {"weights": "fp8"}, "fp8", {}),
    ("SGLang", {"weights": "float16"}, "", {"dtype": "float16"}),
    ("SGLang", {"weights": "bfloat16"}, "", {"dtype": "bfloat16"}),
    ("SGLang", {"weights": "float32"}, "", {"dtype": "float32"}),
    ("VLLM", {"weights": "float16"}, "", {"dtype": "float16"}),
    ("VLLM", {"weights": "bfloat16"}, "", {"dtype": "bfloat16"}),
    ("VLLM", {"weights": "float32"}, "", {"dtype": "float32"}),
    ("SGLang", {"weights": "int8"}, "", {"quantization": "w8a8_int8"}),
    ("SGLang", {"kvCache": "fp8"}, "", {"kv-cache-dtype": "fp8_e5m2"}),
    ("SGLang", {"kvCache": "fp8_e5m2"}, "", {"kv-cache-dtype": "fp8_e5m2"}),
    ("SGLang", {"kvCache": "fp8_e4m3"}, "", {"kv-cache-dtype": "fp8_e4m3"}),
    ("VLLM", {"kvCache": "fp8"}, "", {"kv-cache-dtype": "fp8"}),
    ("VLLM", {"kvCache": "fp8_e5m2"}, "", {"kv-cache-dtype": "fp8_e5m2"}),
    ("VLLM", {"kvCache": "fp8_e4m3"}, "", {"kv-cache-dtype": "fp8_e4m3"}),
    ("VLLM", {"kvCache": "bfloat16"}, "", {"kv-cache-dtype": "bfloat16"}),
    ("VLLM", {"kvCache": "fp16"}, "", {"kv-cache-dtype": "float16"}),
    ("VLLM", {"kvCache": "int8"}, "", {"kv-cache-dtype": "int8_per_token_head"}),
    ("VLLM", {"kvCache": "int4"}, "", {"kv-cache-dtype": "int4_per_token_head"}),
    ("SGLang", {"kvCache": "bfloat16"}, "", {"kv-cache-dtype": "bfloat16"}),
    ("SGLang", {"attention": "fp8"}, "", {"attention-backend": "flashinfer"}),
    ("SGLang", {"moe": "w4afp8"}, "", {"quantization": "w4afp8"}),
    ("SGLang", {"moe": "mxfp4"}, "", {"quantization": "mxfp4", "moe-runner-backend": "flashinfer_mxfp4"}),
    ("VLLM", {"moe": "mxfp4"}, "", {}),
    ("SGLang", {"moe": "fp8"}, "", {"quantization": "fp8"}),
    ("SGLang", {"moe": "fp8", "weights": "fp8"}, "", {"quantization": "fp8"}),
    ("SGLang", {"moe": "fp8"}, "fp8", {}),
    ("VLLM", {"moe": "fp8"}, "", {}),
]


@pytest.mark.parametrize(("engine", "words", "checkpoint", "want"), FLAGS)
def test_a_word_is_the_engines_flags(engine: EngineName, words: Words, checkpoint: str, want: dict[str, Value]) -> None:
    quantization = get(engine).quantization

    assert get(engine).impossible_precision(words, checkpoint) is None
    assert quantization.flags(words, checkpoint) == want
    assert set(want) <= quantization.touched(words)


ILLEGAL: list[tuple[EngineName, Words, str, str]] = [
    ("SGLang", {"kvCache": "fp16"}, "", "kvCache fp16: SGLang 0.5.23 takes it as --kv-cache-dtype, where fp16 is none"),
    ("SGLang", {"kvCache": "int8"}, "", "kvCache int8: SGLang 0.5.23 takes it as --kv-cache-dtype, where int8 is none"),
    ("SGLang", {"kvCache": "int4"}, "", "kvCache int4: SGLang 0.5.23 takes it as --kv-cache-dtype, where int4 is none"),
    ("VLLM", {"weights": "int8"}, "", "needs a checkpoint"),
    ("VLLM", {"attention": "fp8"}, "", "no such switch"),
    ("VLLM", {"moe": "w4afp8"}, "", "no such switch"),
    ("SGLang", {"weights": "fp8"}, "awq", "quantized already (awq)"),
    ("SGLang", {"weights": "fp8", "moe": "w4afp8"}, "", "both quantizations"),
    ("SGLang", {"weights": "int8", "moe": "mxfp4"}, "", "both quantizations"),
    ("SGLang", {"moe": "fp8"}, "awq", "moe fp8: the checkpoint is quantized already (awq)"),
    ("Custom", {"weights": "fp8"}, "", "write them as parameters"),
]


@pytest.mark.parametrize(("engine", "words", "checkpoint", "reason"), ILLEGAL)
def test_what_cannot_run_is_told(engine: EngineName, words: Words, checkpoint: str, reason: str) -> None:
    assert reason in (get(engine).impossible_precision(words, checkpoint) or "")


KV_CACHES = ("fp8", "fp8_e5m2", "fp8_e4m3", "fp16", "bfloat16", "int8", "int4")
EIGHT_BITS = {"fp8", "fp8_e5m2", "fp8_e4m3", "bfloat16"}
# Each known release, and the precisions of the KV cache that it takes: its parser's choices; of vLLM 0.33.0, which has
# none, config/cache.py.
RELEASES: list[tuple[EngineName, str, set[str]]] = [
    *((cast(EngineName, "SGLang"), table.version, EIGHT_BITS) for table in get("SGLang").tables),
    ("VLLM", "0.11.2", EIGHT_BITS),
    ("VLLM", "0.15.1", EIGHT_BITS),
    ("VLLM", "0.20.1", EIGHT_BITS | {"fp16", "int8"}),
    ("VLLM", "0.24.0", EIGHT_BITS | {"fp16", "int8"}),
    ("VLLM", "0.28.0", EIGHT_BITS | {"fp16", "int8", "int4"}),
    ("VLLM", "0.32.0", EIGHT_BITS | {"fp16", "int8", "int4"}),
    ("VLLM", "0.33.0", EIGHT_BITS | {"fp16", "int8", "int4"}),
]


def test_every_known_release_is_in_the_table() -> None:
    assert [(engine, version) for engine, version, _ in RELEASES] == [
        (engine.name, table.version) for engine in with_parsers() for table in engine.tables
    ]


@pytest.mark.parametrize(("engine", "version", "taken"), RELEASES)
def test_what_a_release_takes_as_the_caches_precision(engine: EngineName, version: str, taken: set[str]) -> None:
    release = get(EngineVersion(engine, version))

    assert {word for word in KV_CACHES if release.impossible_precision({"kvCache": word}) is None} == taken


@pytest.mark.parametrize(("engine", "version"), [(engine, version) for engine, version, _ in RELEASES])
def test_every_other_precision_is_one_in_every_release(engine: EngineName, version: str) -> None:
    release = get(EngineVersion(engine, version))

    for words, legal in ((words, not get(engine).quantization.illegal(words)) for words in OTHERS):
        assert (release.impossible_precision(words) is None) == legal, words


OTHERS: list[Words] = [
    *({"weights": word} for word in ("fp8", "float16", "bfloat16", "float32", "int8")),
    *({"moe": word} for word in ("fp8", "w4afp8", "mxfp4")),
    {"attention": "fp8"},
]


MODELS: list[tuple[dict[str, Any], str]] = [
    ({"quantization": "fp8"}, "fp8"),
    ({"quantization": "FP8", "storage": {"path": "/models/x-awq"}}, "fp8"),
    ({"storage": {"storageUri": "hf://nvidia/Llama-3.1-8B-Instruct-NVFP4"}}, "nvfp4"),
    ({"storage": {"path": "/raid/models/qwen-32b-AWQ"}}, "awq"),
    ({"storage": {"path": "/raid/models/x-gptq"}}, "gptq"),
    ({"storage": {"path": "/raid/models/x.gguf"}}, "gguf"),
    ({"storage": {"path": "/raid/models/x-fp8"}}, "fp8"),
    ({"storage": {"path": "/raid/models/llama"}}, ""),
    ({"modelConfiguration": {"quantization_config": {"quant_method": "MXFP4"}}}, "mxfp4"),
    ({"modelConfiguration": {"quantization_config": "none"}}, ""),
    ({"modelArchitecture": "GptOssForCausalLM", "storage": {"storageUri": "hf://openai/gpt-oss-20b"}}, "mxfp4"),
    ({"modelArchitecture": "GptOssForCausalLM", "storage": {"storageUri": "hf://x/gpt-oss-20b-bf16"}}, ""),
    ({"modelArchitecture": "LlamaForCausalLM"}, ""),
    ({"modelArchitecture": "DeepseekV3ForCausalLM"}, ""),
    ({}, ""),
]


@pytest.mark.parametrize(("model", "want"), MODELS)
def test_a_checkpoint_tells_how_it_is_quantized(model: dict[str, Any], want: str) -> None:
    assert prequantized(model) == want


@pytest.mark.parametrize(
    ("engine", "runnable"),
    [
        ("SGLang", {"default", "kv-cache-fp8", "dynamic-fp8", "bf16-stable", "aggressive-moe"}),
        ("VLLM", {"default", "kv-cache-fp8", "bf16-stable"}),
    ],
)
def test_presets_that_an_engine_can_run(engine: EngineName, runnable: set[str]) -> None:
    impossible = get(engine).impossible_precision

    assert {name for name, words in PRESETS.items() if impossible(words) is None} == runnable


@pytest.mark.parametrize("engine", ["SGLang", "VLLM", "Custom"])
def test_what_changes_the_answers_is_known(engine: EngineName) -> None:
    changed = get(engine).quantization.numerics_changed(["tp-size", "kv-cache-dtype", "quantization"])

    assert changed == ["kv-cache-dtype", "quantization"]
