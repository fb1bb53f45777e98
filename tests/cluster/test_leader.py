"""Two operators, one Lease: one acts, and the other takes over whatever happens to it."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp
import pytest

from testbed import Testbed
from testbed.api import Api
from testbed.controlplane import free_port
from testbed.operator_process import Operator
from tests.e2e.story import SOME, Story, traffic
from tests.support.waiting import wait_for

TAKE_OVER_SECONDS = 20
MEMORY_BYTES = 150_000_000


class Replica:
    """One of the operator's replicas, with its ports."""

    def __init__(self, bed: Testbed, name: str, namespace: str) -> None:
        self.name, self.health, self.metrics = name, free_port(), free_port()
        environment = {
            "AUTOTUNER_NAMESPACES": namespace,
            "AUTOTUNER_LEADER_ELECTION": "true",
            "AUTOTUNER_HEALTH_PORT": str(self.health),
            "AUTOTUNER_METRICS_PORT": str(self.metrics),
            "POD_NAME": name,
            "POD_NAMESPACE": namespace,
        }
        self.process = Operator(bed.kubeconfig, bed.logs / f"{namespace}-{name}.log", environment)

    async def get(self, port: int, path: str) -> tuple[int, str]:
        """An answer's status and text; status 0 if there is none."""
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}{path}") as response,
            ):
                return response.status, await response.text()
        return 0, ""

    async def ready(self) -> bool:
        return (await self.get(self.health, "/readyz"))[0] == 200

    async def sample(self, series: str) -> float | None:
        """A metric's value now."""
        _, text = await self.get(self.metrics, "/metrics")
        lines = [line for line in text.splitlines() if line.startswith(f"{series} ")]
        return float(lines[0].split()[-1]) if lines else None

    def acts(self) -> bool:
        return any(" serves " in entry["message"] for entry in self.process.log())


class Pair:
    """Two replicas in a story's namespace, which is both theirs and served."""

    def __init__(self, story: Story, first: Replica, second: Replica) -> None:
        self.story, self.first, self.second = story, first, second

    async def holder(self) -> str:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.story.namespace}/leases/autotuner"
        lease = await self.story.found(path)
        return str(lease["spec"].get("holderIdentity", "")) if lease else ""

    async def taken_over(self, seconds: float) -> float:
        """Waits until the second acts; returns how long that took."""
        begun = time.monotonic()

        async def look() -> bool:
            return self.second.acts() and await self.holder() == self.second.name

        await wait_for(look, "the second replica acts", seconds)
        return time.monotonic() - begun


@pytest.fixture
def replicas(bed: Testbed) -> Iterator[Callable[[str, str], Replica]]:
    made: list[Replica] = []

    def make(name: str, namespace: str) -> Replica:
        made.append(Replica(bed, name, namespace))
        return made[-1]

    yield make
    for replica in made:
        replica.process.kill()


@pytest.fixture
async def pair(bed: Testbed, api: Api, replicas: Callable[[str, str], Replica]) -> AsyncIterator[Pair]:
    """Two replicas; the first leads."""
    idle = Operator(bed.kubeconfig, bed.logs / "nobody.log")
    idle.log_path.touch()
    async with Story.begin(bed, idle, api) as story:
        pair = Pair(story, replicas("first", story.namespace), replicas("second", story.namespace))
        story.operator = pair.second.process
        pair.first.process.start()

        async def leads() -> bool:
            return pair.first.acts()

        await wait_for(leads, "the first replica acts")
        pair.second.process.start()
        await wait_for(pair.second.ready, "the second replica stands by")
        yield pair


async def test_a_leader_that_is_killed_is_replaced_and_nothing_is_measured_twice(pair: Pair) -> None:
    story = pair.story
    await story.make_runtime()
    async with story.recorder() as recorder:
        await story.create_experiment("chat-1", {"spec.benchmark": traffic(SOME)})
        await story.mid_benchmark("chat-1")
        assert not pair.second.acts()
        assert await pair.second.sample("autotuner_leader") == 0
        assert await pair.first.sample('autotuner_experiments_active{phase="Benchmarking"}') == 1
        pair.first.process.kill()
        print(f"take-over after {await pair.taken_over(TAKE_OVER_SECONDS):.1f} s")
        body = await story.experiment_finished("chat-1")
    assert body["status"]["reason"] == "Completed"
    for kind in ("InferenceService", "Job"):
        assert [len(uids) for uids in recorder.uids(kind).values()] == [1], f"one {kind}"
    assert await pair.second.sample("autotuner_leader") == 1
    assert await pair.second.sample('autotuner_experiments_total{reason="Completed"}') == 1
    gpu_seconds = f'autotuner_gpu_seconds_total{{namespace="{story.namespace}",task=""}}'
    assert await pair.second.sample(gpu_seconds) == body["status"]["gpuSeconds"]
    assert (await pair.second.get(pair.second.health, "/healthz"))[0] == 200
    assert pair.second.process.resident_bytes < MEMORY_BYTES


async def test_a_leader_that_is_told_to_end_hands_over_at_once(pair: Pair) -> None:
    begun = time.monotonic()
    assert pair.first.process.terminate() == 0
    assert time.monotonic() - begun < 5
    assert await pair.taken_over(10) < 8  # no need to wait for the Lease to run out


async def test_a_leader_that_stalled_ends_itself(pair: Pair) -> None:
    pair.first.process.signal(signal.SIGSTOP)
    try:
        await pair.taken_over(TAKE_OVER_SECONDS)
    finally:
        pair.first.process.signal(signal.SIGCONT)
    assert pair.first.process.wait(15) == 1
    assert await pair.holder() == pair.second.name


async def test_a_standby_ends_at_once(pair: Pair) -> None:
    begun = time.monotonic()
    assert pair.second.process.terminate() == 0
    assert time.monotonic() - begun < 5
    assert await pair.holder() == pair.first.name
    pair.first.process.terminate()
