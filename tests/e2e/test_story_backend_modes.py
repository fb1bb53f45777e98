"""OME in each of its bad modes, all at once: every engine ends with its cause, and harmless ones are measured."""

from __future__ import annotations

from tests.e2e.story import SWITCH, Story
from tests.e2e.test_story_endings import Case, run

RUNTIME, TIMEOUTS = "spec.service.runtime.name", "spec.timeouts"


async def test_each_bad_mode_of_the_backend_is_told_or_outlived(story: Story) -> None:
    modes = {}
    for mode in ("never-ready", "unschedulable", "quota", "late-url", "warn", "crash-reported"):
        modes[mode] = {RUNTIME: await story.make_runtime(mode, {"metadata.annotations": {SWITCH: mode}})}
    no_place = r"the engine's pod found no place within 8 s: waiting for "
    await run(
        story,
        [
            Case(
                "never-ready-1",
                "StartupTimeout",
                "the engine was not ready 8 s after its container started",
                {**modes["never-ready"], f"{TIMEOUTS}.startupSeconds": 8},
                quotes=r"\w",
            ),
            Case(
                "unschedulable-1",
                "QueueTimeout",
                no_place + "a node: .*didn't match Pod's node affinity/selector",
                {**modes["unschedulable"], f"{TIMEOUTS}.queueSeconds": 8},
            ),
            Case(
                "quota-1",
                "QueueTimeout",
                no_place + "quota: .*exceeded quota: testbed-over-quota",
                {**modes["quota"], f"{TIMEOUTS}.queueSeconds": 8},
            ),
            Case(
                "crashed-1",
                "EngineCrashed",
                "the engine said: .*CUDA error",
                {**modes["crash-reported"], "spec.service.args": ["--tp-size=1", "--sim-fault=crash-at-start"]},
                quotes="CUDA error",
                exit_code=1,
            ),
            Case("late-1", "Completed", "1 level measured", modes["late-url"], phase="Succeeded"),
            Case("warned-1", "Completed", "1 level measured", modes["warn"], phase="Succeeded"),
        ],
    )
    assert await story.left() == []
