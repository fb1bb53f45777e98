"""A place for one story of the operator: its namespace, its own model and runtimes, what a user sees there."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, ApiError, load_documents
from testbed.operator_process import ROOT, Operator
from tests.e2e.recorder import Recorder
from tests.support.objects import edited, experiments, make_experiment, make_task, tasks
from tests.support.waiting import wait_for

OME = "/apis/ome.io/v1beta1"
SWITCH = "testbed.autotuner.io/ome"
FORMAT: Object = {
    "modelFormat": {"name": "safetensors", "version": "1.0.0"},
    "modelFramework": {"name": "transformers", "version": "4.45.0"},
    "modelArchitecture": "LlamaForCausalLM",
}
# Some seconds of traffic, and as much as never ends within a story.
BRIEF: Object = {"scenarios": [{"name": "chat", "load": "N(100,20)/(20,4)"}], "requests": 16}
SOME: Object = {"scenarios": [{"name": "chat", "load": "N(100,20)/(40,4)"}], "requests": 50}
ENDLESS: Object = {"scenarios": [{"name": "chat", "load": "N(100,20)/(200,20)"}], "requests": 2000}
_SIMULATED = ROOT / "presets" / "runtimes" / "simulated-sglang.yaml"


def condition(body: Object, kind: str) -> Object:
    """A condition of an object; empty if it is not set."""
    found = body.get("status", {}).get("conditions", [])
    return next((item for item in found if item["type"] == kind), {})


def traffic(kind: Object, concurrency: list[int] | None = None) -> Object:
    """The `benchmark` of a spec."""
    return {
        "scenarios": kind["scenarios"],
        "concurrency": concurrency or [2],
        "maxRequestsPerLevel": kind["requests"],
        "tokenizer": {"source": "Builtin"},
    }


@dataclass
class Story:
    """One namespace, and everything that a story does and sees in it."""

    bed: Testbed
    operator: Operator
    api: Api
    namespace: str
    models: ClassVar[Sequence[str]] = (f"{OME}/clusterbasemodels",)

    @classmethod
    @contextlib.asynccontextmanager
    async def begin(cls, bed: Testbed, operator: Operator, api: Api) -> AsyncIterator[Self]:
        """A new namespace with a model of its own; at the end nothing may be left and no error logged."""
        story = cls(bed, operator, api, f"story-{secrets.token_hex(3)}")
        told = len(operator.errors())
        await api.create("/api/v1/namespaces", {"metadata": {"name": story.namespace}})
        await story._furnish()
        try:
            yield story
        finally:
            await story._end()
        met = [entry for entry in operator.errors()[told:] if not _told_of_absence(entry)]
        assert not met, f"the operator met something unforeseen: {met}"

    async def _furnish(self) -> None:
        """Make what the story begins with."""
        await self.make_model(self.namespace)

    async def _clear(self) -> None:
        """Delete what the namespace does not take along."""
        for path in (f"{OME}/clusterservingruntimes", f"{OME}/clusterbasemodels"):
            for item in (await self.api.list(path))["items"]:
                if item["metadata"]["name"].startswith(self.namespace):
                    await self.api.delete(f"{path}/{item['metadata']['name']}")

    async def _tell(self) -> None:
        """Print the state of things: pytest shows it where a story fails."""
        for path in (tasks(self.namespace), experiments(self.namespace), *self.models):
            for item in (await self.api.list(path))["items"]:
                status = {key: item.get("status", {}).get(key) for key in ("phase", "state", "reason", "message")}
                print(path.rpartition("/")[2], item["metadata"]["name"], status)
        print(*self.operator.log()[-40:], f"alive: {self.operator.alive}", sep="\n")

    async def _end(self) -> None:
        await self._tell()
        if not self.operator.alive:
            self.operator.start()
        for collection in (tasks(self.namespace), experiments(self.namespace)):
            await self.api.delete(collection)
        await wait_for(self._empty, f"nothing of {self.namespace} is left", 60)
        await self._clear()
        await self.api.delete(f"/api/v1/namespaces/{self.namespace}")

    async def _empty(self) -> bool:
        return not await self.left() and not (await self.api.list(experiments(self.namespace)))["items"]

    async def left(self) -> list[str]:
        """InferenceServices, Jobs and pods of the namespace, and every pod's process of the testbed."""
        collections = {
            "InferenceService": f"{OME}/namespaces/{self.namespace}/inferenceservices",
            "Job": f"/apis/batch/v1/namespaces/{self.namespace}/jobs",
            "pod": f"/api/v1/namespaces/{self.namespace}/pods",
        }
        found = [
            f"{kind} {item['metadata']['name']}"
            for kind, path in collections.items()
            for item in (await self.api.list(path))["items"]
        ]
        return found + self.bed.leftovers()

    async def make_model(self, name: str, outcome: str = "Ready", **spec: Any) -> str:
        """A ClusterBaseModel whose name begins with the namespace's; returns the name."""
        storage = {"storageUri": "vendor://simulated", "path": f"/models/llama-3-2-1b-{name}"}
        metadata = {"name": name, "annotations": {"testbed.autotuner.io/model": outcome}}
        await self.api.create(
            f"{OME}/clusterbasemodels",
            {
                "apiVersion": "ome.io/v1beta1",
                "kind": "ClusterBaseModel",
                "metadata": metadata,
                "spec": {"storage": storage, **FORMAT, **spec},
            },
        )
        return name

    async def make_runtime(self, name: str = "", edits: Mapping[str, Any] | None = None) -> str:
        """A ClusterServingRuntime of the simulated engine for the story's model; returns its name."""
        (preset,) = load_documents(_SIMULATED)
        body = {
            "apiVersion": "ome.io/v1beta1",
            "kind": "ClusterServingRuntime",
            "metadata": {"name": f"{self.namespace}{name and '-'}{name}", "annotations": {}},
            "spec": {**preset["spec"], "supportedModelFormats": [{**FORMAT, "name": "safetensors"}]},
        }
        created = await self.api.create(f"{OME}/clusterservingruntimes", edited(body, edits or {}))
        return str(created["metadata"]["name"])

    async def create_task(self, edits: Mapping[str, Any] | None = None, name: str = "chat") -> Object:
        """A TuningTask of the story's model, with brief traffic, over tp-size 1 and 2 one after the other."""
        own = {
            "spec.model": {"name": self.namespace},
            "spec.runtime": {"preset": "simulated-sglang"},
            "spec.parameters": [{"name": "tp-size", "values": [1, 2]}],
            "spec.baseline": {"args": ["--schedule-conservativeness=0.9"]},  # neither of the two
            "spec.benchmark": traffic(BRIEF),
            "spec.slos": None,
            "spec.search": {"strategy": "Grid", "maxExperiments": 2, "confirm": {"maxRepeats": 0}},
        }
        body = edited(make_task(name), {**own, **(edits or {})})
        return await self.api.create(tasks(self.namespace), body, fieldValidation="Strict")

    async def create_experiment(self, name: str, edits: Mapping[str, Any] | None = None) -> Object:
        """A TuningExperiment of the story's model and runtime, with brief traffic."""
        own = {
            "spec.service.model.name": self.namespace,
            "spec.service.runtime.name": self.namespace,
            "spec.service.args": ["--tp-size=1"],
            "spec.service.env": None,
            "spec.benchmark": traffic(BRIEF),
            "spec.stop": None,
        }
        body = edited(make_experiment(name), {**own, **(edits or {})})
        return await self.api.create(experiments(self.namespace), body, fieldValidation="Strict")

    async def task(self, name: str = "chat") -> Object:
        return await self.api.get(f"{tasks(self.namespace)}/{name}")

    async def experiment(self, name: str) -> Object | None:
        return await self.found(f"{experiments(self.namespace)}/{name}")

    async def found(self, path: str) -> Object | None:
        """An object, or None if there is none."""
        try:
            return await self.api.get(path)
        except ApiError as problem:
            if problem.status == 404:
                return None
            raise

    async def experiments(self) -> list[Object]:
        """All experiments by index."""
        items: list[Object] = (await self.api.list(experiments(self.namespace)))["items"]
        return sorted(items, key=lambda item: int(item["metadata"]["name"].rpartition("-")[2]))

    async def patch_task(self, spec: Object, name: str = "chat") -> Object:
        return await self.api.patch(f"{tasks(self.namespace)}/{name}", {"spec": spec})

    async def task_finished(self, name: str = "chat", seconds: float = 150) -> Object:
        """The task once it is over."""

        async def look() -> Object | None:
            body = await self.task(name)
            return body if condition(body, "Finished").get("status") == "True" else None

        return await wait_for(look, f"task {name} finishes", seconds)

    async def experiment_finished(self, name: str, seconds: float = 90) -> Object:
        """The experiment once it is over."""

        async def look() -> Object | None:
            body = await self.experiment(name)
            return body if body and condition(body, "Finished").get("status") == "True" else None

        return await wait_for(look, f"experiment {name} finishes", seconds)

    async def in_phase(self, name: str, phase: str, seconds: float = 60) -> Object:
        """The experiment once it is in this phase."""

        async def look() -> Object | None:
            body = await self.experiment(name)
            return body if body and body.get("status", {}).get("phase") == phase else None

        return await wait_for(look, f"experiment {name} is {phase}", seconds)

    async def mid_benchmark(self, name: str, seconds: float = 90) -> None:
        """Waits until genai-bench has warmed up and measures."""

        async def look() -> bool:
            return any("warm-up took" in text for text in await self.logs(name))

        await wait_for(look, f"{name} is measured", seconds)
        await self.in_phase(name, "Benchmarking")

    async def logs(self, job: str) -> list[str]:
        """The logs of a Job's pods."""
        pods = await self.benchmark_pods(job)
        return [await self._log(pod["metadata"]["name"]) for pod in pods]

    async def benchmark_pods(self, job: str) -> list[Object]:
        """The pods of a Job."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        items: list[Object] = (await self.api.list(path, labelSelector=f"batch.kubernetes.io/job-name={job}"))["items"]
        return items

    async def _log(self, pod: str) -> str:
        with contextlib.suppress(ApiError):
            return await self.api.text(f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log")
        return ""

    async def events(self, kind: str, name: str) -> list[Object]:
        """The Kubernetes events about an object, oldest first."""
        selector = f"involvedObject.kind={kind},involvedObject.name={name}"
        found = await self.api.list(f"/api/v1/namespaces/{self.namespace}/events", fieldSelector=selector)
        return sorted(found["items"], key=lambda event: event["metadata"]["creationTimestamp"])

    async def event_seen(self, kind: str, name: str, reason: str) -> Object:
        """An event with this reason; events follow the status that they tell of."""

        async def look() -> Object | None:
            return next((event for event in await self.events(kind, name) if event["reason"] == reason), None)

        return await wait_for(look, f"{kind} {name} has an event {reason}")

    def recorder(self) -> Recorder:
        """Records what happens in the namespace while it is open."""
        return Recorder(self.api, self.namespace)


def _told_of_absence(entry: Object) -> bool:
    """kopf tells as an error that the API server is away, and tries again."""
    return str(entry.get("logger", "")).startswith("kopf") and "will retry" in entry["message"]
