"""The runtime of an InferenceService of OME is a part of the target: who edits it changes what is measured."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.story import SOME, condition, traffic
from tests.e2e.target_kinds import KINDS
from tests.e2e.target_story import TargetPlace


@pytest.fixture(scope="module")
def place() -> Iterator[TargetPlace]:
    (kind,) = (kind for kind in KINDS if kind.backend == "OMEInferenceService")
    with TargetPlace.of(kind) as found:
        yield found


@pytest.mark.full
async def test_a_runtime_that_is_edited_stops_the_task_of_its_service(place: TargetPlace) -> None:
    async with place.story() as story:
        await story.create_task({"spec.benchmark": traffic(SOME, [8])})
        await story.mid_benchmark("tune-0")
        changed = {"spec": {"engineConfig": {"runner": {"env": [{"name": "ADDED", "value": "1"}]}}}}
        runtimes = f"/apis/{place.kind.api_version}/namespaces/{story.namespace}/servingruntimes"
        await story.api.patch(f"{runtimes}/simulated", changed)
        task = await story.task_finished("tune")
        assert condition(task, "Succeeded")["reason"] == "RuntimeChanged", task["status"]["message"]
        assert "InferenceService chat was changed" in task["status"]["message"]
        assert await story.left() == []
