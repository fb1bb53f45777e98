from __future__ import annotations

from pathlib import Path

import pytest

from autotuner.benchmark.clients.genai_bench.recorder import Recorder
from autotuner.benchmark.contract.level_run import LevelRun, Request


def recorder(max_requests: int = 10, concurrency: int = 2) -> Recorder:
    found = Recorder(max_requests)
    found.begin(3, "chat", concurrency)
    return found


def answer(user: int, end: float, error: str = "") -> Request:
    return Request(user, end - 0.1, end - 0.05, end, 10, 5, 5, usage=True, error=error)


def feed(found: Recorder, rounds: int, users: int = 2, every: float = 0.5) -> Recorder:
    for turn in range(rounds):
        for user in range(users):
            found.add(answer(user, (turn + 1) * every))
    return found


@pytest.mark.parametrize(
    ("found", "enough"),
    [
        (feed(recorder(10), 4), False),
        (feed(recorder(10), 5), True),
        (feed(recorder(2), 1), False),
        (feed(recorder(2, concurrency=8), 1, users=8), False),
        (feed(recorder(2, concurrency=8), 2, users=8), True),
        (feed(recorder(4), 6, every=0.01), False),
    ],
    ids=["too few", "limit reached", "ramp only", "ramp of many", "a round behind it", "too short"],
)
def test_a_level_goes_on_until_it_is_of_use(found: Recorder, enough: bool) -> None:
    assert found.enough is enough


def test_an_outage_is_nothing_but_errors() -> None:
    found = feed(recorder(1000), 30)
    for _ in range(19):
        found.add(answer(0, 20, "HTTP 503: refused"))
    assert found.outage is None
    found.add(answer(1, 20, "HTTP 503: gone"))
    assert found.outage == "HTTP 503: gone"


def test_silence_is_an_outage_once_it_is_longer_than_any_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    found = feed(recorder(1000), 3)
    now += 29
    assert found.outage is None
    now += 2
    assert found.outage == "nothing for 31 s, where answers took 0.1 s at most"
    found.add(answer(0, 4.0))
    assert found.outage is None


def test_no_answer_yet_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    found = recorder()
    now += 3600
    assert found.outage is None


def test_single_errors_are_no_outage() -> None:
    found = recorder(1000)
    for turn in range(100):
        found.add(answer(0, turn, "HTTP 500: busy" if turn % 3 else ""))
    assert found.outage is None


def test_a_level_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = feed(recorder(), 3)
    found.add(Request(1, 1.6, 1.8, 1.8, asked=5, cut=True))
    for late in (0.001, 0.002, 0.5):
        found.late_by(late)
    run = LevelRun.read(found.finish(tmp_path, completed=6, errors=0))
    assert (run.index, run.scenario, run.concurrency, run.counted_completed) == (3, "chat", 2, 6)
    assert len(run.requests) == 7
    assert run.requests[-1].cut
    assert run.stopped == 1.8, "the level ends when its first request is cut off"
    assert run.client_lag_seconds == 0.002
    assert [p.name for p in tmp_path.iterdir()] == ["level-3.json"]
