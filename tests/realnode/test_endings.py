"""How experiments end on a real kubelet: its words for what the testbed plays."""

from __future__ import annotations

from tests.e2e.test_story_endings import Case, run
from tests.realnode.story import RealStory

NOWHERE = "nowhere.invalid/unknown:1"


async def test_endings_on_a_real_node(story: RealStory) -> None:
    await story.make_runtime()
    small = {"requests": {"memory": "16Mi"}, "limits": {"memory": "16Mi"}}
    killed = await story.make_runtime("killed", {"spec.engineConfig.runner.resources": small})
    await run(
        story,
        [
            Case.engine(
                "memory-1",
                "OutOfMemory",
                "the engine said: .*out of memory",
                "--sim-memory-gib=2",
                quotes="out of memory",
                exit_code=1,
            ),
            Case("killed-1", "OutOfMemory", "OOMKilled", {"spec.service.runtime.name": killed}, exit_code=137),
            Case(
                "pull-1",
                "ImagePullFailed",
                f"the engine's image {NOWHERE} cannot be pulled: (ErrImagePull|ImagePullBackOff): .*",
                {"spec.service.image": NOWHERE},
            ),
            Case(
                "pull-benchmark-1",
                "ImagePullFailed",
                f"the benchmark's image {NOWHERE} cannot be pulled: (ErrImagePull|ImagePullBackOff): .*",
                {"spec.benchmark.image": NOWHERE},
            ),
            Case(
                "queue-1",
                "QueueTimeout",
                r"no node took the engine's pod within 3 s: .*nvidia.com/gpu",
                {"spec.service.accelerator.count": 1000, "spec.timeouts.queueSeconds": 3},
            ),
        ],
    )
    assert await story.left() == []
