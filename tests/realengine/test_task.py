"""A task on a real engine, to the verdict that another client confirms: few sequences at once make users wait."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from tests.e2e.story import condition
from tests.realengine.engine import RealEngine

FEW, MANY = 2, 64


def task(engine: RealEngine, model: str, parameters: list[Object], experiments: int) -> dict[str, Any]:
    """What makes the story's task one of the real engine; sixteen users at once tell settings apart."""
    return {
        "spec.model": {"name": model},
        "spec.runtime": {"name": engine.runtime, "engine": "VLLM"},
        "spec.parameters": parameters,
        "spec.baseline": {"args": ["--max-num-seqs=16"]},
        "spec.benchmark": {
            "scenarios": [{"name": "chat", "load": "D(200,40)"}],
            "concurrency": [16],
            "maxRequestsPerLevel": 64,
            "maxMinutesPerLevel": 8,  # two users at a time, on cores that others use too
            "tokenizer": {"source": "ModelVolume"},
        },
        "spec.objectives": [{"metric": "TTFT", "statistic": "P50"}],
        "spec.search": {"strategy": "Grid", "maxExperiments": experiments, "confirm": {"maxRepeats": 0}},
    }


def wait(experiment: Object) -> float:
    """Which share of a request's time passes before its first token: a queue shows, a busy machine does not."""
    level = experiment["status"]["levels"][-1]
    return float(level["ttftSeconds"]["p50"]) / float(level["e2eLatencySeconds"]["p50"])


def value(experiment: Object, name: str) -> str:
    return next((str(item["value"]) for item in experiment["spec"]["parameters"] if item["name"] == name), "")


def best(finished: Object) -> dict[str, str]:
    """The parameters of the best experiment; none where the baseline stays, whose 16 sequences suffice for 16 users."""
    return {item["name"]: str(item["value"]) for item in finished["status"]["best"].get("parameters", [])}


async def test_a_task_finds_that_few_sequences_make_users_wait(engine: RealEngine) -> None:
    model = await engine.make_model("tiny")
    parameters = [{"name": "max-num-seqs", "values": [FEW, MANY]}]
    await engine.story.create_task(task(engine, model, parameters, 2))

    finished = await engine.story.task_finished(seconds=420)

    assert condition(finished, "Succeeded")["status"] == "True", finished["status"]["message"]
    experiments = await engine.story.experiments()
    assert [item["status"]["reason"] for item in experiments] == ["Completed"] * 3
    waits = {value(item, "max-num-seqs"): wait(item) for item in experiments[1:]}
    assert waits[str(FEW)] > 0.7, f"two of sixteen users are served, the others wait: {waits}"
    assert waits[str(MANY)] < 0.5, f"all sixteen are served: {waits}"
    assert best(finished).get("max-num-seqs") != str(FEW), finished["status"]["message"]
    assert await engine.story.left() == []


@pytest.mark.full
@pytest.mark.timeout(2400)
async def test_a_task_over_three_flags(engine: RealEngine) -> None:
    model = await engine.make_model("tiny")
    parameters: list[Object] = [
        {"name": "max-num-seqs", "values": [FEW, MANY]},
        {"name": "enable-prefix-caching", "toggle": True},
        {"name": "max-num-batched-tokens", "values": [64, 2048]},
    ]
    edits = task(engine, model, parameters, 8)
    await engine.story.create_task({**edits, "spec.search.confirm": {"maxRepeats": 2}})

    finished = await engine.story.task_finished(seconds=2300)

    assert condition(finished, "Succeeded")["status"] == "True", finished["status"]["message"]
    assert finished["status"]["experiments"]["failed"] == 0
    assert best(finished).get("max-num-seqs") != str(FEW), finished["status"]["message"]
    assert await engine.story.left() == []
