"""What Prometheus reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from autotuner import __version__, metrics
from autotuner.controllers.workqueue import ObjectKey, WorkQueue
from autotuner.kube import ConflictError, KubeError
from autotuner.kubernetes_object import Object
from autotuner.metrics import Objects
from autotuner.process.endpoints import Health, served
from testbed.controlplane import free_port
from tests.unit.builders import after, at, make_experiment
from tests.unit.task_builders import make_task

TIMES = {
    "created": at(0),
    "scheduled": at(3),
    "containerStarted": at(13),
    "engineReady": at(43),
    "firstRequest": at(45),
    "benchmarkFinished": at(143),
    "released": at(148),
}


def value(name: str, **labels: str) -> float | None:
    """A sample of the operator's registry."""
    return metrics.REGISTRY.get_sample_value(f"autotuner_{name}", labels)


def samples(objects: Objects) -> dict[tuple[str, ...], float]:
    """Everything that is said of objects: (name without prefix, label values...) -> value."""
    return {
        (sample.name.removeprefix("autotuner_"), *sample.labels.values()): sample.value
        for family in objects.collect()
        for sample in family.samples
    }


class TestCounters:
    @pytest.mark.parametrize(
        ("times", "want"),
        [
            (TIMES, {"queue": 3, "pull": 10, "startup": 30, "benchmark": 100, "teardown": 5}),
            ({"created": at(0), "scheduled": at(3), "released": at(9)}, {"queue": 3}),
            ({}, {}),
        ],
        ids=["all of it", "ended early", "never begun"],
    )
    def test_steps(self, times: Object, want: dict[str, float]) -> None:
        assert metrics.steps(times) == want

    def test_an_experiment_that_ended(self) -> None:
        status = {"reason": "Testing", "gpuSeconds": 290.0, "times": TIMES}
        before = value("experiment_step_seconds_sum", step="startup") or 0.0

        metrics.count_experiment("team", "count", status)
        metrics.count_experiment("team", "count", {"reason": "Testing"})

        assert value("experiments_total", reason="Testing") == 2
        assert value("gpu_seconds_total", namespace="team", task="count") == 290
        assert value("experiment_step_seconds_sum", step="startup") == before + 30

    def test_a_deleted_task_is_not_counted_any_more(self) -> None:
        metrics.count_experiment("team", "brief", {"reason": "Testing", "gpuSeconds": 1.0})
        Objects().task(make_task("brief"), gone=True)
        Objects().task(make_task("unheard-of"), gone=True)

        assert value("gpu_seconds_total", namespace="team", task="brief") is None

    def test_the_version(self) -> None:
        assert value("build_info", version=__version__) == 1


class TestObjects:
    def test_nothing_is_nothing(self) -> None:
        assert {key: number for key, number in samples(Objects()).items() if number} == {}
        assert samples(Objects())["tasks_active",] == 0
        assert samples(Objects())["experiments_active", "Benchmarking"] == 0

    def test_a_running_task(self) -> None:
        objects = Objects()
        best = {"value": 1893.0, "gainPercent": 31.0}
        status = {"phase": "Running", "startTime": at(0), "lastProgressTime": at(60), "best": best}
        objects.task(make_task(status=status), gone=False)

        told = samples(objects)
        assert told["tasks_active",] == 1
        assert told["task_best_value", "team", "chat", "OutputThroughput"] == 1893
        assert told["task_gain_percent", "team", "chat"] == 31
        assert told["task_progress_timestamp_seconds", "team", "chat"] == after(60).timestamp()

    @pytest.mark.parametrize(
        ("spec", "status"),
        [
            ({}, {"conditions": [{"type": "Finished", "status": "True"}], "lastProgressTime": at(60)}),
            ({"suspend": True}, {"startTime": at(0), "lastProgressTime": at(60)}),
        ],
        ids=["over", "suspended"],
    )
    def test_a_task_that_need_not_get_on(self, spec: Object, status: Object) -> None:
        objects = Objects()
        objects.task(make_task(status={**status, "best": {"value": 5.0}}, **spec), gone=False)

        told = samples(objects)
        assert told["tasks_active",] == 0
        assert ("task_progress_timestamp_seconds", "team", "chat") not in told
        assert told["task_best_value", "team", "chat", "OutputThroughput"] == 5

    def test_a_task_that_has_just_started_has_got_on(self) -> None:
        objects = Objects()
        objects.task(make_task(status={"startTime": at(5)}), gone=False)
        objects.task(make_task("waiting"), gone=False)

        told = samples(objects)
        assert told["task_progress_timestamp_seconds", "team", "chat"] == after(5).timestamp()
        assert ("task_progress_timestamp_seconds", "team", "waiting") not in told

    def test_experiments_by_phase(self) -> None:
        objects = Objects()
        objects.experiment(make_experiment("a-1", status={"phase": "Benchmarking"}), gone=False)
        objects.experiment(make_experiment("a-2", status={"phase": "Starting"}), gone=False)
        objects.experiment(make_experiment("a-2", status={"phase": "Benchmarking"}), gone=False)
        objects.experiment(make_experiment("a-3"), gone=False)
        objects.experiment(make_experiment("a-4", status={"phase": "Succeeded"}), gone=False)

        told = {key[1]: number for key, number in samples(objects).items() if key[0] == "experiments_active" and number}
        assert told == {"Benchmarking": 2, "Pending": 1}

    def test_a_teardown_is_stuck_while_the_experiment_says_so(self) -> None:
        objects = Objects()
        stuck = {"type": "Released", "status": "False", "reason": "TeardownStuck"}
        objects.experiment(make_experiment(status={"conditions": [stuck]}), gone=False)
        assert samples(objects)["teardown_stuck", "team", "chat-1"] == 1

        released = {"type": "Released", "status": "True", "reason": "Released"}
        objects.experiment(make_experiment(status={"conditions": [released]}), gone=False)
        assert ("teardown_stuck", "team", "chat-1") not in samples(objects)

    def test_what_is_gone_is_not_spoken_of(self) -> None:
        objects = Objects()
        nothing = samples(objects)
        bodies = make_task(status={"best": {"value": 1.0}}), make_experiment()
        for gone in (False, True):
            objects.task(bodies[0], gone=gone)
            objects.experiment(bodies[1], gone=gone)

        assert samples(objects) == nothing


class TestQueue:
    @pytest.fixture
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.node.name)

    async def test_events_and_passes(self, name: str) -> None:
        outcomes: Iterator[Exception | float | None] = iter(
            [KubeError(500, "", "no"), ConflictError(409, "", "changed"), 0.0, None]
        )
        done = asyncio.Event()

        async def reconcile(_: ObjectKey) -> float | None:
            outcome = next(outcomes)
            if isinstance(outcome, Exception):
                raise outcome
            if outcome is None:
                done.set()
            return outcome

        queue = WorkQueue(name, reconcile, workers=1)
        queue.add(ObjectKey("team", "a"))
        await asyncio.wait_for(done.wait(), 5)
        await queue.close(1)

        assert value("reconcile_seconds_count", queue=name) == 4
        assert value("reconcile_errors_total", queue=name) == 1
        # One event, answered by the third pass; the fourth was its own wish.
        assert value("event_to_action_seconds_count", queue=name) == 1
        latency = value("event_to_action_seconds_sum", queue=name)
        assert latency is not None
        assert latency >= 0.2, "the back-off counts"

    async def test_depth(self, name: str) -> None:
        gate = asyncio.Event()

        async def reconcile(_: ObjectKey) -> float | None:
            await gate.wait()
            return None

        queue = WorkQueue(name, reconcile, workers=2)
        for key in "abcde":
            queue.add(ObjectKey("team", key))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert value("queue_depth", queue=name) == 3
        queue.add(ObjectKey("team", "a"))
        assert value("queue_depth", queue=name) == 4
        gate.set()
        await queue.close(5)
        assert value("queue_depth", queue=name) == 0


class TestEndpoints:
    async def ask(self, port: int, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
            return response.status, await response.text()

    async def test_probes(self) -> None:
        port, health = free_port(), Health()
        async with served(port, health.routes()):
            assert await self.ask(port, "/healthz") == (200, "ok\n")
            assert await self.ask(port, "/readyz") == (503, "starting\n")
            health.not_ready, health.deaf = "", lambda: "deaf"
            assert await self.ask(port, "/healthz") == (500, "deaf\n")
            assert await self.ask(port, "/readyz") == (200, "ok\n")
            assert (await self.ask(port, "/metrics"))[0] == 404

    async def test_it_ends_although_a_client_keeps_its_connection(self) -> None:
        port = free_port()
        async with aiohttp.ClientSession() as session:
            async with served(port, {"/": lambda: web.Response(text="ok")}):
                await (await session.get(f"http://127.0.0.1:{port}/")).read()
                begun = asyncio.get_running_loop().time()
            assert asyncio.get_running_loop().time() - begun < 0.5

    async def test_a_port_that_is_taken_is_told(self) -> None:
        port = free_port()
        async with served(port, {}):
            with pytest.raises(OSError, match=str(port)):
                async with served(port, {}):
                    pass

    async def test_on_an_address_of_its_own_it_is_in_nobodys_way(self) -> None:
        port = free_port()
        async with served(port, {}, "127.0.0.2"), served(port, {"/": lambda: web.Response(text="ok")}, "127.0.0.1"):
            assert await self.ask(port, "/") == (200, "ok")

    async def test_port_0_serves_nothing(self) -> None:
        async with served(0, {"/": lambda: web.Response()}):
            pass

    def test_the_exposition_is_prometheus_text(self) -> None:
        text: Any = metrics.exposition().decode()
        for line in ("# TYPE autotuner_leader gauge", "# TYPE autotuner_experiments_total counter"):
            assert line in text
        assert "_created" not in text
