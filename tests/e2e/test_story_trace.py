"""A task whose traffic is a trace in a ConfigMap: refused for a broken line, then measured at its own times."""

from __future__ import annotations

import json

import pytest

from autotuner.kubernetes_object import Object
from tests.e2e.story import Story, condition

TRACE: Object = {"format": "Mooncake", "configMap": "traces", "path": "a.jsonl", "speed": 2}
BENCHMARK: Object = {
    "scenarios": [{"name": "recorded", "trace": TRACE}],
    "maxRequestsPerLevel": 100,
    "tokenizer": {"source": "Builtin"},
}
TASK: Object = {
    "spec.parameters": [{"name": "max-running-requests", "values": [2, 8]}],
    "spec.benchmark": BENCHMARK,
    "spec.objectives": [{"metric": "OutputThroughputPerGPU"}],
    "spec.slos": [{"metric": "ErrorRate", "max": "1%"}],
    "spec.search.maxExperiments": 2,
    "spec.search.confirm": {"top": 1, "maxRepeats": 2},
}


def lines(count: int) -> list[str]:
    return [
        json.dumps({"timestamp": 200 * k, "input_length": 600, "output_length": 10 + k % 5, "hash_ids": [k % 3, 9 + k]})
        for k in range(count)
    ]


@pytest.mark.full  # two tasks, one with all its experiments
async def test_a_trace_in_a_config_map(story: Story) -> None:
    path = f"/api/v1/namespaces/{story.namespace}/configmaps"
    broken = [*lines(3), "{oops"]
    data = {"a.jsonl": "\n".join(broken)}
    await story.api.create(path, {"metadata": {"name": "traces"}, "data": data})
    await story.create_task(TASK, "broken")
    refused = await story.task_finished("broken")
    assert condition(refused, "Succeeded")["reason"] == "TraceUnusable", refused["status"]
    assert "line 4 of key a.jsonl in ConfigMap traces" in refused["status"]["message"]

    await story.api.patch(f"{path}/traces", {"data": {"a.jsonl": "\n".join(lines(40))}})
    await story.create_task(TASK)
    task = await story.task_finished()
    assert condition(task, "Succeeded")["status"] == "True", task["status"]["message"]
    level = task["status"]["best"]["level"]
    assert level == {"scenario": "recorded"}, "a trace is one level without a number"
    experiments = [one for one in await story.experiments() if one["metadata"]["name"].startswith("chat-")]
    digests = set()
    for one in experiments:
        (read,) = one["status"]["traces"]
        assert (read["requests"], read["cut"]) == (40, False)
        digests.add(read["digest"])
        (measured,) = one["status"]["levels"]
        assert "rate" not in measured and "concurrency" not in measured
        assert measured["sentPerSecond"] == pytest.approx(10, rel=0.3)
    assert len(digests) == 1 and len(experiments) >= 3
