from __future__ import annotations

import random

import pytest

from autotuner.benchmark.clients.open_loop.saturation import evidence


def queue(rate: float, capacity: float, seconds: float, seed: int = 0) -> tuple[list[float], list[tuple[float, float]]]:
    """One server of so many requests a second: what was sent, and what is over."""
    draw, now, free = random.Random(seed), 0.0, 0.0
    sent, over = [], []
    while (now := now + draw.expovariate(rate)) < seconds:
        sent.append(now)
        free = max(free, now) + 1 / capacity
        if free < seconds:
            over.append((now, free))
    return sent, over


@pytest.mark.parametrize("rate", [11.0, 15.0, 30.0])
def test_a_queue_that_grows_without_end_is_told(rate: float) -> None:
    seconds = 120.0
    words = evidence(*queue(rate + 1, 10.0, seconds), seconds)
    assert "answered" in words and len(words) <= 160


@pytest.mark.parametrize("seed", range(20))
def test_an_engine_that_keeps_up_is_none_of_those(seed: int) -> None:
    for seconds in (12.0, 30.0, 120.0):
        assert evidence(*queue(8.0, 10.0, seconds, seed), seconds) == ""


def test_nothing_is_said_of_answers_that_take_as_long_as_the_level() -> None:
    sent = [n / 10 for n in range(200)]
    assert evidence(sent, [(at, at + 12) for at in sent if at + 12 < 20], 20.0) == ""
