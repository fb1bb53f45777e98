"""What is true of engines: how each configuration behaves when nothing disturbs it, and what a benchmark measures."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autotuner.api.experiment import Distribution, Level
from autotuner.benchmark.contract.result import Failure, Result, encode
from autotuner.kubernetes_object import Object

# How an engine with certain arguments ends by itself: it serves, or dies in the same way every time.
Nature = Literal["serves", "out of memory", "refuses", "crashes", "never ready"]
_NATURES: tuple[tuple[Nature, float], ...] = (
    ("out of memory", 0.12),
    ("refuses", 0.05),
    ("crashes", 0.04),
    ("never ready", 0.02),
)
LOGS = {
    "out of memory": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    "refuses": "usage: launch_server.py [-h]\nlaunch_server.py: error: argument --schedule-policy: invalid choice: 'x'",
    "crashes": "loading weights",
    "never ready": "loading weights",
}
EXIT_CODES = {"out of memory": 1, "refuses": 2, "crashes": 139}


@dataclass(frozen=True)
class Physics:
    """The engines of one history."""

    seed: int

    def nature(self, args: Sequence[str], *, baseline: bool) -> Nature:
        """How an engine with these arguments behaves; most baselines serve, for they run today."""
        dice = random.Random(f"{self.seed}/nature/{sorted(args)}")
        if baseline and dice.random() < 0.95:
            return "serves"
        at = dice.random()
        for nature, share in _NATURES:
            at -= share
            if at < 0:
                return nature
        return "serves"

    def startup(self, args: Sequence[str]) -> float:
        """Seconds from the start of the container until the engine answers."""
        return random.Random(f"{self.seed}/startup/{sorted(args)}").uniform(4, 30)

    def measured(self, experiment: Object, attempt: int) -> tuple[float, tuple[Level, ...]]:
        """The levels that a benchmark of this experiment measures, and the seconds that it takes."""
        spec = experiment["spec"]
        args, benchmark = spec["service"]["args"], spec["benchmark"]
        truth = random.Random(f"{self.seed}/worth/{sorted(args)}")
        most, ttft = truth.uniform(600, 2000), truth.uniform(0.05, 0.4)
        noise = random.Random(f"{self.seed}/noise/{sorted(args)}/{spec.get('block', 0)}/{attempt}")
        levels = tuple(
            _level(scenario["name"], users, most * (1 + noise.gauss(0, 0.02)), ttft * (1 + noise.gauss(0, 0.03)))
            for scenario in benchmark["scenarios"]
            for users in benchmark["concurrency"]
        )
        return truth.uniform(10, 25) * len(levels), levels


def _level(scenario: str, users: int, most: float, ttft: float) -> Level:
    throughput = most * users / (users + 8)
    first = max(0.001, ttft * (1 + users / 16))
    return Level(
        scenario=scenario,
        concurrency=users,
        requests=100,
        errors=0,
        duration_seconds=10.0,
        output_tokens_per_second=throughput,
        total_tokens_per_second=throughput * 5,
        requests_per_second=throughput / 250,
        ttft_seconds=_distribution(first),
        tpot_seconds=_distribution(users / max(throughput, 1.0)),
        e2e_latency_seconds=_distribution(first + 250 * users / max(throughput, 1.0)),
        output_tokens_mean=250.0,
    )


def _distribution(mean: float) -> Distribution:
    return Distribution(mean=mean, p50=mean, p90=mean * 1.2, p95=mean * 1.3, p99=mean * 1.5)


def message(levels: Sequence[Level], first: str, finished: str, failure: Failure | None = None, words: str = "") -> str:
    """What a benchmark's container leaves behind.

    Args:
        levels: that it measured.
        first, finished: RFC 3339, by the clock of its node.
        failure: its kind; None if all went well.
        words: about the failure.
    """
    ladder = None if not levels else "Broken" if failure else "Complete"
    return encode(
        Result(
            levels=tuple(levels),
            ladder=ladder,
            failure=failure,
            message=words,
            first_request=first if levels else None,
            benchmark_finished=finished,
        )
    )
