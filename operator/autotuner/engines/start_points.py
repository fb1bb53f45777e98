"""Where to begin: values that are good for a goal more often than not, from among those that a task offers.

They are at most two or three of the first points, so wrong advice costs little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from autotuner.api.common import EngineName
from autotuner.engines.arguments import Value

Goal = Literal["throughput", "latency", "slo"]
Offered = Mapping[str, Sequence[Value | None]]  # dimension -> its values; None is unset
Point = dict[str, Value | None]

# A number: the nearest one offered. Words: the first one offered.
_Advice = Mapping[str, float | tuple[Value, ...]]

_FP8: _Advice = {
    "quantization.weights": ("fp8",),
    "quantization.kvCache": ("fp8_e5m2", "fp8", "fp8_e4m3"),
    "quantization": ("fp8",),
    "kv-cache-dtype": ("fp8_e5m2", "fp8", "fp8_e4m3"),
}
_ADVICE: Mapping[EngineName, Mapping[Goal, _Advice]] = {
    "SGLang": {
        "throughput": {
            **_FP8,
            "max-running-requests": 256.0,
            "chunked-prefill-size": 4096.0,
            "mem-fraction-static": 0.89,
            "disable-radix-cache": (False,),
            "schedule-policy": ("lpm",),
        },
        "latency": {
            **_FP8,
            "max-running-requests": 64.0,
            "chunked-prefill-size": 8192.0,
            "speculative-algorithm": ("EAGLE3", "EAGLE", "NEXTN", "NGRAM"),
        },
        "slo": {
            **_FP8,
            "max-running-requests": 96.0,
            "chunked-prefill-size": 2048.0,
            "enable-mixed-chunk": (True,),
            "mem-fraction-static": 0.85,
        },
    },
    "VLLM": {
        "throughput": {
            **_FP8,
            "max-num-seqs": 256.0,
            "max-num-batched-tokens": 4096.0,
            "gpu-memory-utilization": 0.9,
            "enable-prefix-caching": (True,),
        },
        "latency": {**_FP8, "max-num-seqs": 64.0, "max-num-batched-tokens": 8192.0},
        "slo": {
            **_FP8,
            "max-num-seqs": 96.0,
            "max-num-batched-tokens": 2048.0,
            "enable-chunked-prefill": (True,),
            "gpu-memory-utilization": 0.88,
        },
    },
    "Custom": {"throughput": {}, "latency": {}, "slo": {}},
}
_SEQUENCES, _GRAPHS = "max-running-requests", "cuda-graph-max-bs"
_TENSOR = ("parallelism.tensor", "tp-size", "tensor-parallel-size", "tp")


def advised(engine: EngineName, goal: Goal, offered: Offered) -> list[Point]:
    """Points to begin with, the most promising first; they say nothing of dimensions without advice.

    Throughput begins at the smallest tensor degree, latency at the largest. Which of them the rules and the memory
    allow is for the caller to see: of those that are allowed, the first two are the advice.

    Args:
        engine: that will run them.
        goal: slo: throughput under promises about latency.
        offered: what may be chosen.
    """
    advice = _ADVICE[engine][goal]
    point: Point = {}
    for name, wanted in advice.items():
        if name in offered and (found := _nearest(wanted, offered[name])) is not None:
            point[name] = found
    if (graphs := _graphs(point.get(_SEQUENCES), offered.get(_GRAPHS, ()))) is not None:
        point[_GRAPHS] = graphs
    tensor = next((name for name in _TENSOR if name in offered), "")
    degrees = sorted(value for value in offered.get(tensor, ()) if isinstance(value, int | float))
    if goal == "latency":
        degrees.reverse()
    return [{**point, tensor: degree} for degree in degrees] or ([point] if point else [])


def _graphs(sequences: Value | None, offered: Sequence[Value | None]) -> float | None:
    """CUDA graphs up to the batch: larger batches would run without them, larger graphs cost memory and time."""
    sizes = sorted(value for value in offered if isinstance(value, int | float) and not isinstance(value, bool))
    if not sizes or not isinstance(sequences, int | float):
        return None
    return next((size for size in sizes if size >= sequences), sizes[-1])


def _nearest(wanted: float | tuple[Value, ...], values: Sequence[Value | None]) -> Value | None:
    if isinstance(wanted, tuple):
        return next((value for value in wanted if value in values), None)
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    positive = [value for value in numbers if value > 0]
    return min(positive, key=lambda value: abs(math.log(value / wanted)), default=None)
