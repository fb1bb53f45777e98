"""The benchmark of experiments side by side: what it plays obeys the limits, and its figures mean what they say."""

from __future__ import annotations

from tests.benchmarks.side_by_side import Play


def test_one_by_one_nothing_is_idle_for_a_slot() -> None:
    alone = Play(0, [1, 2], 3, 1, 4, "Random").run()

    assert alone.idle == 0
    assert alone.most <= 2


def test_side_by_side_is_sooner_and_within_the_limits() -> None:
    alone, beside = (Play(1, [1, 2], 6, many, 4, "Random").run() for many in (1, 3))

    assert beside.most <= 4
    assert beside.bound <= beside.seconds < alone.seconds
    assert 0 <= beside.idle < 1
