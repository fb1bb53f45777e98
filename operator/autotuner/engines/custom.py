"""Any other engine: its flags are passed on as they are; only parallelism and the reserved flags are understood."""

from __future__ import annotations

from autotuner.engines.engine import Engine
from autotuner.engines.reserved import RESERVED

CUSTOM = Engine(
    name="Custom",
    aliases={
        "tp": "tp-size",
        "tensor-parallel-size": "tp-size",
        "pp": "pp-size",
        "pipeline-parallel-size": "pp-size",
        "dp": "dp-size",
        "data-parallel-size": "dp-size",
    },
    degrees=("tp-size", "pp-size", "dp-size"),
    folded={},
    reserved=RESERVED,
    negatable=False,
)
