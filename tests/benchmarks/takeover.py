"""How long nobody acts after a leader is gone: `python -m tests.benchmarks.takeover [--times N]`, on the testbed.

Seconds from the end of the leader's process until its standby says that it serves. The last column says whether the
longest of them is within the bar.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable

from testbed import Testbed
from testbed.api import Api
from testbed.operator_process import Operator
from tests.benchmarks import against
from tests.support.waiting import wait_for

NAMESPACE = "takeover"
# How a leader ends, and the bar in seconds.
ENDS: dict[str, tuple[Callable[[Operator], object], float]] = {
    "killed (SIGKILL)": (Operator.kill, 20.0),
    "told to end (SIGTERM)": (Operator.terminate, 5.0),
}


def replica(bed: Testbed, name: str) -> Operator:
    """A candidate; it is started."""
    environment = {"AUTOTUNER_LEADER_ELECTION": "true", "POD_NAME": name, "POD_NAMESPACE": NAMESPACE}
    operator = Operator(bed.kubeconfig, bed.logs / f"{name}.log", environment)
    operator.start()
    return operator


async def until_told(operator: Operator, words: str, seconds: float) -> None:
    """Wait until its log says so."""

    async def look() -> bool:
        return any(words in entry["message"] for entry in operator.log())

    await wait_for(look, words, seconds)


async def measure(bed: Testbed, rounds: int, end: Callable[[Operator], object], title: str) -> list[float]:
    """Seconds of each take-over; each standby is the next leader."""
    taken = []
    leader = replica(bed, f"{title.split()[0]}-0")
    await until_told(leader, " serves ", 30)
    for index in range(1, rounds + 1):
        standby = replica(bed, f"{title.split()[0]}-{index}")
        await until_told(standby, "standing by", 30)
        begun = time.monotonic()
        end(leader)
        await until_told(standby, " serves ", 60)
        taken.append(time.monotonic() - begun)
        leader = standby
    leader.terminate()
    return taken


async def measure_all(rounds: int) -> against.Result:
    """Measure each way to end, and print the table."""
    figures, kept = {}, True
    print(f"{'the leader is':<24} {'n':>3} {'median':>8} {'longest':>8} {'bar':>6}")
    with Testbed.start() as bed:
        async with Api(bed.kubeconfig) as api:
            await api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for title, (end, bar) in ENDS.items():
            figures[title] = taken = await measure(bed, rounds, end, title)
            good = max(taken) <= bar
            kept &= good
            shown = f"{statistics.median(taken):>8.2f} {max(taken):>8.2f} {bar:>6.1f}"
            print(f"{title:<24} {len(taken):>3} {shown}  {'ok' if good else 'MISSED'}", flush=True)
    return against.Result(figures, kept)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="how often each way to end is measured")
    sys.exit(against.main("takeover", parser, lambda options: asyncio.run(measure_all(options.times)), rounds=2))
