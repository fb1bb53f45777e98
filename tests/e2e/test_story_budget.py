"""A budget ends a task in time, and frees what it holds."""

from __future__ import annotations

import pytest

from autotuner import clock
from tests.e2e.story import BRIEF, ENDLESS, Story, condition, traffic


@pytest.mark.full  # it waits for a budget of time to run out
async def test_what_still_runs_at_the_end_of_the_budget_is_released(story: Story) -> None:
    await story.create_task({"spec.benchmark": traffic(ENDLESS)})
    await story.in_phase("chat-0", "Benchmarking")

    await story.patch_task({"budget": {"maxGPUHours": 5, "maxHours": 0.01}})
    task = await story.task_finished(seconds=90)

    status = task["status"]
    assert condition(task, "Succeeded")["reason"] == "BudgetExhausted"
    assert condition(task, "Succeeded")["status"] == "False"
    assert status["message"].endswith("; budget.maxHours 0.01 is used up")
    assert [one["status"]["reason"] for one in await story.experiments()] == ["Cancelled"]
    lasted = clock.seconds_between(status["startTime"], status["completionTime"])
    assert lasted is not None
    assert 36 <= lasted < 60, "at its end, whenever it was given"
    usage = status["usage"]
    assert 0 < usage["gpuHours"] < 0.02
    assert usage["remainingGPUHours"] == round(5 - usage["gpuHours"], 4)


async def test_a_search_ends_at_the_failures_that_its_budget_allows(story: Story) -> None:
    await story.create_task(
        {
            "spec.parameters": [
                {"name": "sim-fault", "choices": ["out-of-memory"]},
                {"name": "max-running-requests", "values": [8, 16, 32]},
            ],
            "spec.benchmark": traffic(BRIEF),
            "spec.search.maxExperiments": 3,
            "spec.budget": {"maxFailedExperiments": 2},
        }
    )
    task = await story.task_finished()

    status = task["status"]
    words = "budget.maxFailedExperiments 2 is used up: 2 failed, last chat-2: OutOfMemory"
    assert condition(task, "Succeeded")["reason"] == "BudgetExhausted"
    assert status["message"].endswith(words), status["message"]
    assert [one["status"]["reason"] for one in await story.experiments()] == ["Completed"] + 2 * ["OutOfMemory"]
    assert status["baseline"]["experiment"] == "chat-0"
    assert await story.left() == []
