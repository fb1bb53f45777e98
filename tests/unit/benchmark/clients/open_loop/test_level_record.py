"""When a level of an open loop has seen enough, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotuner.benchmark.clients.open_loop.level_record import LevelRecord
from autotuner.benchmark.contract.level_run import LevelRun, Request

STARTED = 1000.0


def record(now: float, monkeypatch: pytest.MonkeyPatch, max_requests: int = 10) -> LevelRecord:
    monkeypatch.setattr("time.monotonic", lambda: STARTED + now)
    return LevelRecord(2, "chat", 10.0, max_requests, STARTED)


def answer(number: int, sent: float, seconds: float = 1.0, **more: object) -> Request:
    start = STARTED + sent
    return Request(number, start, start + 0.1, start + seconds, 10, 5, 5, usage=True, **more)  # type: ignore[arg-type]


def sent_every(every: float, count: int, found: LevelRecord) -> LevelRecord:
    for number in range(count):
        found.add(answer(number, number * every))
    return found


@pytest.mark.parametrize(
    ("every", "count", "now", "enough"),
    [
        (0.1, 9, 5.0, False),
        (0.1, 30, 5.0, True),
        (0.1, 15, 5.0, False),
        (0.5, 10, 6.0, True),
        (0.1, 30, 1.2, False),
    ],
    ids=["too few", "enough", "mostly ramp", "hardly a ramp", "too short"],
)
def test_a_level_goes_on_until_it_is_of_use(
    monkeypatch: pytest.MonkeyPatch, every: float, count: int, now: float, enough: bool
) -> None:
    assert sent_every(every, count, record(now, monkeypatch)).enough is enough


def test_a_level_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sent_every(0.5, 4, record(9.0, monkeypatch))
    found.add(answer(4, 2.0, 0.5, cut=True, late=0.25))
    run = LevelRun.read(found.write(tmp_path, cpu_seconds=0.5))
    assert (run.index, run.scenario, run.rate, run.concurrency) == (2, "chat", 10.0, 0)
    assert (run.counted_completed, run.counted_errors, run.client_cpu_seconds) == (4, 0, 0.5)
    assert run.stopped == STARTED + 2.5, "the level ends when its first request is cut off"
    assert [request.late for request in run.requests] == [0, 0, 0, 0, 0.25]


def test_a_request_that_hung_until_the_end_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sent_every(0.5, 4, record(40.0, monkeypatch))
    found.add(answer(4, 1.0, 39.0, cut=True))
    found.add(answer(5, 39.5, 0.5, cut=True))
    run = LevelRun.read(found.write(tmp_path, cpu_seconds=0.5))
    assert [(request.cut, request.error) for request in run.requests[-2:]] == [
        (False, "no answer within 39 s"),
        (True, ""),
    ]
