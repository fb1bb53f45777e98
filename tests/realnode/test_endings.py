"""How experiments end on a real kubelet: its words for what the testbed plays."""

from __future__ import annotations

from autotuner.kubernetes_object import Object
from tests.e2e.test_story_endings import Case, run
from tests.realnode.story import RealStory

NOWHERE = "nowhere.invalid/unknown:1"


def fills_the_disk(runner: str) -> Object:
    """What makes an engine write more than it may: the kubelet evicts its pod."""
    limits = {"requests": {"cpu": "50m"}, "limits": {"ephemeral-storage": "10Mi"}}
    write = "dd if=/dev/zero of=/scratch/file bs=1M count=50; exec sleep 600"
    return {
        f"{runner}.command": ["sh", "-c", write, "engine"],
        f"{runner}.resources": limits,
        f"{runner}.volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        "spec.engineConfig.volumes": [{"name": "scratch", "emptyDir": {}}],
    }


async def test_endings_on_a_real_node(story: RealStory) -> None:
    await story.make_runtime()
    small = {"requests": {"memory": "16Mi"}, "limits": {"memory": "16Mi"}}
    runner = "spec.engineConfig.runner"
    killed = await story.make_runtime("killed", {f"{runner}.resources": small})
    no_program = await story.make_runtime("no-program", {f"{runner}.command.0": "/no/such/program"})
    greedy = await story.make_runtime("greedy", fills_the_disk(runner))
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
                {"spec.benchmark.pod.image": NOWHERE},
            ),
            Case(
                "queue-1",
                "QueueTimeout",
                r"the engine's pod found no place within 3 s: waiting for a node: .*nvidia.com/gpu",
                {"spec.service.accelerator.count": 1000, "spec.timeouts.queueSeconds": 3},
            ),
            Case(
                "program-1",
                "EngineCrashed",
                "the engine's container cannot be started: .*no such file or directory.*; look at the runtime's",
                {"spec.service.runtime.name": no_program},
                exit_code=128,
            ),
            Case(
                "evicted-1",
                "Evicted",
                r"the engine's pod on \S+ was taken away: Evicted: .*ephemeral local storage usage exceeds",
                {"spec.service.runtime.name": greedy},
            ),
        ],
    )
    assert await story.left() == []
