"""vLLM's command line."""

from __future__ import annotations

from autotuner.engines.engine import Engine
from autotuner.engines.reserved import RESERVED

_SHORT = {
    "tp": "tensor-parallel-size",
    "pp": "pipeline-parallel-size",
    "dp": "data-parallel-size",
    "dcp": "decode-context-parallel-size",
    "ep": "enable-expert-parallel",
    "q": "quantization",
}

VLLM = Engine(
    name="VLLM",
    aliases=_SHORT,
    short=frozenset(_SHORT),
    # Decode context parallelism reuses the tensor-parallel group, so it does not multiply.
    degrees=("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size"),
    folded={},
    reserved={flag: RESERVED[flag] for flag in ("host", "port", "model", "served-model-name", "api-key")},
    negatable=True,
    known=frozenset(
        {
            "async-scheduling",
            "attention-backend",
            "block-size",
            "compilation-config",
            "decode-context-parallel-size",
            "dtype",
            "enable-chunked-prefill",
            "enable-expert-parallel",
            "enable-prefix-caching",
            "enforce-eager",
            "gpu-memory-utilization",
            "kv-cache-dtype",
            "max-model-len",
            "max-num-batched-tokens",
            "max-num-seqs",
            "quantization",
            "scheduling-policy",
            "speculative-config",
            "swap-space",
        }
    ),
)
