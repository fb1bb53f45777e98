"""A budget that is given to a running task ends it in time, and frees what it holds."""

from __future__ import annotations

from autotuner import clock
from tests.e2e.story import ENDLESS, Story, condition, traffic


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
