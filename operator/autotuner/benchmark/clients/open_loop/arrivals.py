"""When the requests of an open loop are due. Pure: the same key gives the same times, whatever is measured."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Hashable, Iterator

from autotuner.benchmark.contract.spec import RunnerArrivals


def due_times(arrivals: RunnerArrivals, rate: float, key: Hashable) -> Iterator[float]:
    """The times at which requests are due, in seconds from the start of the level, without end.

    Poisson: independent requests of many users; the gaps are exponential. Constant: one gap is like the other. Gamma:
    gaps of a gamma distribution whose shape is `burstiness`, as in `vllm bench serve`: below 1 in bursts, 1 is Poisson,
    above 1 more regular. All have the mean gap 1 / rate.

    Args:
        arrivals: the process.
        rate: requests per second.
        key: what the times are drawn from; equal keys give equal times.
    """
    draw = random.Random(hashlib.blake2s(repr((key, "arrivals")).encode()).digest())
    gap = _gaps(arrivals, rate, draw)
    due = 0.0
    while True:
        due += gap()
        yield due


def _gaps(arrivals: RunnerArrivals, rate: float, draw: random.Random) -> Callable[[], float]:
    match arrivals.process:
        case "Poisson":
            return lambda: draw.expovariate(rate)
        case "Constant":
            return lambda: 1 / rate
        case "Gamma":
            shape = arrivals.burstiness or 1.0
            return lambda: draw.gammavariate(shape, 1 / (shape * rate))
