"""The running engine's own word decides, once experiment 0 has said it, which release's flags the task is judged by."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner import engines
from autotuner.engines import EngineVersion
from autotuner.kubernetes_object import Object
from autotuner.policy import preflight
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.validation_messages import Finding
from tests.unit.builders import at, make_experiment
from tests.unit.task_builders import ended, make_task, observed, running

IMAGE = "registry.example/ours/vllm-openai:v0.20.1"
# The last of them is vLLM 0.33.0's; 0.20.1 does not take it.
PARAMETERS = [{"name": "kv-cache-dtype", "choices": ["auto", "int4_per_token_head"]}]


def seen(*experiments: Object, **spec: Any) -> ObservedTask:
    task = make_task(
        runtime={"preset": "vllm-llama-small", "image": IMAGE},
        parameters=PARAMETERS,
        baseline=None,
        status={"startTime": at(0)},
        **spec,
    )
    return observed(task, experiments, runtime=None, wanted_runtime=None)


def baseline(reason: str, **status: Any) -> Object:
    return ended(make_experiment("chat-0", purpose="Baseline", service={"engine": "VLLM"}), reason, **status)


TOLD: list[tuple[list[Object], EngineVersion]] = [
    ([], EngineVersion("VLLM", "0.20.1", "tag")),
    ([running(make_experiment("chat-0", purpose="Baseline"))], EngineVersion("VLLM", "0.20.1", "tag")),
    ([baseline("Completed", engineVersion="0.33.0")], EngineVersion("VLLM", "0.33.0", "engine")),
    # One that failed by its own arguments has said it in its log.
    ([baseline("InvalidArguments", engineVersion="0.32.0+cpu")], EngineVersion("VLLM", "0.32.0", "engine")),
    ([baseline("Completed")], EngineVersion("VLLM", "0.20.1", "tag")),
    # What the surroundings spoiled is measured again.
    ([baseline("NodeLost", engineVersion="0.33.0")], EngineVersion("VLLM", "0.20.1", "tag")),
]


@pytest.mark.parametrize(("experiments", "version"), TOLD)
def test_the_version_that_counts(experiments: list[Object], version: EngineVersion) -> None:
    task = seen(*experiments)

    assert task.engine == version
    table = engines.get(task.engine).table
    assert table is not None
    assert table.version == version.version


def test_the_flags_of_that_version_judge_afterwards() -> None:
    before, afterwards = seen(), seen(baseline("Completed", engineVersion="0.33.0"))

    assert [found.field for found in refused(before)] == ["parameters[kv-cache-dtype]"]
    assert refused(afterwards) == []
    assert before.space is not afterwards.space


def refused(task: ObservedTask) -> list[Finding]:
    return preflight.refused_flags(task.spec, task.presets, task.surroundings)


def test_the_condition_valid_would_say_so() -> None:
    task = seen(baseline("Completed", engineVersion="0.33.0"))
    told = preflight.judged_by(task.spec, task.presets, task.surroundings)

    assert told == "flags are judged by vLLM 0.33.0 (the running engine's own word)"
