"""The runner with the load client of the open loop: what it sends, when, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autotuner.benchmark.clients.open_loop.arrivals import due_times
from autotuner.benchmark.clients.open_loop.main import drawn_from
from autotuner.benchmark.contract.level_run import LevelRun
from autotuner.benchmark.contract.spec import RunnerSpec
from tests.e2e.benchmark_run import KEY, BenchmarkRun, start_benchmark
from tests.e2e.fake_engine import fake_engine, heads, prompts

Start = Callable[..., BenchmarkRun]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts benchmarks of an open loop, each in a folder of its own."""
    runs: list[BenchmarkRun] = []

    def start_one(url: str, **changes: Any) -> BenchmarkRun:
        ladder = {"client": "open-loop", "concurrency": None, "rates": [20], **changes}
        runs.append(start_benchmark(tmp_path / f"run-{len(runs)}", url, None, **ladder))
        return runs[-1]

    yield start_one
    for run in runs:
        run.stop()


def assert_sent_as_drawn(run: BenchmarkRun, level: int) -> None:
    """Each request of a level was due when the schedule says, whatever the machine made of that."""
    spec = RunnerSpec.model_validate_json((run.folder / "spec.json").read_text())
    scenario, rate = spec.levels[level]
    found = LevelRun.read(run.work / f"level-{level}.json")
    requests = sorted(found.requests, key=lambda request: request.user)
    drawn = due_times(spec.arrivals, rate, drawn_from(spec, "level", scenario, rate))
    assert [request.user for request in requests] == list(range(len(requests))), "none is left out"
    for request, due in zip(requests, drawn, strict=False):
        assert request.start - request.late - found.started == pytest.approx(due, abs=1e-3)


def test_a_ladder_of_rates_is_measured(start: Start) -> None:
    limits = [{"metric": "TTFT", "max": 2.0}, {"metric": "E2ELatency", "max": 5.0}]
    with fake_engine() as one, fake_engine(tpot=0.002) as two:
        changes: dict[str, Any] = {"rates": [10, 30], "maxRequestsPerLevel": 30, "requestLimits": limits}
        runs = [start(one.url, **changes), start(two.url, processes=2, **changes)]
        for run in runs:
            assert run.wait() == 0, run.log
    first, second = (engine.streamed for engine in (one, two))
    for run in runs:
        assert run.result.ladder == "Complete"
        assert [(level.concurrency, level.rate) for level in run.result.levels] == [(None, 10), (None, 30)]
        for level in run.result.levels:
            assert level.errors == 0 and level.requests >= 5 and level.tpot_seconds is not None
            assert level.sent_per_second == pytest.approx(level.rate, rel=0.5), "of a few requests"
            assert level.lateness_p99_seconds is not None
            assert level.attainment is not None and level.attainment.low < level.attainment.share <= 1
        for number in range(2):
            assert_sent_as_drawn(run, number)
        assert "chat at 10 req/s: " in run.log and " sent, late by " in run.log and "kept their limits" in run.log
    assert one.keys == {f"Bearer {KEY}"}
    # Which worker is first by a millisecond does not matter; what is sent does.
    common = 4 + 30
    assert sorted(prompts(first[:common])) == sorted(prompts(second[:common])), "the same prompts for each engine"
    assert len(set(heads(first))) == len(first), "no two requests of a run begin alike"


@pytest.mark.full
def test_an_engine_that_sheds_load_is_measured_until_it_is_clear(start: Start) -> None:
    with fake_engine(fault="sheds", fault_after=30) as engine:
        few_errors = {"metric": "ErrorRate", "max": 0.01}
        run = start(engine.url, rates=[20, 40, 80], maxRequestsPerLevel=20, slos=[few_errors])
        assert run.wait() == 0, run.log
    assert run.result.ladder == "StoppedSLO"
    assert run.result.levels[-1].errors > 0
    assert any("requests failed: HTTP 429: " in warning for warning in run.result.warnings)


@pytest.mark.full
@pytest.mark.parametrize(
    ("fault", "failure", "words"),
    [
        ("refuses", "Refused", "chat at 20 req/s: the engine refuses every request: HTTP 400: "),
        ("no usage", "Acceptance", "carry no usage"),
        ("short", "Refused", "answers have 2 tokens on average where"),
    ],
)
def test_a_level_that_cannot_be_believed_fails_the_benchmark(
    start: Start, fault: Any, failure: str, words: str
) -> None:
    with fake_engine(fault=fault) as engine:
        run = start(engine.url)
        assert run.wait() == 1, run.log
    assert run.result.failure == failure
    assert words in run.result.message
