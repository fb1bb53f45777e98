"""Which load clients there are. This table is the one place that names them; a new client adds its row here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DEFAULT_CLIENT = "genai-bench"  # of the closed loop
OPEN_LOOP_CLIENT = "open-loop"

LOAD_CLIENTS: Mapping[str, str] = MappingProxyType(
    {
        DEFAULT_CLIENT: "autotuner.benchmark.clients.genai_bench.main",
        OPEN_LOOP_CLIENT: "autotuner.benchmark.clients.open_loop.main",
    }
)
"""The module that the runner starts with `python -m`, by the client's name in a spec."""
