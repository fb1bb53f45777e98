"""Machines without a common time: the operator's clock is minutes ahead of the cluster's, or behind it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from autotuner import clock
from testbed.controlplane import free_port
from testbed.operator_process import Operator
from tests.e2e.conftest import SETTINGS
from tests.e2e.story import Story


@contextlib.asynccontextmanager
async def operator_with_clock(story: Story, ahead: int) -> AsyncIterator[Operator]:
    """An operator whose clock is ahead by so many seconds works in place of the story's own while this is open."""
    settings = {**SETTINGS, "AUTOTUNER_METRICS_PORT": str(free_port()), "CLOCK_AHEAD_SECONDS": str(ahead)}
    own, log = story.operator, story.bed.logs / f"operator-{ahead}.log"
    own.terminate()
    try:
        with Operator(story.bed.kubeconfig, log, settings, module="tests.e2e.skewed_operator") as skewed:
            yield skewed
    finally:
        own.start()


@pytest.mark.parametrize("ahead", [300, pytest.param(-300, marks=pytest.mark.full)])
async def test_a_wrong_clock_ends_nothing_and_counts_no_accelerators(story: Story, ahead: int) -> None:
    """Every clock that an experiment has is shorter than the operator's error."""
    limits = {f"{name}Seconds": 90 for name in ("queue", "pull", "startup", "benchmark", "teardown")}
    await story.make_runtime()
    async with operator_with_clock(story, ahead) as skewed:
        await story.create_experiment("skewed-1", {"spec.timeouts": limits})
        body = await story.experiment_finished("skewed-1")
        errors = skewed.errors()
    status = body["status"]
    assert status["reason"] == "Completed", status["message"]
    assert 0 < status["gpuSeconds"] < 90, status["times"]
    true, told = (clock.parse(text) for text in (body["metadata"]["creationTimestamp"], status["times"]["created"]))
    assert abs((told - true).total_seconds() - ahead) < 30, "this operator's clock was right"
    assert errors == []
    assert await story.left() == []
