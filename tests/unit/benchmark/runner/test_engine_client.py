"""What the runner makes of an engine's first answers: what it waits for, and what it gives up at, as which failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autotuner.benchmark.runner import engine_client
from autotuner.benchmark.runner.engine_client import EngineClient, NotServingError
from tests.unit.benchmark.runner.tiny_engine import TinyEngine, tiny_engine

MODELS, COMPLETIONS = "GET /v1/models", "POST /v1/chat/completions"


@pytest.fixture
def engine() -> Iterator[TinyEngine]:
    with tiny_engine() as running:
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, which only a test moves on; sleeping takes no time and moves it on."""
    now = [100.0]
    monkeypatch.setattr(engine_client.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(engine_client.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


@pytest.mark.parametrize("answer", [(200, {"data": []}), (429, None), (500, None), (503, None), (200, {"object": 1})])
def test_waits_for_a_list_that_may_still_come(
    engine: TinyEngine, clock: list[float], answer: tuple[int, object]
) -> None:
    client = EngineClient(engine.url, "")
    engine.answers[MODELS] = answer
    for seconds in (0, 60, 3000):
        clock[0] += seconds
        assert client.models() is None

    engine.answers[MODELS] = (200, {"data": [{"id": "a"}, {"id": "b"}]})
    assert client.models() == ["a", "b"]


@pytest.mark.parametrize(
    ("status", "patience", "failure", "words"),
    [
        (401, 10, "Unauthorized", "the engine refuses requests without a valid API key (HTTP 401)"),
        (403, 10, "Unauthorized", "the engine refuses requests without a valid API key (HTTP 403)"),
        (404, 30, "EngineNotServing", "the engine answers, but has no model list (/v1/models: HTTP 404 for 30 s)"),
    ],
)
def test_gives_up_at_a_list_that_stays_refused(
    engine: TinyEngine, clock: list[float], status: int, patience: float, failure: str, words: str
) -> None:
    client = EngineClient(engine.url, "")
    engine.answers[MODELS] = (status, None)
    assert client.models() is None
    clock[0] += patience
    assert client.models() is None
    clock[0] += 0.1

    with pytest.raises(NotServingError) as told:
        client.models()

    assert told.value.failure == failure
    assert words in str(told.value)


def test_is_patient_again_with_an_engine_that_answered_otherwise(engine: TinyEngine, clock: list[float]) -> None:
    client = EngineClient(engine.url, "")
    for status in (404, 503, 404, 401):
        engine.answers[MODELS] = (status, None)
        assert client.models() is None
        clock[0] += 60


@pytest.mark.parametrize(
    ("status", "waited", "failure"),
    [
        (400, False, "EngineNotServing"),
        (401, False, "Unauthorized"),
        (403, False, "Unauthorized"),
        (404, False, "EngineNotServing"),
        (429, True, "EngineNotServing"),
        (500, True, "EngineNotServing"),
    ],
)
def test_waits_for_a_completion_only_where_one_may_come(
    engine: TinyEngine, clock: list[float], status: int, waited: bool, failure: str
) -> None:
    engine.answers[COMPLETIONS] = (status, None)

    with pytest.raises(NotServingError) as told:
        EngineClient(engine.url, "").complete("tiny")

    assert told.value.failure == failure
    assert f"HTTP {status}" in str(told.value)
    assert (engine.seen.count(COMPLETIONS) > 1) == waited


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", 'refuses requests without a valid API key (HTTP 401: "no"): name the Secret that holds its key in'),
        (
            "wrong",
            "refuses the API key of runtime.apiKeySecret (of a TuningExperiment: service.apiKeySecret) (HTTP 401",
        ),
    ],
    ids=["no key", "a wrong one"],
)
def test_a_refused_key_names_the_field_and_not_the_key(engine: TinyEngine, key: str, words: str) -> None:
    engine.answers[COMPLETIONS] = (401, "no")

    with pytest.raises(NotServingError) as told:
        EngineClient(engine.url, key).complete("tiny")

    assert words in str(told.value)
    assert "runtime.apiKeySecret" in str(told.value)
    assert not key or key not in str(told.value)
