from __future__ import annotations

from statistics import mean

from pytest import approx

from autotuner.api.traffic_scenarios import Turns
from autotuner.benchmark.clients.open_loop.sessions import SOONEST_SECONDS, Sessions, think_seconds
from autotuner.benchmark.contract.level_run import Request

THREE = Turns(count=3, think_seconds=2.0)


def over(number: int, **more: object) -> Request:
    return Request(number, 1.0, 2.0, 3.0, **{"answer": f"answer {number}", **more})  # type: ignore[arg-type]


def test_each_turn_carries_all_before_it() -> None:
    sessions = Sessions(THREE, "key")
    assert sessions.messages(3, "a") == [{"role": "user", "content": "a"}]
    sessions.messages(0, "another session")
    assert sessions.next_turn(over(3)) == (4, SOONEST_SECONDS + think_seconds(THREE, "key", 4))
    assert [one["content"] for one in sessions.messages(4, "b")] == ["a", "answer 3", "b"]
    assert (sessions.next_turn(over(4)) or (0,))[0] == 5
    said = sessions.messages(5, "c")
    assert [one["role"] for one in said] == ["user", "assistant", "user", "assistant", "user"]
    assert sessions.next_turn(over(5)) is None


def test_nothing_follows_what_was_not_answered() -> None:
    for more in ({"error": "HTTP 500"}, {"cut": True}):
        sessions = Sessions(THREE, "key")
        sessions.messages(0, "a")
        assert sessions.next_turn(over(0, **more)) is None


def test_think_times_are_drawn_alike_for_everyone() -> None:
    drawn = [think_seconds(THREE, ("key", 1), number) for number in range(2000)]
    assert drawn == [think_seconds(THREE, ("key", 1), number) for number in range(2000)]
    assert drawn != [think_seconds(THREE, ("key", 2), number) for number in range(2000)]
    assert mean(drawn) == approx(2.0, rel=0.1) and mean(one > 2.0 for one in drawn) == approx(0.368, abs=0.04)
    assert think_seconds(Turns(count=2), "key", 1) == 0
