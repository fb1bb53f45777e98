"""A probe asks the real vLLM's own parser: its build for processors takes less than the release's table says."""

from __future__ import annotations

import json

import pytest

from autotuner import engines
from autotuner.engines import EngineVersion, probed_flags
from tests.e2e.story import condition
from tests.realengine.engine import RealEngine
from tests.realengine.test_task import task
from tests.realengine.wrong_starts import VERSION

# What the parser offers where the device is a processor, and nowhere else.
OF_THE_DEVICE = {"mm-processor-device"}


@pytest.mark.full
async def test_the_real_parser_decides(engine: RealEngine) -> None:
    model = await engine.make_model("tiny")
    parameters = [{"name": "mm-processor-device", "choices": ["auto", "cuda"]}]
    edits = task(engine, model, parameters, 2)
    await engine.story.create_task({**edits, "spec.runtime": {**edits["spec.runtime"], "probe": True}})

    finished = await engine.story.task_finished(seconds=240)

    status = finished["status"]
    assert condition(finished, "Succeeded")["reason"] == "InvalidSpec", status["message"]
    assert "cuda is none of its values; choose one of auto, cpu" in status["message"]
    kept = await engine.story.api.get(
        f"/api/v1/namespaces/{engine.story.namespace}/configmaps/{status['probe']['configMap']}"
    )
    text = kept["data"]["flags.json"]
    assert json.loads(text)["version"].startswith(VERSION)
    told = engines.get(engines.version_of("VLLM", probed=probed_flags.of(text))).table
    known = engines.get(EngineVersion("VLLM", VERSION)).table
    assert told is not None
    assert known is not None
    every = {flag.name for flag in (*told.flags, *known.flags)}
    assert {name for name in every if told.find(name) != known.find(name)} == OF_THE_DEVICE
