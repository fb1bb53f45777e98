"""The schedule of an open loop: what it is drawn from, and that it is the distribution that was asked for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest

from autotuner.benchmark.clients.open_loop.arrivals import due_times
from autotuner.benchmark.contract.spec import RunnerArrivals

COUNT = 5000
# Of Kolmogorov and Smirnov, for so many draws: exceeded by chance once in a thousand seeds; these are fixed.
CRITICAL = 1.95 / math.sqrt(COUNT)


def gaps(arrivals: RunnerArrivals, rate: float, key: object = "task", count: int = COUNT) -> list[float]:
    times = [0.0, *itertools.islice(due_times(arrivals, rate, key), count)]  # type: ignore[arg-type]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def distance(sample: list[float], cumulative: Callable[[float], float]) -> float:
    """The largest distance between the sample's distribution and the one that it is to have."""
    ordered = sorted(sample)
    count = len(ordered)
    return max(
        max(cumulative(value) - number / count, (number + 1) / count - cumulative(value))
        for number, value in enumerate(ordered)
    )


def erlang(shape: int, scale: float) -> Callable[[float], float]:
    """The gamma distribution of a whole shape in closed form."""

    def cumulative(value: float) -> float:
        x = value / scale
        return 1 - math.exp(-x) * sum(x**k / math.factorial(k) for k in range(shape))

    return cumulative


@pytest.mark.parametrize("rate", [0.5, 50.0])
@pytest.mark.parametrize(
    ("arrivals", "shape"),
    [
        (RunnerArrivals(), 1),
        (RunnerArrivals(process="Gamma", burstiness=1.0), 1),
        (RunnerArrivals(process="Gamma", burstiness=4.0), 4),
    ],
    ids=["Poisson", "Gamma like Poisson", "regular Gamma"],
)
def test_gaps_have_the_distribution_that_was_asked_for(arrivals: RunnerArrivals, shape: int, rate: float) -> None:
    assert distance(gaps(arrivals, rate), erlang(shape, 1 / (shape * rate))) < CRITICAL


def test_another_distribution_would_be_noticed() -> None:
    assert distance(gaps(RunnerArrivals(process="Gamma", burstiness=4.0), 1.0), erlang(1, 1.0)) > CRITICAL
    assert distance(gaps(RunnerArrivals(), 1.1), erlang(1, 1.0)) > CRITICAL


def test_bursts_come_closer_together() -> None:
    def spread(burstiness: float) -> float:
        found = gaps(RunnerArrivals(process="Gamma", burstiness=burstiness), 10.0)
        mean = sum(found) / len(found)
        return math.sqrt(sum((gap - mean) ** 2 for gap in found) / len(found)) / mean

    # The coefficient of variation of a gamma distribution is 1 / sqrt(shape).
    assert spread(0.25) == pytest.approx(2.0, rel=0.1)
    assert spread(4.0) == pytest.approx(0.5, rel=0.1)


def test_a_constant_rate_is_constant() -> None:
    assert gaps(RunnerArrivals(process="Constant"), 4.0, count=20) == pytest.approx([0.25] * 20)


def test_equal_keys_give_equal_times_and_no_others() -> None:
    one = gaps(RunnerArrivals(), 3.0, ("task", 0, "chat", 3.0), 50)
    assert one == gaps(RunnerArrivals(), 3.0, ("task", 0, "chat", 3.0), 50)
    assert one != gaps(RunnerArrivals(), 3.0, ("task", 1, "chat", 3.0), 50)
