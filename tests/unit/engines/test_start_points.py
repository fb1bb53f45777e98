"""Where to begin: the nearest that is offered, at small tensor degrees for throughput and large ones for latency."""

from __future__ import annotations

import pytest

from autotuner.api.common import EngineName
from autotuner.engines import get
from autotuner.engines.start_points import AdviceGoal, Offered, StartPointValues

SGLANG: Offered = {
    "tp-size": (1, 2, 4),
    "mem-fraction-static": (0.8, 0.85, 0.9),
    "chunked-prefill-size": (None, -1, 1024, 2048, 8192),
    "schedule-policy": ("fcfs", "lpm"),
    "enable-mixed-chunk": (False, True),
    "kv-cache-dtype": (None, "fp8_e5m2"),
    "page-size": (1, 16),
}
FAST: StartPointValues = {
    "mem-fraction-static": 0.9,
    "chunked-prefill-size": 2048,
    "schedule-policy": "lpm",
    "kv-cache-dtype": "fp8_e5m2",
}
CASES: list[tuple[str, EngineName, AdviceGoal, Offered, list[StartPointValues]]] = [
    (
        "throughput begins small",
        "SGLang",
        "throughput",
        {**SGLANG, "chunked-prefill-size": (1024, 2048)},
        [{**FAST, "tp-size": degree} for degree in (1, 2, 4)],
    ),
    (
        "latency begins large",
        "SGLang",
        "latency",
        {"tp-size": (1, 2, 4), "max-running-requests": (32, 64, 128)},
        [{"tp-size": degree, "max-running-requests": 64} for degree in (4, 2, 1)],
    ),
    (
        "promises mix the chunks",
        "SGLang",
        "slo",
        {"enable-mixed-chunk": (False, True), "mem-fraction-static": (0.8, 0.86)},
        [{"enable-mixed-chunk": True, "mem-fraction-static": 0.86}],
    ),
    (
        "words are advised too",
        "VLLM",
        "throughput",
        {"parallelism.tensor": (1, 2), "quantization.weights": ("auto", "fp8"), "quantization.kvCache": ("auto",)},
        [
            {"parallelism.tensor": 1, "quantization.weights": "fp8"},
            {"parallelism.tensor": 2, "quantization.weights": "fp8"},
        ],
    ),
    (
        "graphs reach up to the batch",
        "SGLang",
        "throughput",
        {"max-running-requests": (64, 300), "cuda-graph-max-bs": (None, 128, 512, 320)},
        [{"max-running-requests": 300, "cuda-graph-max-bs": 320}],
    ),
    (
        "graphs are as large as offered where the batch is larger",
        "SGLang",
        "throughput",
        {"max-running-requests": (256,), "cuda-graph-max-bs": (64, 160)},
        [{"max-running-requests": 256, "cuda-graph-max-bs": 160}],
    ),
    ("graphs alone are nothing to begin with", "SGLang", "throughput", {"cuda-graph-max-bs": (64, 160)}, []),
    (
        "the best word that is offered",
        "SGLang",
        "latency",
        {"speculative-algorithm": (None, "NGRAM", "EAGLE")},
        [{"speculative-algorithm": "EAGLE"}],
    ),
    ("nearest by ratio", "VLLM", "throughput", {"max-num-seqs": (110, 560)}, [{"max-num-seqs": 560}]),
    (
        "degrees that are words do not hide the rest",
        "VLLM",
        "slo",
        {"tensor-parallel-size": ("1", "2"), "enable-chunked-prefill": (False, True)},
        [{"enable-chunked-prefill": True}],
    ),
    ("nothing is known of another engine", "Custom", "throughput", {"batch": (1, 2)}, []),
    ("nothing is offered that is advised", "VLLM", "latency", {"block-size": (16, 32)}, []),
]


@pytest.mark.parametrize(
    ("engine", "goal", "offered", "want"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_advice(engine: EngineName, goal: AdviceGoal, offered: Offered, want: list[StartPointValues]) -> None:
    assert get(engine).advice.points(goal, offered) == want


def test_an_unset_or_negative_size_is_never_the_nearest() -> None:
    (point,) = get("SGLang").advice.points("throughput", {"chunked-prefill-size": (None, -1, 8192)})

    assert point == {"chunked-prefill-size": 8192}
