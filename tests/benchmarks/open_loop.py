"""How late the load client of the open loop is, what a request costs it, and whether what it says is true.

    .venv/bin/python -m tests.benchmarks.open_loop [--seconds N]

The client runs on one core; a server that records what it is offered, and is the truth, runs on the others. Rates go up
until requests are late. Then both load clients ask the same simulated engine in turns, at a rate that the closed loop
reaches by itself, and the CPU time of the process that sends is compared. Exits 1 if a bar is missed; the last column
is the machine's own share: how late a thread that only sleeps wakes up meanwhile (95th percentile).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotuner.api.experiment import Level
from autotuner.benchmark.contract.level_run import LevelRun, Request
from autotuner.benchmark.runner.level_figures import LevelLimits, judge
from tests.benchmarks import against
from tests.benchmarks.simulator_lateness import sleeper
from tests.e2e.benchmark_run import start_benchmark
from tests.e2e.simulated import simulator
from tests.support.absorber import Absorber, absorber

TOKENS = 200
TTFT, TPOT = 0.05, 0.01
RATE = 50.0
RATES = (RATE, 100.0, 150.0, 200.0, 300.0, 400.0)
USERS = 32
ROUNDS = 3
LIMITS = LevelLimits(max_minutes=2, holds_length=True, believes_late_client=True)
LATE_MS, TTFT_MS, TPOT_SHARE, THROUGHPUT_SHARE, CPU_SHARE = 5.0, 3.0, 0.01, 0.01, 0.25


@dataclass(frozen=True)
class Measured:
    """A level as the client recorded it, and its figures."""

    run: LevelRun
    level: Level

    @property
    def answered(self) -> list[Request]:
        return [request for request in self.run.requests if request.ok]

    @property
    def cpu_ms(self) -> float:
        """CPU time of the process that sends, for each request, in ms; what the end cut off counts as half of one."""
        cut = sum(request.cut for request in self.run.requests)
        return 1000 * self.run.client_cpu_seconds / (len(self.answered) + cut / 2)


def measure(url: str, requests: int, *, under: tuple[str, ...] = (), **changes: Any) -> Measured:
    """One level against a server."""
    with tempfile.TemporaryDirectory() as folder:
        benchmark = start_benchmark(
            Path(folder) / "run",
            url,
            None,
            under=under,
            scenarios=[{"name": "chat", "load": f"D(100,{TOKENS})"}],
            maxRequestsPerLevel=requests,
            cacheFlush="",
            **changes,
        )
        try:
            if benchmark.wait(300) != 0:
                raise SystemExit(benchmark.log)
        finally:
            benchmark.stop()
        run = LevelRun.read(benchmark.work / "level-0.json")
    level = judge(run, LIMITS).level
    assert level is not None, "the runner accepted it"
    return Measured(run, level)


def at_rate(rate: float, seconds: float) -> tuple[Measured, Absorber, float]:
    """An open loop on one core against the absorber on the others; and how late the machine was, in ms."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)
    try:
        with absorber(TTFT, TPOT) as server, sleeper() as machine:
            pinned = ("taskset", "--cpu-list", str(cores[0]))
            found = measure(
                server.url, int(rate * seconds), under=pinned, client="open-loop", concurrency=None, rates=[rate]
            )
        return found, server, 1000 * sorted(machine)[int(0.95 * len(machine))]
    finally:
        os.sched_setaffinity(0, cores)


def truth(found: Measured, server: Absorber) -> dict[str, float]:
    """How far the client's figures are from what the server did: TTFT in ms, the others as shares."""
    begins, run = found.run.stopped - found.level.duration_seconds, found.run
    whole = [one for one in server.offered if one.last and one.asked == TOKENS]
    counted = [one for one in whole if begins <= one.arrived <= run.stopped]
    ttft = statistics.fmean(one.first - one.arrived for one in counted)
    tpot = statistics.fmean((one.last - one.first) / (TOKENS - 1) for one in counted)
    tokens = sum(TOKENS for one in whole if begins <= one.last <= run.stopped) / found.level.duration_seconds
    assert found.level.ttft_seconds is not None and found.level.tpot_seconds is not None
    return {
        "TTFT": 1000 * (found.level.ttft_seconds.mean - ttft),
        "TPOT": found.level.tpot_seconds.mean / tpot - 1,
        "throughput": found.level.output_tokens_per_second / tokens - 1,
    }


def ladder(seconds: float, figures: dict[str, list[float]]) -> bool:
    """Rates upwards until requests are late; whether the bars at the first one are kept."""
    print(
        f"{'req/s':>6}{'sent':>8}{'late p99':>10}{'CPU':>6}{'CPU each':>10}{'TTFT':>9}{'TPOT':>8}{'tok/s':>8}"
        f"{'machine':>9}"
    )
    kept = True
    for rate in RATES:
        found, server, machine = at_rate(rate, seconds)
        late = 1000 * (found.level.lateness_p99_seconds or 0.0)
        busy = found.run.client_cpu_seconds / (found.run.stopped - found.run.started)
        off = truth(found, server)
        print(
            f"{rate:6.0f}{found.level.sent_per_second:8.1f}{late:7.2f} ms{busy:6.0%}{found.cpu_ms:7.2f} ms"
            f"{off['TTFT']:+6.2f} ms{off['TPOT']:+8.2%}{off['throughput']:+8.2%}{machine:6.2f} ms",
            flush=True,
        )
        if rate == RATE:
            figures["lateness p99 in ms"] = [late]
            figures["CPU of a request in ms"] = [found.cpu_ms]
            kept = (
                late < LATE_MS
                and abs(off["TTFT"]) < TTFT_MS
                and abs(off["TPOT"]) < TPOT_SHARE
                and abs(off["throughput"]) < THROUGHPUT_SHARE
            )
        if late >= LATE_MS:
            print(f"requests are {LATE_MS:.0f} ms late (p99) at {rate:.0f} requests/s")
            break
    else:
        print(f"requests are not {LATE_MS:.0f} ms late (p99) at {RATES[-1]:.0f} requests/s")
    return kept


def side_by_side(seconds: float, figures: dict[str, list[float]]) -> bool:
    """What a request costs each client, on the same simulated engine, in one run."""
    closed: list[float] = []
    opened: list[float] = []
    with simulator() as engine:
        for _ in range(ROUNDS):
            users = measure(engine.url, 400, concurrency=[USERS])
            rate = round(users.level.requests_per_second, 1)
            closed.append(users.cpu_ms)
            level = {"client": "open-loop", "concurrency": None, "rates": [rate]}
            opened.append(measure(engine.url, int(rate * seconds), **level).cpu_ms)
            print(f"CPU of a request at {rate:g}/s: {opened[-1]:.2f} ms open, {closed[-1]:.2f} ms closed", flush=True)
    share = statistics.median(opened) / statistics.median(closed)
    figures["CPU of a request, share of the closed loop's"] = [a / b for a, b in zip(opened, closed, strict=True)]
    print(f"CPU of a request of {TOKENS} tokens: {share:.0%} of the closed loop's, median (bar {CPU_SHARE:.0%})")
    return share <= CPU_SHARE


def run(options: argparse.Namespace) -> against.Result:
    """Measure and print."""
    figures: dict[str, list[float]] = {}
    kept = [ladder(options.seconds, figures), side_by_side(options.seconds, figures)]
    return against.Result(figures, all(kept))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0, help="of each level")
    sys.exit(against.main("open_loop", parser, run))
