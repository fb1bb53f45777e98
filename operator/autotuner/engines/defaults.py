"""What engines take for flags that nobody sets, where that is one value for all models and accelerators."""

from __future__ import annotations

from collections.abc import Mapping

from autotuner.api.common import EngineName
from autotuner.engines.arguments import Value

# sglang/srt/server_args.py; vllm/config/cache.py, vllm/config/scheduler.py and vllm/engine/arg_utils.py.
DEFAULTS: Mapping[EngineName, Mapping[str, Value]] = {
    "SGLang": {
        "mem-fraction-static": 0.88,
        "chunked-prefill-size": 8192,
        "schedule-policy": "fcfs",
        "schedule-conservativeness": 1.0,
        "kv-cache-dtype": "auto",
    },
    "VLLM": {
        "gpu-memory-utilization": 0.9,
        "max-num-batched-tokens": 8192,
        "max-num-seqs": 256,
        "block-size": 16,
        "enable-chunked-prefill": True,
        "enable-prefix-caching": True,
        "kv-cache-dtype": "auto",
    },
    "Custom": {},
}
