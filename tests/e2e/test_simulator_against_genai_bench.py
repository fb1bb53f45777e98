"""What real genai-bench measures on the simulated engine is what the model predicts in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from autotuner.simulator.flags import parse
from autotuner.simulator.virtual_time import Client, Workload, simulate
from tests.e2e.simulated import MODEL_PATH, Simulated, genai_bench, simulator

pytestmark = pytest.mark.alone

SCENARIO = "U(100,300)/(20,40)"
QUIET = "--sim-noise=0"
REQUESTS = {1: 50, 8: 300, 32: 400}
ATTEMPTS = 3
# genai-bench builds prompts and opens connections in one thread: 2 ms of it per request, then 3 ms on the way.
CLIENT = Client(gap=0.002, latency=0.003)


@dataclass(frozen=True)
class Figures:
    """Means of the steady part of a level; the throughput by Little's law, as the level files carry no timestamps."""

    throughput: float
    ttft: float
    tpot: float


def figures(rows: list[tuple[float, float, int]], concurrency: int) -> Figures:
    """From (ttft, end-to-end latency, output tokens) in the order of completion; the first two rounds are the ramp."""
    steady = rows[2 * concurrency :]
    return Figures(
        throughput=concurrency * sum(row[2] for row in steady) / sum(row[1] for row in steady),
        ttft=fmean(row[0] for row in steady),
        tpot=fmean((row[1] - row[0]) / (row[2] - 1) for row in steady),
    )


def predicted(concurrency: int) -> Figures:
    config = parse(["--dialect", "sglang", "--model-path", MODEL_PATH, QUIET]).config
    timings = simulate(config, Workload.parse(SCENARIO), concurrency, 3000, client=CLIENT)
    return figures([(t.ttft, t.latency, t.output_tokens) for t in timings], concurrency)


def measured(level: dict[str, Any], concurrency: int) -> Figures:
    rows = level["individual_request_metrics"]
    return figures([(row["ttft"], row["e2e_latency"], row["num_output_tokens"]) for row in rows], concurrency)


def difference(want: Figures, got: Figures) -> str:
    """What lies outside the bars: throughput and TPOT within 5 %, mean TTFT within 10 % and 5 ms; empty if nothing."""
    bars = {"throughput": 0.05 * want.throughput, "tpot": 0.05 * want.tpot, "ttft": 0.10 * want.ttft + 0.005}
    pairs = {name: (getattr(want, name), getattr(got, name)) for name in bars}
    return "; ".join(
        f"{name}: predicted {expected:.4g}, measured {found:.4g}"
        for name, (expected, found) in pairs.items()
        if abs(found - expected) > bars[name]
    )


@pytest.fixture(scope="module")
def engine() -> Iterator[Simulated]:
    with simulator(QUIET) as running:
        yield running


@pytest.mark.parametrize("concurrency", REQUESTS)
def test_genai_bench_measures_what_the_model_predicts(engine: Simulated, tmp_path: Path, concurrency: int) -> None:
    want = predicted(concurrency)
    misses: list[str] = []
    # A pause of the machine lands in the latencies of one run; a wrong model misses in every run.
    for attempt in range(ATTEMPTS):
        level = genai_bench(engine.url, tmp_path / str(attempt), SCENARIO, [concurrency], REQUESTS[concurrency])
        misses.append(difference(want, measured(level[concurrency], concurrency)))
        if not misses[-1]:
            return
    pytest.fail(f"at concurrency {concurrency}, in {ATTEMPTS} runs: {misses}")
