"""The simulated engine as a process of the benchmark environment."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import Request

import pytest

from tests.e2e.simulated import DIRECT, Simulated, command, free_port, simulator, wait_for_status

BODY = {"model": "model", "messages": [{"role": "user", "content": "hello world"}], "max_tokens": 5}
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module", params=["sglang", "vllm"])
def engine(request: pytest.FixtureRequest) -> Iterator[Simulated]:
    with simulator("--sim-noise=0", dialect=request.param) as running:
        yield running


def stream(engine: Simulated, **fields: Any) -> list[tuple[float, Any]]:
    """The events of a streamed chat with their times in seconds since the request."""
    asked = BODY | {"stream": True, "stream_options": {"include_usage": True}, "ignore_eos": True} | fields
    began = time.monotonic()
    found: list[tuple[float, Any]] = []
    headers = {"Content-Type": "application/json"}
    request = Request(engine.url + CHAT, json.dumps(asked).encode(), headers)
    with DIRECT.open(request, timeout=30) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        for line in response:
            if line.startswith(b"data: "):
                text = line[6:].decode().strip()
                found.append((time.monotonic() - began, text if text == "[DONE]" else json.loads(text)))
    return found


def metric(engine: Simulated, name: str) -> float:
    page = engine.get("/metrics")[1]
    return next(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name))


def test_a_streamed_chat_ends_with_usage(engine: Simulated) -> None:
    found = [event for _, event in stream(engine, max_tokens=30)]
    assert found[-1] == "[DONE]"
    assert found[-2]["usage"] == {"prompt_tokens": 11, "completion_tokens": 30, "total_tokens": 41}
    assert len([event for event in found[:-2] if event["choices"][0]["delta"]["content"]]) == 30


def test_tokens_come_one_by_one_at_the_models_pace(engine: Simulated) -> None:
    times = [at for at, event in stream(engine, max_tokens=40) if event != "[DONE]" and event["choices"]]
    between = (times[-1] - times[1]) / (len(times) - 2)
    assert 0.009 < between < 0.015


def test_a_chat_without_streaming(engine: Simulated) -> None:
    status, text = engine.post(CHAT, BODY)
    answer = json.loads(text)
    assert status == 200
    assert answer["object"] == "chat.completion"
    assert len(answer["choices"][0]["message"]["content"]) == 5
    assert answer["usage"]["completion_tokens"] == 5


def test_a_text_completion(engine: Simulated) -> None:
    status, text = engine.post("/v1/completions", {"model": "model", "prompt": "abc", "max_tokens": 4})
    assert (status, json.loads(text)["usage"]["total_tokens"]) == (200, 7)


def test_the_model_list_names_the_served_model(engine: Simulated) -> None:
    status, text = engine.get("/v1/models")
    assert (status, [model["id"] for model in json.loads(text)["data"]]) == (200, ["model"])


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"model": "other"}, 404, "The model `other` does not exist."),
        ({"max_tokens": 10_000_000}, 400, "maximum context length"),
        ({"messages": 3}, 400, "messages must be a list"),
    ],
)
def test_errors_have_openais_shape(engine: Simulated, fields: dict[str, Any], status: int, message: str) -> None:
    found, text = engine.post(CHAT, BODY | fields)
    error = json.loads(text)["error"]
    assert (found, error["code"]) == (status, status)
    assert message in error["message"]


def test_metrics_count_under_the_engines_names(engine: Simulated) -> None:
    dialect = "vllm" if "vllm:" in engine.get("/metrics")[1] else "sglang"
    before = metric(engine, f"{dialect}:generation_tokens_total")
    engine.post(CHAT, BODY)
    assert metric(engine, f"{dialect}:generation_tokens_total") == before + 5
    assert metric(engine, 'simulator:lateness_seconds_count{kind="last_chunk"}') >= 1


def test_a_client_that_goes_away_frees_its_place() -> None:
    with simulator() as engine:
        stopped = threading.Event()
        request = Request(engine.url + CHAT, json.dumps(BODY | {"stream": True, "max_tokens": 5000}).encode())
        with DIRECT.open(request, timeout=10) as response:
            response.readline()
            assert metric(engine, "sglang:num_running_reqs") == 1
        deadline = time.monotonic() + 5
        while metric(engine, "sglang:num_running_reqs") and time.monotonic() < deadline:
            stopped.wait(0.02)
        assert metric(engine, "sglang:num_running_reqs") == 0


def test_nothing_answers_before_the_start() -> None:
    with simulator("--sim-startup-seconds=1.5", healthy=False) as engine:
        assert engine.get("/health")[0] == 503
        assert engine.get("/v1/models")[0] == 503
        assert engine.post(CHAT, BODY)[0] == 503
        wait_for_status(engine, 200)
        assert engine.post(CHAT, BODY)[0] == 200


@pytest.mark.parametrize(("dialect", "prefix"), [("sglang", "launch_server.py"), ("vllm", "api_server.py")])
def test_an_unknown_flag_ends_with_usage_and_code_2(dialect: str, prefix: str) -> None:
    ended = subprocess.run(command(dialect, free_port(), "--fo", "1"), capture_output=True, text=True, timeout=20)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"usage: {prefix}")
    assert ended.stderr.splitlines()[-1] == f"{prefix}: error: unrecognized arguments: --fo 1"


@pytest.mark.parametrize(
    ("dialect", "flags", "message"),
    [
        ("sglang", ["--mem-fraction-static=0.02"], "Not enough memory. Please try to increase --mem-fraction-static."),
        ("sglang", ["--mem-fraction-static=0.99"], "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate"),
        ("vllm", ["--gpu-memory-utilization=0.02"], "No available memory for the cache blocks."),
        (
            "vllm",
            ["--max-num-seqs=512", "--max-num-batched-tokens=256"],
            "ValidationError: 1 validation error for Sched",
        ),
        ("sglang", ["--sim-fault=out-of-memory"], "torch.OutOfMemoryError: CUDA out of memory"),
        ("sglang", ["--sim-fault=crash-at-start"], "CUDA error: an illegal memory access was encountered"),
        ("vllm", ["--sim-fault=model-missing"], "Value error, Invalid repository ID or local directory specified: '/"),
        ("sglang", ["--sim-fault=model-missing"], "ValueError: Unrecognized model in /"),
    ],
)
def test_an_engine_that_cannot_start_says_why_and_exits_1(dialect: str, flags: list[str], message: str) -> None:
    with simulator(*flags, dialect=dialect, healthy=False) as engine:
        code, log = engine.wait()
    assert code == 1
    assert message in log


@pytest.mark.parametrize(
    ("fault", "models", "completion"),
    [
        ("no-model-list", 500, 200),
        ("no-completion", 200, 500),
        ("error-rate:1", 200, 500),
        ("path-prefix", 404, 404),
    ],
)
def test_a_fault_of_one_answer(fault: str, models: int, completion: int) -> None:
    with simulator(f"--sim-fault={fault}") as engine:
        assert (engine.get("/v1/models")[0], engine.post(CHAT, BODY)[0]) == (models, completion)


def test_two_names_are_listed_and_served() -> None:
    with simulator("--sim-fault=two-names") as engine:
        names = [model["id"] for model in json.loads(engine.get("/v1/models")[1])["data"]]
        assert names == ["model", "model-too"]
        assert [engine.post(CHAT, {**BODY, "model": name})[0] for name in names] == [200, 200]


def test_a_hanging_engine_listens_and_never_gets_healthy() -> None:
    with simulator("--sim-fault=hang", "--sim-startup-seconds=0", healthy=False) as engine:
        assert engine.get("/health")[0] == 503
        assert engine.process.poll() is None


def test_it_crashes_after_so_many_requests() -> None:
    with simulator("--sim-fault=crash-after-requests:2") as engine:
        assert engine.post(CHAT, BODY)[0] == 200
        assert engine.process.poll() is None
        engine.post(CHAT, BODY)
        code, log = engine.wait()
    assert code == 1
    assert "CUDA error" in log


@pytest.mark.parametrize(("fault", "tokens"), [("no-usage", None), ("early-eos", 10)])
def test_faults_of_the_counts(fault: str, tokens: int | None) -> None:
    with simulator(f"--sim-fault={fault}") as engine:
        usages = [event.get("usage") for _, event in stream(engine, max_tokens=20) if event != "[DONE]"]
    counts = [usage["completion_tokens"] for usage in usages if usage]
    assert counts == ([] if tokens is None else [tokens])


def test_the_key_is_asked_for_where_one_is_set() -> None:
    with simulator("--api-key=secret") as engine:
        assert engine.get("/health")[0] == 200
        assert engine.post(CHAT, BODY)[0] == 401
        assert engine.post(CHAT, BODY, Authorization="Bearer secret")[0] == 200


def test_a_repeated_prompt_is_answered_sooner_until_the_cache_is_flushed() -> None:
    messages = [{"role": "user", "content": "x" * 4000}]
    with simulator("--sim-noise=0") as engine:
        first = stream(engine, messages=messages)[0][0]
        assert stream(engine, messages=messages)[0][0] < first - 0.05
        assert engine.get("/flush_cache", "POST")[0] == 200
        assert stream(engine, messages=messages)[0][0] > first - 0.05


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once_also_with_a_request_in_flight(number: signal.Signals) -> None:
    with simulator() as engine:
        request = Request(engine.url + CHAT, json.dumps(BODY | {"stream": True, "max_tokens": 5000}).encode())
        with DIRECT.open(request, timeout=10) as response:
            response.readline()
            began = time.monotonic()
            engine.process.send_signal(number)
            code, _ = engine.wait()
        assert code == 0
        assert time.monotonic() - began < 1.0
