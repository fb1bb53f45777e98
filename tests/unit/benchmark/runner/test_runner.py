"""The runner with a load client of its own choice: a real process that makes its requests up."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autotuner.benchmark.contract.result import Result, decode
from autotuner.benchmark.runner import runner
from autotuner.benchmark.runner.container import run_benchmark
from tests.unit.benchmark.runner import fake_client
from tests.unit.benchmark.runner.fake_client import Behaviour
from tests.unit.benchmark.runner.tiny_engine import TinyEngine, tiny_engine

ROOT = Path(__file__).parents[4]
CLIENTS = {"fake": fake_client.__name__}
SCENARIOS = [{"name": "chat", "load": "D(100,11)"}, {"name": "long", "load": "D(1000,11)"}]


@pytest.fixture
def engine() -> Iterator[TinyEngine]:
    with tiny_engine() as one:
        yield one


@pytest.fixture
def signals() -> Iterator[None]:
    """Handlers as they were: a runner has its process to itself."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def variables(folder: Path, url: str, behaviour: Behaviour = "measure", **changes: Any) -> dict[str, str]:
    spec = {
        "apiBase": url,
        "client": "fake",
        "backend": "sglang",
        "cacheFlush": "/flush_cache",
        "scenarios": SCENARIOS[:1],
        "concurrency": [1, 2, 4, 8],
        "maxMinutesPerLevel": 1,
        "tokenizer": {"source": "Builtin"},
        "startupSeconds": 5,
        "workDir": str(folder / "work"),
        **changes,
    }
    return {
        "AUTOTUNER_BENCHMARK": json.dumps(spec),
        "TERMINATION_LOG": str(folder / "termination-log"),
        "FAKE_CLIENT": behaviour,
        "PYTHONPATH": str(ROOT),
    }


def result_in(folder: Path) -> Result:
    return decode((folder / "termination-log").read_text())


def measured(result: Result) -> list[tuple[str, int]]:
    return [(level.scenario, level.concurrency) for level in result.levels]


def client_pid(folder: Path) -> int:
    return int((folder / "work" / "pid").read_text())


@pytest.mark.usefixtures("signals")
class TestLadder:
    def test_is_measured_from_the_clients_requests(
        self, engine: TinyEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run_benchmark(variables(tmp_path, engine.url), CLIENTS) == 0

        result = result_in(tmp_path)
        assert (result.ladder, result.failure, result.warnings) == ("Complete", None, ())
        assert measured(result) == [("chat", c) for c in (1, 2, 4, 8)]
        for level in result.levels:
            users = level.concurrency
            assert level.ttft_seconds.p99 == pytest.approx(0.01 * users, rel=1e-3)
            assert level.output_tokens_per_second == pytest.approx(users * 11 / (0.1 + 0.01 * users), rel=1e-3)
            assert level.requests == 9 * users, "every user's first request is the ramp"
        assert result.engine_ready and result.first_request and result.warmup_seconds == 0.5
        assert engine.seen == ["GET /v1/models", "POST /v1/chat/completions", *["POST /flush_cache"] * 4]
        log = capsys.readouterr().out
        assert "warm-up took 0.5 s; tiny was cold" in log, "the client is told the model"
        assert all(f'"concurrency":{c}' in log for c in (1, 2, 4, 8))

    def test_tells_what_the_engine_says_of_itself(self, engine: TinyEngine, tmp_path: Path) -> None:
        calls = ["/server_info", "/get_server_info"]
        assert run_benchmark(variables(tmp_path, engine.url, versionCalls=calls, concurrency=[1]), CLIENTS) == 0

        assert result_in(tmp_path).engine_version == "0.5.23"
        assert engine.seen[2:4] == ["GET /server_info", "GET /get_server_info"]

    def test_skips_what_lies_above_a_broken_ceiling(self, engine: TinyEngine, tmp_path: Path) -> None:
        slos = [{"metric": "TTFT", "statistic": "P50", "max": 0.03}]
        assert run_benchmark(variables(tmp_path, engine.url, slos=slos, scenarios=SCENARIOS), CLIENTS) == 0

        result = result_in(tmp_path)
        assert result.ladder == "StoppedSLO"
        assert measured(result) == [(name, c) for name in ("chat", "long") for c in (1, 2, 4)]
        assert "TTFT P50 40.0ms is above 30.0ms (chat at concurrency 4)" in result.message

    def test_ends_where_load_is_shed(self, engine: TinyEngine, tmp_path: Path) -> None:
        slos = [{"metric": "ErrorRate", "max": 0.01}]
        assert run_benchmark(variables(tmp_path, engine.url, "record errors", slos=slos), CLIENTS) == 0

        result = result_in(tmp_path)
        assert result.ladder == "StoppedSLO"
        assert [(level.concurrency, level.errors) for level in result.levels] == [(1, 0), (2, 4)]
        assert result.levels[0].ttft_seconds and result.levels[0].ttft_seconds.p99
        assert "ErrorRate 21.1% is above 1.00% (chat at concurrency 2)" in result.message
        assert result.warnings == ("chat at concurrency 2: 4 of 20 requests failed: HTTP 503: busy",)

    def test_ends_when_it_is_hopeless(self, engine: TinyEngine, tmp_path: Path) -> None:
        required = {"metric": "OutputThroughput", "threshold": 5000}
        assert run_benchmark(variables(tmp_path, engine.url, requiredThroughput=required), CLIENTS) == 0

        result = result_in(tmp_path)
        assert result.ladder == "StoppedHopeless"
        assert measured(result) == [("chat", 1), ("chat", 2)]
        assert not Path(f"/proc/{client_pid(tmp_path)}").exists(), "the client waited for leave, and is gone"

    @pytest.mark.parametrize(
        ("behaviour", "failure", "words"),
        [
            ("die", "Internal", "the load client ended with code 7\nout of memory"),
            ("fail", "Internal", "the load client failed: KeyError: 'choices'"),
            ("babble", "Internal", "Lunch"),
            ("record an outage", "EngineNotServing", "stopped answering after 20 requests: Connection error: gone"),
        ],
    )
    def test_keeps_the_levels_before_a_failure(
        self, engine: TinyEngine, tmp_path: Path, behaviour: Behaviour, failure: str, words: str
    ) -> None:
        assert run_benchmark(variables(tmp_path, engine.url, behaviour), CLIENTS) in (1, 3)

        result = result_in(tmp_path)
        assert (result.failure, result.ladder) == (failure, "Broken")
        assert words in result.message
        assert measured(result) == [("chat", 1)]
        assert not Path(f"/proc/{client_pid(tmp_path)}").exists()

    def test_does_not_begin_without_a_tokenizer(self, engine: TinyEngine, tmp_path: Path) -> None:
        assert run_benchmark(variables(tmp_path, engine.url, "refuse"), CLIENTS) == 1

        result = result_in(tmp_path)
        assert (result.failure, result.ladder) == ("Tokenizer", None)
        assert result.message == "benchmark.tokenizer: it is made up"

    @pytest.mark.parametrize(
        ("source", "failure", "words"),
        [
            ({"source": "Hub", "id": "org/model"}, "Tokenizer", "does not answer the benchmark's pod"),
            ({"source": "ModelVolume", "path": "/x"}, "ClientOverloaded", "the benchmark is short of CPU"),
            ({"source": "Builtin"}, "ClientOverloaded", "the benchmark is short of CPU"),
        ],
    )
    def test_waits_for_a_tokenizer_not_for_ever(
        self,
        engine: TinyEngine,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        source: dict[str, str],
        failure: str,
        words: str,
    ) -> None:
        monkeypatch.setattr(runner, "HUB_SECONDS", 0.2)
        monkeypatch.setattr(runner, "LOADING_SECONDS", 0.4)
        assert run_benchmark(variables(tmp_path, engine.url, "sleep", tokenizer=source), CLIENTS) == 1

        result = result_in(tmp_path)
        assert result.failure == failure
        assert result.message.startswith("benchmark.tokenizer: it did not load within 0 s")
        assert words in result.message

    def test_needs_the_model_that_is_served(self, engine: TinyEngine, tmp_path: Path) -> None:
        assert run_benchmark(variables(tmp_path, engine.url, model="large"), CLIENTS) == 3

        result = result_in(tmp_path)
        assert result.failure == "ModelNameAmbiguous"
        assert result.message.startswith(
            "the engine serves tiny, not large: name one of these in runtime.servedModelName"
        )

    def test_cannot_choose_between_names(self, engine: TinyEngine, tmp_path: Path) -> None:
        engine.answers["GET /v1/models"] = (200, {"data": [{"id": "base"}, {"id": "lora-a"}]})
        assert run_benchmark(variables(tmp_path, engine.url), CLIENTS) == 3

        result = result_in(tmp_path)
        assert result.failure == "ModelNameAmbiguous"
        assert "several names (base, lora-a)" in result.message
        assert "name it in runtime.servedModelName" in result.message

    @pytest.mark.parametrize("key", ["se\ncret", "gehe\u00efm", "a\x00b"])
    def test_needs_a_key_that_can_be_sent(
        self, engine: TinyEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str
    ) -> None:
        assert run_benchmark(variables(tmp_path, engine.url) | {"AUTOTUNER_API_KEY": key}, CLIENTS) == 3

        result = result_in(tmp_path)
        assert result.failure == "Unauthorized"
        assert "runtime.apiKeySecret" in result.message
        assert "printable ASCII" in result.message
        assert key not in result.message + capsys.readouterr().out
        assert engine.seen == []

    def test_needs_a_client_that_exists(self, engine: TinyEngine, tmp_path: Path) -> None:
        assert run_benchmark(variables(tmp_path, engine.url, client="no-such"), CLIENTS) == 2

        result = result_in(tmp_path)
        assert (result.failure, result.message) == (
            "Spec",
            "benchmark.client: there is no load client no-such, but fake",
        )


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)], ids=["terminated", "killed outright"]
)
def test_the_client_ends_with_its_runner(engine: TinyEngine, tmp_path: Path, number: int, code: int) -> None:
    program = (
        "import os, sys; from autotuner.benchmark.runner.container import run_benchmark;"
        f"sys.exit(run_benchmark(os.environ, {CLIENTS}))"
    )
    environment = variables(tmp_path, engine.url, "hang")
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert any(line.startswith("chat at concurrency 1:") for line in process.stdout)
        client = os.pidfd_open(client_pid(tmp_path))
        process.send_signal(number)
        assert process.wait(10) == code
    ended, _, _ = select.select([client], [], [], 10)
    os.close(client)
    assert ended, "the load client outlives its runner"
    if code == 143:
        result = result_in(tmp_path)
        assert (result.failure, result.ladder, measured(result)) == ("Terminated", "Broken", [("chat", 1)])
