"""The benchmark's runner with real genai-bench: what it measures, what it refuses, how it ends."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.benchmark_run import KEY, BenchmarkRun, start_benchmark
from tests.e2e.fake_engine import fake_engine, heads, prompts
from tests.e2e.fake_hub import fake_hub
from tests.e2e.simulated import TOKENIZER, command, free_port

Start = Callable[..., BenchmarkRun]
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts benchmarks, each in a folder of its own, and ends those that a failing test leaves behind."""
    runs: list[BenchmarkRun] = []

    def start_one(url: str = NOWHERE, environment: dict[str, str] | None = None, **changes: Any) -> BenchmarkRun:
        runs.append(start_benchmark(tmp_path / f"run-{len(runs)}", url, environment, **changes))
        return runs[-1]

    yield start_one
    for run in runs:
        run.stop()


@pytest.fixture(scope="module", autouse=True)
def hanging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchmarkRun]:
    """A benchmark of an engine that hangs. It takes half a minute while the other tests run."""
    with fake_engine(fault="hang", fault_after=10) as engine:
        run = start_benchmark(tmp_path_factory.mktemp("hanging"), engine.url)
        yield run
        run.stop()


def seconds_between(earlier: str | None, later: str | None) -> float:
    assert earlier and later
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_it_needs_no_user_that_anybody_knows(start: Start) -> None:
    """As on OpenShift, which gives each namespace users of its own: without a name, a home, or a group but root's."""
    stranger = ("unshare", "--user", "--map-user=1000660000", "--map-group=0")
    if subprocess.run([*stranger, "true"], capture_output=True).returncode != 0:
        pytest.skip("not run: this machine allows no user namespaces")
    with fake_engine() as engine:
        run = start(engine.url, under=stranger, concurrency=[2])
        assert run.wait() == 0, run.log

    assert run.result.failure is None


def test_a_ladder_is_measured_the_moment_the_engine_is_ready(start: Start) -> None:
    port = free_port()
    run = start(f"http://127.0.0.1:{port}", concurrency=[1, 2, 4, 8])
    with loading_simulator(port, seconds=10):
        assert run.wait() == 0, run.log
    result = run.result
    assert result.ladder == "Complete"
    assert [(level.scenario, level.concurrency) for level in result.levels] == [("chat", c) for c in (1, 2, 4, 8)]
    throughput = [level.output_tokens_per_second for level in result.levels]
    assert throughput == sorted(throughput)
    assert all(level.errors == 0 and level.requests >= 5 and level.tpot_seconds for level in result.levels)
    assert seconds_between(result.engine_ready, result.first_request) < 2
    assert result.overhead_seconds is not None and result.overhead_seconds < 6
    assert all(f'"concurrency":{c}' in run.log for c in (1, 2, 4, 8)), "each level is in the log"


@contextmanager
def loading_simulator(port: int, seconds: float) -> Iterator[None]:
    """The simulated engine, which takes so long to load."""
    flags = (f"--sim-startup-seconds={seconds}", "--sim-time-scale=1")
    process = subprocess.Popen(command("sglang", port, *flags), stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_nothing_is_written_outside_and_the_key_nowhere(start: Start) -> None:
    with fake_engine(fault="errors", fault_after=20) as engine:
        run = start(engine.url)
        assert run.wait() == 0, run.log
        assert f"Bearer {KEY}" in engine.keys, "the key is sent"
    assert engine.keys == {f"Bearer {KEY}"}
    for path in (p for p in run.folder.rglob("*") if p.is_file()):
        assert KEY.encode() not in path.read_bytes(), f"{path} holds the key"
    assert list((run.folder / "home").iterdir()) == []
    assert list((run.folder / "cwd").iterdir()) == []


def test_prompts_are_equal_for_equal_seeds_and_never_shared_otherwise(start: Start) -> None:
    with fake_engine() as one, fake_engine() as two, fake_engine(tpot=0.002) as other_block:
        runs = [start(one.url), start(two.url), start(other_block.url, block=1)]
        assert [run.wait() for run in runs] == [0, 0, 0]
        first, second, third = (engine.streamed for engine in (one, two, other_block))
    common = min(len(first), len(second), 3 + 12)
    assert sorted(prompts(first[:common])) == sorted(prompts(second[:common]))
    assert len(set(heads(first))) == len(first), "no two requests of a run begin alike"
    assert set(heads(first)).isdisjoint(heads(third))


def test_the_ladder_ends_where_a_ceiling_breaks(start: Start, tmp_path: Path) -> None:
    volume = tmp_path / "model"
    shutil.copytree(TOKENIZER, volume)
    with fake_engine() as engine:
        run = start(
            engine.url,
            concurrency=[1, 2, 4],
            scenarios=[{"name": "chat", "load": "D(60,20)"}, {"name": "long", "load": "D(200,20)"}],
            slos=[{"metric": "TTFT", "statistic": "P50", "max": 0.001}],
            tokenizer={"source": "ModelVolume", "path": str(volume)},
        )
        assert run.wait() == 0, run.log
    assert run.result.ladder == "StoppedSLO"
    assert "TTFT P50" in run.result.message
    found = [(level.scenario, level.concurrency) for level in run.result.levels]
    assert found == [("chat", 1), ("chat", 2), ("long", 1), ("long", 2)]


def test_the_ladder_ends_when_it_is_hopeless(start: Start) -> None:
    with fake_engine() as engine:
        run = start(
            engine.url,
            concurrency=[1, 2, 4, 8],
            requiredThroughput={"metric": "OutputThroughput", "threshold": 1e6},
        )
        assert run.wait() == 0, run.log
    assert run.result.ladder == "StoppedHopeless"
    assert "OutputThroughput would not reach 1000000 tok/s" in run.result.message
    assert [level.concurrency for level in run.result.levels] == [1, 2]


def test_sigterm_ends_it_at_once_and_keeps_what_finished(start: Start) -> None:
    with fake_engine(fault="hang", fault_after=30) as engine:
        run = start(engine.url, concurrency=[2, 16])
        run.wait_for_line("chat at concurrency 2:")
        run.wait_until(lambda: len(engine.streamed) > 40)
        children = run.children
        assert children
        sent = time.monotonic()
        run.process.send_signal(signal.SIGTERM)
        assert run.wait(10) == 143
    assert time.monotonic() - sent < 5
    assert (run.result.failure, run.result.ladder) == ("Terminated", "Broken")
    assert [level.concurrency for level in run.result.levels] == [2]
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_an_engine_that_dies_is_noticed_at_once(start: Start) -> None:
    with fake_engine() as engine:
        run = start(engine.url, maxRequestsPerLevel=2000, concurrency=[2])
        run.wait_until(lambda: len(engine.streamed) > 30)
        died = time.monotonic()
        engine.stop()
        assert run.wait(30) == 3
    assert time.monotonic() - died < 15
    assert run.result.failure == "EngineNotServing"
    assert "the engine stopped answering" in run.result.message


FEW_ERRORS = {"metric": "ErrorRate", "max": 0.01}


def test_a_level_that_sheds_load_is_recorded_and_ends_the_ladder(start: Start) -> None:
    # Warm-up takes three requests, a level at least twenty.
    with fake_engine(fault="sheds", fault_after=30) as engine:
        run = start(engine.url, concurrency=[1, 2, 4], maxRequestsPerLevel=20, slos=[FEW_ERRORS])
        assert run.wait() == 0, run.log
    first, *others = run.result.levels
    assert (first.concurrency, first.errors) == (1, 0)
    assert others[-1].errors > 0
    assert run.result.ladder == "StoppedSLO"
    assert "requests failed: HTTP 429: " in run.result.warnings[0]


def test_levels_without_a_single_answer_are_recorded(start: Start) -> None:
    with fake_engine(fault="sheds") as engine:
        scenarios = [{"name": "chat", "load": "D(40,6)"}, {"name": "long", "load": "D(80,6)"}]
        run = start(engine.url, scenarios=scenarios, concurrency=[2])
        assert run.wait() == 0, run.log
    assert [(level.scenario, level.requests) for level in run.result.levels] == [("chat", 0), ("long", 0)]
    assert all(level.errors > 0 for level in run.result.levels)


def test_a_few_errors_are_told_and_beyond_every_percentile(start: Start) -> None:
    with fake_engine(fault="errors") as engine:
        run = start(engine.url, concurrency=[4])
        assert run.wait() == 0, run.log
    (level,) = run.result.levels
    assert level.ttft_seconds is not None
    assert level.ttft_seconds.p50 is not None and level.ttft_seconds.p99 is None
    assert "requests failed: HTTP 500: " in run.result.warnings[0]


@pytest.mark.parametrize(
    ("fault", "failure", "words"),
    [
        ("refuses", "Refused", "the engine refuses every request: HTTP 400: "),
        ("no usage", "Acceptance", "carry no usage"),
        ("short", "Refused", "answers have 2 tokens on average where"),
    ],
)
def test_a_level_that_cannot_be_believed_fails_the_benchmark(
    start: Start, fault: Any, failure: str, words: str
) -> None:
    with fake_engine(fault=fault) as engine:
        run = start(engine.url, concurrency=[4])
        assert run.wait() == 1, run.log
    assert run.result.failure == failure
    assert words in run.result.message
    assert run.result.levels == ()


@pytest.mark.parametrize(
    ("model", "fault", "failure", "words"),
    [
        ("", "no completion", "EngineNotServing", "lists its models but does not complete: HTTP 404"),
        ("other", "none", "ModelNameAmbiguous", "the engine serves model, not other"),
    ],
)
def test_an_engine_that_does_not_serve_is_told_apart(
    start: Start, model: str, fault: Any, failure: str, words: str
) -> None:
    with fake_engine(fault=fault) as engine:
        run = start(engine.url, model=model)
        assert run.wait() == 3
    assert run.result.failure == failure
    assert words in run.result.message


def test_no_engine_at_all(start: Start) -> None:
    run = start(startupSeconds=1)
    assert run.wait() == 3
    assert "no model list from http://127.0.0.1:9 within 1 s" in run.result.message
    assert run.result.ladder is None


def test_a_tokenizer_from_the_hub(start: Start) -> None:
    with fake_engine() as engine, fake_hub(TOKENIZER, token="hf_secret") as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_secret"}
        run = start(engine.url, environment, concurrency=[2], tokenizer={"source": "Hub", "id": "org/tokenizer"})
        assert run.wait() == 0, run.log
        assert "tokenizer.json" in hub.served


@pytest.mark.parametrize(
    ("repository", "environment", "words"),
    [
        ("org/tokenizer", {}, "give benchmark.tokenizer.tokenSecret"),
        ("org/tokenizer", {"HF_TOKEN": "hf_wrong"}, "the hub refuses this token"),
        ("org/misspelt", {}, "misspelt"),
        ("org/tokenizer", {"HF_HUB_OFFLINE": "1"}, "downloads are switched off (HF_HUB_OFFLINE)"),
        ("org/tokenizer", {"HF_ENDPOINT": NOWHERE}, "does not answer the benchmark's pod; use source ModelVolume"),
    ],
    ids=["gated", "wrong token", "not found", "offline", "unreachable"],
)
def test_a_tokenizer_that_cannot_be_had(start: Start, repository: str, environment: dict[str, str], words: str) -> None:
    with fake_hub(TOKENIZER, token="hf_secret") as hub:
        started = time.monotonic()
        run = start(environment={"HF_ENDPOINT": hub.url, **environment}, tokenizer={"source": "Hub", "id": repository})
        assert run.wait(60) == 1
    assert time.monotonic() - started < 60
    assert run.result.failure == "Tokenizer"
    assert run.result.message.startswith("benchmark.tokenizer")
    assert words in run.result.message


def test_a_tokenizer_that_is_not_on_the_volume(start: Start, tmp_path: Path) -> None:
    run = start(tokenizer={"source": "ModelVolume", "path": str(tmp_path / "nowhere")})
    assert run.wait(30) == 1
    assert run.result.message.startswith("benchmark.tokenizer: the folder ")


def test_a_proxy_is_used(start: Start) -> None:
    with fake_engine() as engine:
        run = start("http://engine.tuning.svc:8080", {"http_proxy": engine.url}, concurrency=[2])
        assert run.wait() == 0, run.log
        assert engine.hosts == {"engine.tuning.svc:8080"}


def test_a_bad_spec_is_refused_with_its_field(start: Start) -> None:
    run = start(concurrency=[])
    assert run.wait(30) == 2
    assert run.result.failure == "Spec"
    assert "benchmark.concurrency" in run.result.message


def test_a_runner_killed_outright_takes_genai_bench_with_it(start: Start) -> None:
    run = start()
    run.wait_until(lambda: run.children)
    children = run.children
    run.process.kill()
    run.process.wait(10)
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() < deadline, "genai-bench outlives its runner"
        time.sleep(0.02)


def test_an_engine_that_hangs_is_not_waited_for(hanging: BenchmarkRun) -> None:
    assert hanging.wait(120) == 3
    assert hanging.result.failure == "EngineNotServing"
    assert "the engine stopped answering after" in hanging.result.message
    assert re.search(r"nothing for 3\d s, where answers took", hanging.result.message)
