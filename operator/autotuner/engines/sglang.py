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
    degrees=("tp-size", "pp-size", "dp-size"),
    # Under attention data parallelism the replicas live inside the tensor-parallel group.
    folded={"enable-dp-attention": "dp-size"},
    reserved={flag: RESERVED[flag] for flag in ("host", "port", "model-path", "served-model-name", "api-key")},
    negatable=False,
)
