"""Flags without effect under the others, and defaults that need not be said."""

from __future__ import annotations

import pytest

from autotuner.api.common import EngineName
from autotuner.engines import Accelerator, get

# engine, flags that are set, those without effect
IDLE: list[tuple[EngineName, dict[str, str], set[str]]] = [
    (
        "SGLang",
        {"speculative-num-steps": "3", "speculative-ngram-capacity": "9"},
        {"speculative-ngram-capacity", "speculative-num-steps"},
    ),
    ("SGLang", {"speculative-num-steps": "3", "speculative-algorithm": "EAGLE"}, set()),
    ("SGLang", {"speculative-num-draft-tokens": "4"}, set()),
    ("SGLang", {"enable-dp-attention": "true", "tp-size": "4"}, {"enable-dp-attention"}),
    ("SGLang", {"enable-dp-attention": "true", "tp-size": "4", "dp-size": "2"}, set()),
    ("SGLang", {"load-balance-method": "minimum_tokens", "dp-size": "1"}, {"load-balance-method", "dp-size"}),
    ("SGLang", {"max-lora-rank": "8"}, {"max-lora-rank"}),
    ("SGLang", {"max-lora-rank": "8", "lora-paths": "a=/a"}, set()),
    ("SGLang", {"hicache-ratio": "2", "hicache-write-policy": "write_back"}, {"hicache-ratio", "hicache-write-policy"}),
    ("SGLang", {"hicache-ratio": "2", "enable-hierarchical-cache": "true"}, set()),
    ("SGLang", {"cuda-graph-max-bs": "64", "disable-cuda-graph": "true"}, set()),
    (
        "SGLang",
        {"cuda-graph-max-bs": "64", "disable-cuda-graph": "true", "mem-fraction-static": "0.8"},
        {"cuda-graph-max-bs"},
    ),
    ("SGLang", {"torch-compile-max-bs": "16"}, {"torch-compile-max-bs"}),
    ("SGLang", {"enable-mixed-chunk": "true", "chunked-prefill-size": "-1"}, {"enable-mixed-chunk"}),
    ("SGLang", {"enable-mixed-chunk": "true", "chunked-prefill-size": "2048"}, set()),
    ("SGLang", {"radix-eviction-policy": "lfu", "disable-radix-cache": "true"}, {"radix-eviction-policy"}),
    ("SGLang", {"tbo-token-distribution-threshold": "0.5"}, {"tbo-token-distribution-threshold"}),
    ("SGLang", {"eplb-rebalance-num-iterations": "100"}, {"eplb-rebalance-num-iterations"}),
    ("SGLang", {"eplb-rebalance-num-iterations": "100", "enable-eplb": "true"}, set()),
    (
        "SGLang",
        {"schedule-policy": "fcfs", "schedule-conservativeness": "1", "kv-cache-dtype": "auto"},
        {"schedule-policy", "schedule-conservativeness", "kv-cache-dtype"},
    ),
    ("SGLang", {"schedule-policy": "lpm", "mem-fraction-static": "0.88", "chunked-prefill-size": "8192"}, set()),
    ("VLLM", {"max-loras": "2", "lora-dtype": "auto"}, {"max-loras", "lora-dtype"}),
    ("VLLM", {"max-loras": "2", "enable-lora": "true"}, set()),
    ("VLLM", {"max-cudagraph-capture-size": "64", "enforce-eager": "true"}, {"max-cudagraph-capture-size"}),
    ("VLLM", {"max-cudagraph-capture-size": "64", "enforce-eager": "false"}, {"enforce-eager"}),
    ("VLLM", {"kv-offloading-backend": "native"}, {"kv-offloading-backend"}),
    ("VLLM", {"prefix-caching-hash-algo": "xxhash", "enable-prefix-caching": "false"}, {"prefix-caching-hash-algo"}),
    ("VLLM", {"prefix-caching-hash-algo": "xxhash"}, set()),
    ("VLLM", {"disable-chunked-mm-input": "true", "enable-chunked-prefill": "false"}, {"disable-chunked-mm-input"}),
    ("VLLM", {"dbo-decode-token-threshold": "8"}, {"dbo-decode-token-threshold"}),
    ("VLLM", {"dbo-decode-token-threshold": "8", "ubatch-size": "2"}, set()),
    ("VLLM", {"gpu-memory-utilization": "0.9", "max-num-seqs": "256"}, set()),
    ("Custom", {"speculative-num-steps": "3"}, set()),
]


@pytest.mark.parametrize(("engine", "flags", "idle"), IDLE)
def test_is_without_effect(engine: EngineName, flags: dict[str, str], idle: set[str]) -> None:
    assert flags.keys() - get(engine).effective_flags(flags).of(flags).keys() == idle


@pytest.mark.parametrize("name", ["SGLang", "VLLM"])
def test_the_tables_name_flags_that_the_engine_has(name: EngineName) -> None:
    engine = get(name)
    known = {engine.canonical(name) for table in engine.tables for name in table.names}
    for entry in engine.idle:
        assert entry.reads <= known
        for flag in entry.names:
            assert any(flag == one or (flag.endswith("-") and one.startswith(flag)) for one in known), flag
    assert engine.defaults.keys() | engine.typical(Accelerator()).keys() <= known
