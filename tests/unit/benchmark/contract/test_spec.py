from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autotuner.benchmark.contract.spec import RunnerSpec, SpecError, api_key, load_spec


def body(**changes: Any) -> dict[str, Any]:
    return {
        "apiBase": "http://10.0.0.1:8080",
        "backend": "sglang",
        "scenarios": [{"name": "chat", "load": "N(100,10)/(20,5)"}, {"name": "long", "load": "D(1000,50)"}],
        "concurrency": [8, 1],
        "tokenizer": {"source": "Builtin"},
        "workDir": "/work-dir",
        **changes,
    }


def load(**changes: Any) -> RunnerSpec:
    return load_spec({"AUTOTUNER_BENCHMARK": json.dumps(body(**changes))})


def test_the_ladder_is_climbed_upwards_scenario_by_scenario() -> None:
    found = [(scenario.name, concurrency) for scenario, concurrency in load().levels]
    assert found == [("chat", 1), ("chat", 8), ("long", 1), ("long", 8)]


def test_what_the_operator_writes_is_what_the_runner_reads() -> None:
    spec = load(
        seed="uid", block=3, slos=[{"metric": "TTFT", "max": 0.5, "enforcement": "Hard"}], requestParams={"a": 1}
    )
    assert load_spec({"AUTOTUNER_BENCHMARK": spec.dump_json()}) == spec
    assert spec.work_dir == Path("/work-dir")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"apiBase": "10.0.0.1:8080"}, "benchmark.apiBase"),
        ({"apiBase": "http://host/v1"}, "benchmark.apiBase"),
        ({"concurrency": []}, "benchmark.concurrency"),
        ({"scenarios": [{"name": "chat", "load": "N(100, 10)"}]}, "benchmark.scenarios.0.load"),
        ({"scenarios": [{"name": "a", "load": "D(1,1)"}] * 2}, "two scenarios have the same name"),
        ({"tokenizer": {"source": "Hub"}}, "benchmark.tokenizer: source Hub needs an id"),
        ({"tokenizer": {"source": "ModelVolume"}}, "benchmark.tokenizer: source ModelVolume needs a path"),
        ({"requestParams": {"stream": False}}, "benchmark.requestParams: stream: set by the benchmark itself"),
        ({"requestParams": {"ignore_eos": False}}, "benchmark.requestParams: ignore_eos"),
        ({"concurency": [1]}, "benchmark.concurency"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as error:
        load(**changes)
    assert words in str(error.value)


@pytest.mark.parametrize("environment", [{}, {"AUTOTUNER_BENCHMARK": "not json"}])
def test_no_spec_is_said(environment: dict[str, str]) -> None:
    with pytest.raises(SpecError, match="AUTOTUNER_BENCHMARK"):
        load_spec(environment)


@pytest.mark.parametrize(
    ("written", "key"), [("", ""), ("abc", "abc"), ("abc\n", "abc"), (" abc\r\n", "abc"), ("\n", "")]
)
def test_the_key_is_read_as_a_secret_holds_it(written: str, key: str) -> None:
    assert api_key({"AUTOTUNER_API_KEY": written}) == key
    assert api_key({}) == ""
