"""SGLang's command line."""

from __future__ import annotations

from autotuner.engines.engine import Engine
from autotuner.engines.reserved import RESERVED

SGLANG = Engine(
    name="SGLang",
    aliases={
        "tp": "tp-size",
        "tensor-parallel-size": "tp-size",
        "pp": "pp-size",
        "pipeline-parallel-size": "pp-size",
        "dp": "dp-size",
        "data-parallel-size": "dp-size",
        "ep": "ep-size",
        "expert-parallel-size": "ep-size",
        "model": "model-path",
    },
    short=frozenset(),
    degrees=("tp-size", "pp-size", "dp-size"),
    # Under attention data parallelism the replicas live inside the tensor-parallel group.
    folded={"enable-dp-attention": "dp-size"},
    reserved={flag: RESERVED[flag] for flag in ("host", "port", "model-path", "served-model-name", "api-key")},
    negatable=False,
    known=frozenset(
        {
            "attention-backend",
            "chunked-prefill-size",
            "context-length",
            "cuda-graph-bs",
            "cuda-graph-max-bs",
            "disable-cuda-graph",
            "disable-radix-cache",
            "dtype",
            "enable-mixed-chunk",
            "enable-torch-compile",
            "ep-size",
            "kv-cache-dtype",
            "max-prefill-tokens",
            "max-running-requests",
            "max-total-tokens",
            "mem-fraction-static",
            "moe-dense-tp-size",
            "moe-runner-backend",
            "page-size",
            "quantization",
            "schedule-conservativeness",
            "schedule-policy",
            "speculative-algorithm",
            "speculative-draft-model-path",
            "speculative-eagle-topk",
            "speculative-num-draft-tokens",
            "speculative-num-steps",
        }
    ),
)
