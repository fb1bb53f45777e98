"""Words of quantization: the flags of both engines, what cannot run, and checkpoints that are quantized already."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.common import EngineName
from autotuner.engines import get
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

    assert quantization.illegal(words, checkpoint) is None
    assert quantization.flags(words, checkpoint) == want
    assert set(want) <= quantization.touched(words)


ILLEGAL: list[tuple[EngineName, Words, str, str]] = [
    ("SGLang", {"kvCache": "fp16"}, "", "kvCache fp16: SGLang takes"),
    ("SGLang", {"kvCache": "bfloat16"}, "", "kvCache bfloat16: SGLang takes"),
    ("SGLang", {"kvCache": "int8"}, "", "kvCache int8: SGLang takes"),
    ("SGLang", {"kvCache": "int4"}, "", "kvCache int4: SGLang takes"),
    ("VLLM", {"kvCache": "fp16"}, "", "kvCache fp16: vLLM takes"),
    ("VLLM", {"kvCache": "int8"}, "", "kvCache int8: vLLM takes"),
    ("VLLM", {"kvCache": "int4"}, "", "kvCache int4: vLLM takes"),
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
    assert reason in (get(engine).quantization.illegal(words, checkpoint) or "")


MODELS: list[tuple[dict[str, Any], str]] = [
    ({"quantization": "fp8"}, "fp8"),
    ({"quantization": "FP8", "storage": {"path": "/models/x-awq"}}, "fp8"),
    ({"storage": {"storageUri": "hf://nvidia/Llama-3.1-8B-Instruct-NVFP4"}}, "nvfp4"),
    ({"storage": {"path": "/raid/models/qwen-32b-AWQ"}}, "awq"),
    ({"storage": {"path": "/raid/models/x-gptq"}}, "gptq"),
    ({"storage": {"path": "/raid/models/x.gguf"}}, "gguf"),
    ({"storage": {"path": "/raid/models/x-fp8"}}, "fp8"),
    ({"storage": {"path": "/raid/models/llama"}}, ""),
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
    illegal = get(engine).quantization.illegal

    assert {name for name, words in PRESETS.items() if illegal(words) is None} == runnable


@pytest.mark.parametrize("engine", ["SGLang", "VLLM", "Custom"])
def test_what_changes_the_answers_is_known(engine: EngineName) -> None:
    changed = get(engine).quantization.numerics_changed(["tp-size", "kv-cache-dtype", "quantization"])

    assert changed == ["kv-cache-dtype", "quantization"]
