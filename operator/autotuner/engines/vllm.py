"""vLLM's command line."""

from __future__ import annotations

from autotuner.engines.engine import Engine
from autotuner.engines.reserved import RESERVED

VLLM = Engine(
    name="VLLM",
    aliases={},
    # Decode context parallelism reuses the tensor-parallel group, so it does not multiply.
    degrees=("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size"),
    folded={},
    reserved={flag: RESERVED[flag] for flag in ("host", "port", "model", "served-model-name", "api-key")},
    negatable=True,
)
