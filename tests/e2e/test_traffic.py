"""The runner with traffic beyond synthetic lengths: what is offered is what was drawn or recorded."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autotuner.api.traffic_scenarios import Turns
from autotuner.benchmark.clients.open_loop.main import drawn_from
from autotuner.benchmark.clients.open_loop.sessions import SOONEST_SECONDS, think_seconds
from autotuner.benchmark.clients.prompts import TEMPLATE_TOKENS, prefix_group, prefix_shares
from autotuner.benchmark.contract.level_run import LevelRun
from autotuner.benchmark.contract.spec import RunnerSpec
from tests.e2e.benchmark_run import BenchmarkRun, start_benchmark
from tests.support.absorber import Absorber, Offered, absorber

Start = Callable[..., BenchmarkRun]
WARMUPS = 4


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts benchmarks, each in a folder of its own."""
    runs: list[BenchmarkRun] = []

    def start_one(url: str, scenario: dict[str, Any], **changes: Any) -> BenchmarkRun:
        loop = {"client": "open-loop", "concurrency": None, "maxRequestsPerLevel": 24, **changes}
        folder = tmp_path / f"run-{len(runs)}"
        runs.append(start_benchmark(folder, url, None, scenarios=[{"name": "chat", **scenario}], **loop))
        return runs[-1]

    yield start_one
    for run in runs:
        run.stop()


def drawn(run: BenchmarkRun, level: int = 0) -> tuple[RunnerSpec, Any]:
    """The spec of a run, and what a level of it was drawn from."""
    spec = RunnerSpec.model_validate_json((run.folder / "spec.json").read_text())
    return spec, drawn_from(spec, "level", *spec.levels[level])


def offered(engine: Absorber) -> list[Offered]:
    """The requests behind the warm-up."""
    return engine.offered[WARMUPS:]


def assert_done(run: BenchmarkRun) -> None:
    assert run.wait() == 0, run.log
    assert run.result.ladder == "Complete"


def file_of(folder: Path, lines: list[str]) -> str:
    path = folder / "trace"
    path.write_text("".join(lines))
    return str(path)


def test_prompts_share_the_prefixes_of_their_groups(start: Start) -> None:
    scenario = {"load": "D(60,5)", "prefix": {"tokens": 80, "groups": 3}}
    with absorber(tpot=0.001) as engine, absorber(tpot=0.001) as other:
        runs = [start(one.url, scenario, rates=[20, 40]) for one in (engine, other)]
        for run in runs:
            assert_done(run)
    assert sorted(one.prompt for one in offered(engine)[:24]) == sorted(one.prompt for one in offered(other)[:24])
    beginnings = []
    for level in range(2):
        spec, key = drawn(runs[0], level)
        count = len(LevelRun.read(runs[0].work / f"level-{level}.json").requests)
        sent = offered(engine)[:count] if level == 0 else offered(engine)[-count:]
        shares = prefix_shares(key, 3)
        expected: dict[int, int] = defaultdict(int)
        for number in range(count):
            expected[prefix_group(key, number, shares)] += 1
        found: dict[str, int] = defaultdict(int)
        for one in sent:
            assert len(one.prompt) == pytest.approx(80 + 60, abs=2), "the tokenizer's tokens are bytes"
            found[one.prompt[:78]] += 1
        assert sorted(found.values()) == sorted(expected.values())
        assert len({one.prompt for one in sent}) == count
        beginnings.append(set(found))
        assert spec.rates == [20, 40]
    assert not beginnings[0] & beginnings[1], "levels share none"


def test_sessions_carry_what_was_said(start: Start) -> None:
    turns = {"count": 3, "thinkSeconds": 0.05}
    with absorber(ttft=0.02, tpot=0.001) as engine:
        run = start(engine.url, {"load": "D(40,6)", "turns": turns}, rates=[30], maxRequestsPerLevel=60)
        assert_done(run)
    _, key = drawn(run)
    requests = {one.user: one for one in LevelRun.read(run.work / "level-0.json").requests}
    by_number = {}
    sessions: dict[str, list[Offered]] = defaultdict(list)
    for one in offered(engine):
        sessions[one.body["messages"][0]["content"]].append(one)
    assert len(sessions) > 10 and sum(len(one) == 3 for one in sessions.values()) > 5
    for said in sessions.values():
        for turn, one in enumerate(said):
            messages = one.body["messages"]
            assert [message["role"] for message in messages] == ["user", "assistant"] * turn + ["user"]
            assert all(message["content"] == "aaaaaa" for message in messages[1::2]), "the engine's own answers"
            assert len({message["content"] for message in messages[::2]}) == turn + 1
            by_number[len(by_number)] = one
    for number, one in requests.items():
        if number % 3 and not one.cut:
            before = requests[number - 1]
            think = think_seconds(Turns(count=3, think_seconds=0.05), key, number) + SOONEST_SECONDS
            # The answer is waited for; how long the way through two processes takes depends on the machine.
            assert one.start - one.late - before.end == pytest.approx(think, abs=0.25)
            assert one.start - before.end >= think - 0.001
    (level,) = run.result.levels
    assert level.rate == 30 and level.requests_per_second == pytest.approx(30, rel=0.5)


def test_a_trace_is_sent_at_its_own_times(start: Start, tmp_path: Path) -> None:
    rows = [
        {"timestamp": 9000 + 100 * k, "input_length": 700 + k, "output_length": 3 + k % 4, "hash_ids": [k % 2, 50 + k]}
        for k in range(30)
    ]
    file = file_of(tmp_path, [json.dumps(row) + "\n" for row in rows])
    with absorber(ttft=0.02, tpot=0.001) as engine:
        trace = {"format": "Mooncake", "file": file, "speed": 2.0}
        run = start(engine.url, {"trace": trace}, maxRequestsPerLevel=100)
        assert_done(run)
    sent = sorted(offered(engine), key=lambda one: one.arrived)
    assert [one.asked for one in sent] == [row["output_length"] for row in rows]
    for one, row in zip(sent, rows, strict=True):
        assert len(one.prompt) == pytest.approx(int(str(row["input_length"])), abs=2)
    assert len({one.prompt[:510] for one in sent}) == 2, "the first block of each is one of two"
    requests = sorted(LevelRun.read(run.work / "level-0.json").requests, key=lambda one: one.user)
    began = requests[0].start - requests[0].late
    for number, request in enumerate(requests):
        assert request.start - request.late - began == pytest.approx(0.05 * number, abs=1e-3)
    (level,) = run.result.levels
    assert (level.rate, level.concurrency, level.errors) == (None, None, 0)
    assert level.sent_per_second == pytest.approx(20, rel=0.3)
    (read,) = run.result.traces
    assert (read.requests, read.cut, read.seconds) == (30, False, pytest.approx(1.45))
    assert read.prefix_share == pytest.approx(28 * 512 / sum(int(str(row["input_length"])) for row in rows), rel=0.01)
    assert "chat at the trace's own times: " in run.log and "trace of chat: read 30 requests, in 1.5 s" in run.log


@pytest.mark.full
def test_recorded_requests_are_sent_as_they_are(start: Start, tmp_path: Path) -> None:
    lines = [
        json.dumps(
            {
                "messages": [{"role": "system", "content": f"s{k}"}, {"role": "user", "content": f"question {k}"}],
                "max_tokens": 4,
                "top_p": 0.5,
            }
        )
        + "\n"
        for k in range(80)
    ]
    trace = {"format": "OpenAI", "file": file_of(tmp_path, lines)}
    with absorber(ttft=0.02, tpot=0.001) as engine:
        run = start(engine.url, {"trace": trace}, rates=[20, 40], maxRequestsPerLevel=15)
        assert_done(run)
    texts = [[message["content"] for message in one.body["messages"]] for one in offered(engine)]
    first = len(LevelRun.read(run.work / "level-0.json").requests)
    assert {int(said[0][1:]) % 2 for said in texts[:first]} == {0}, "the levels share none"
    assert {int(said[0][1:]) % 2 for said in texts[first:]} == {1}
    assert all(said[1] == f"question {said[0][1:]}" for said in texts)
    assert {one.body["top_p"] for one in offered(engine)} == {0.5}


@pytest.mark.full
def test_a_closed_loop_sends_prefixes_and_recorded_texts(start: Start, tmp_path: Path) -> None:
    said = [
        {
            "conversations": [
                {"from": "human", "value": f"question {k} " * 3},
                {"from": "gpt", "value": "yes" * (1 + k % 2)},
            ]
        }
        for k in range(1000)
    ]
    trace = {"format": "ShareGPT", "file": file_of(tmp_path, [json.dumps(said)])}
    chat = {"name": "chat", "trace": trace}
    shared = {"name": "shared", "load": "D(30,5)", "prefix": {"tokens": 50}}
    with absorber(ttft=0.02, tpot=0.001) as engine:
        run = start_benchmark(tmp_path / "closed", engine.url, None, scenarios=[chat, shared], concurrency=[3])
        try:
            assert_done(run)
        finally:
            run.stop()
    assert [level.scenario for level in run.result.levels] == ["chat", "shared"]
    assert run.result.traces[0].output_tokens_mean == pytest.approx(4.5)
    recorded = {one["conversations"][0]["value"] for one in said}
    texts = [one for one in engine.offered if one.prompt in recorded]
    assert len({one.prompt for one in texts}) == len(texts) >= 12
    assert {one.asked for one in texts} == {3, 6}
    rest = [one.prompt for one in engine.offered if one.prompt not in recorded and len(one.prompt) > 70][-12:]
    assert len({prompt[:48] for prompt in rest}) == 1 and len(set(rest)) == 12


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"timestamp": 1, "input_length": 10, "output_length": 3}\n{"timestamp": 0}\n', "line 2 of "),
        pytest.param(None, "there is no ", marks=pytest.mark.full),
    ],
)
def test_a_broken_trace_ends_everything_and_names_the_line(
    start: Start, tmp_path: Path, content: str | None, words: str
) -> None:
    file = file_of(tmp_path, [content]) if content else str(tmp_path / "none")
    with absorber() as engine:
        run = start(engine.url, {"trace": {"format": "Mooncake", "file": file}})
        assert run.wait() == 1, run.log
    assert (run.result.failure, run.result.ladder, engine.offered) == ("Trace", None, [])
    assert run.result.message.startswith("benchmark.scenarios[chat].trace: ") and words in run.result.message


@pytest.mark.full
def test_what_a_context_does_not_hold_is_cut_and_told(start: Start, tmp_path: Path) -> None:
    rows = [
        {"timestamp": 50 * k, "input_length": 900 if k % 3 else 300, "output_length": 4, "hash_ids": []}
        for k in range(30)
    ]
    file = file_of(tmp_path, [json.dumps(row) + "\n" for row in rows])
    with absorber(ttft=0.02, tpot=0.001) as engine:
        engine.context = 500 + TEMPLATE_TOKENS
        run = start(engine.url, {"trace": {"format": "Mooncake", "file": file}}, maxRequestsPerLevel=100)
        assert_done(run)
    lengths = sorted(len(one.prompt) for one in offered(engine))
    assert lengths == [pytest.approx(300, abs=2)] * 10 + [496] * 20
    assert any("20 of 30 recorded requests were cut to the context" in warning for warning in run.result.warnings)
