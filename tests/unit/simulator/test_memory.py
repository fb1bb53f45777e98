from __future__ import annotations

import pytest

from autotuner.simulator.config import StartupError
from autotuner.simulator.flags import parse
from autotuner.simulator.memory import Memory, plan


def memory(dialect: str, flags: str, model: str = "llama-1b") -> Memory:
    path = "--model-path" if dialect == "sglang" else "--model"
    return plan(parse(["--dialect", dialect, path, model, *flags.split()]).config)


@pytest.mark.parametrize(
    ("dialect", "model", "flags", "message"),
    [
        ("sglang", "llama-70b", "", "CUDA out of memory. Tried to allocate"),
        (
            "sglang",
            "llama-70b",
            "--tp=2 --mem-fraction-static=0.8",
            "Not enough memory. Please try to increase --mem-fr",
        ),
        (
            "sglang",
            "llama-1b",
            "--mem-fraction-static=0.02",
            "Not enough memory. Please try to increase --mem-fraction",
        ),
        (
            "sglang",
            "llama-1b",
            "--mem-fraction-static=0.95 --chunked-prefill-size=16384",
            "Capture cuda graph failed: CUDA out of memory",
        ),
        ("sglang", "llama-1b", "--mem-fraction-static=0.99", "CUDA out of memory. Tried to allocate"),
        ("sglang", "llama-1b", "--tp=8 --sim-gpus=4", "CUDA error: invalid device ordinal"),
        ("vllm", "llama-70b", "", "CUDA out of memory. Tried to allocate"),
        (
            "vllm",
            "llama-70b",
            "--tensor-parallel-size=2 --gpu-memory-utilization=0.8",
            "No available memory for the cache",
        ),
        (
            "vllm",
            "llama-70b",
            "--tensor-parallel-size=2 --gpu-memory-utilization=0.95",
            "larger than the available KV cac",
        ),
        ("vllm", "llama-1b", "--gpu-memory-utilization=1.0", "less than desired GPU memory utilization"),
        (
            "vllm",
            "llama-1b",
            "--tensor-parallel-size=8 --sim-gpus=4",
            "World size (8) is larger than the number of avail",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_the_engines_words(dialect: str, model: str, flags: str, message: str) -> None:
    with pytest.raises(StartupError) as refused:
        memory(dialect, flags, model)
    assert message in "\n".join(refused.value.lines)


@pytest.mark.parametrize(
    ("dialect", "less", "more"),
    [
        ("sglang", "--mem-fraction-static=0.7", "--mem-fraction-static=0.9"),
        ("sglang", "--kv-cache-dtype=auto", "--kv-cache-dtype=fp8_e4m3"),
        ("sglang", "--tp=1 --mem-fraction-static=0.8", "--tp=2 --mem-fraction-static=0.8"),
        ("sglang", "--mem-fraction-static=0.8", "--mem-fraction-static=0.8 --quantization=fp8"),
        ("sglang", "--max-total-tokens=10000", "--max-total-tokens=20000"),
        ("sglang", "--sim-gpu=h100", "--sim-gpu=h200"),
        ("vllm", "--gpu-memory-utilization=0.8", "--gpu-memory-utilization=0.9"),
        ("vllm", "--max-num-batched-tokens=16384", "--max-num-batched-tokens=2048"),
        ("vllm", "", "--kv-cache-dtype=fp8"),
    ],
)
def test_the_cache_holds_more_tokens_with(dialect: str, less: str, more: str) -> None:
    assert memory(dialect, more).tokens > memory(dialect, less).tokens


def test_an_8_bit_cache_holds_twice_the_tokens() -> None:
    half = memory("sglang", "--mem-fraction-static=0.8 --kv-cache-dtype=fp8_e5m2").tokens
    assert half == pytest.approx(2 * memory("sglang", "--mem-fraction-static=0.8").tokens, abs=1)


def test_a_smaller_model_length_lets_a_tight_vllm_start() -> None:
    flags = "--tensor-parallel-size=2 --gpu-memory-utilization=0.95"
    assert memory("vllm", f"{flags} --max-model-len=4096", "llama-70b").tokens >= 4096
