"""What users get wrong, with the operator running: told by field, nothing is created, goes on once put right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import JSON_PATCH, Api
from testbed.operator_process import Operator
from testbed.waiting import until
from tests.support.objects import edited, experiments, make_task, tasks
from tests.support.waiting import wait_for

OME = "/apis/ome.io/v1beta1"
CREATED_FOR = "autotuner.io/created-for"
CLUSTER_SCOPED = (f"{OME}/clusterbasemodels", f"{OME}/clusterservingruntimes")
MODEL: Object = {
    "modelFormat": {"name": "safetensors", "version": "1.0.0"},
    "modelFramework": {"name": "transformers", "version": "4.45.0.dev0"},  # as the preset has it
    "modelArchitecture": "LlamaForCausalLM",
    "storage": {"storageUri": "vendor://simulated"},
}
RUNTIME: Object = {
    "supportedModelFormats": [{key: value for key, value in MODEL.items() if key != "storage"}],
    "engineConfig": {
        "runner": {"name": "ome-container", "image": "autotuner/none", "command": ["autotuner.simulator"]}
    },
}
PARAMETERS, BENCHMARK = "spec.parameters", "spec.benchmark"
BY_NAME = {"spec.runtime": {"name": "absent", "engine": "SGLang"}}
LATENCY = {"metric": "TTFT", "statistic": "P95"}
LATE = {"spec.objectives.0": {**LATENCY, "concurrency": 8}}
RESERVED = "the flag is set by the operator; remove it"

# what is written -> reason of Valid, what its message begins with, what puts it right
WRONG: dict[str, tuple[Object, str, str, Object]] = {
    "a misspelt model preset": (
        {"spec.model.preset": "llama-3-2-1b-instuct"},
        "UnknownPreset",
        "model.preset: no preset is called llama-3-2-1b-instuct; did you mean llama-3-2-1b-instruct?",
        {"spec.model.preset": "llama-3-2-1b-instruct"},
    ),
    "a misspelt runtime preset": (
        {"spec.runtime.preset": "simulated-sglan"},
        "UnknownPreset",
        "runtime.preset: no preset is called simulated-sglan; did you mean simulated-sglang?",
        {"spec.runtime.preset": "simulated-sglang"},
    ),
    "a preset that resembles none": (
        {"spec.runtime.preset": "triton"},
        "UnknownPreset",
        "runtime.preset: no preset is called triton; there are sglang-deepseek-v3, sglang-gemma-3-27b,",
        {"spec.runtime.preset": "simulated-sglang"},
    ),
    "a model that does not exist": (
        {"spec.model": {"name": "absent"}},
        "NotFound",
        "model.name: ClusterBaseModel absent does not exist; create it, or name another",
        {"spec.model": {"preset": "llama-3-2-1b-instruct"}},
    ),
    "a runtime that does not exist": (
        BY_NAME,
        "NotFound",
        "runtime.name: ClusterServingRuntime absent does not exist; create it, or name another",
        {"spec.runtime": {"preset": "simulated-sglang"}},
    ),
    "a reserved flag as parameter": (
        {f"{PARAMETERS}.0": {"name": "port", "values": [1, 2]}},
        "ReservedFlag",
        f"parameters[port]: {RESERVED}",
        {f"{PARAMETERS}.0": {"name": "tp-size", "values": [1, 2]}},
    ),
    "a reserved flag in extraArgs": (
        {"spec.runtime.extraArgs": ["--log-level=info", "--host=0.0.0.0"]},
        "ReservedFlag",
        f'runtime.extraArgs[1]: "--host": {RESERVED}',
        {"spec.runtime.extraArgs": ["--log-level=info"]},
    ),
    "a reserved flag in the baseline": (
        {"spec.baseline": {"args": ["--model-path=/elsewhere"]}},
        "ReservedFlag",
        'baseline.args[0]: "--model-path": the flag is set by the operator; choose the model in spec.model',
        {"spec.baseline": None},
    ),
    "a flag that is searched and fixed": (
        {"spec.runtime.extraArgs": ["--schedule-conservativeness=0.5"]},
        "InvalidSpec",
        "parameters[schedule-conservativeness]: the flag is also in runtime.extraArgs[0]; remove one of them",
        {"spec.runtime.extraArgs": None},
    ),
    "a flag that the engine does not know": (
        {f"{PARAMETERS}.3": {"name": "enable-mixed-chunking", "toggle": True}},
        "UnknownFlag",
        "parameters[enable-mixed-chunking]: SGLang 0.5.23 has no such flag; did you mean enable-mixed-chunk?",
        {f"{PARAMETERS}.3": {"name": "enable-mixed-chunk", "toggle": True}},
    ),
    "rules that leave nothing": (
        {"spec.constraints": [{"rule": "p.tp_size > 8", "message": "more than a node holds"}]},
        "EmptySpace",
        "parameters: no configuration is left: constraints[0] removes",
        {"spec.constraints": None},
    ),
    "a flag that is searched twice": (
        {f"{PARAMETERS}.1": {"name": "tp", "values": [4]}},
        "InvalidSpec",
        "parameters[tp]: is the same flag as parameters[tp-size]; remove one of them",
        {f"{PARAMETERS}.1": {"name": "mem-fraction-static", "values": [0.5]}},
    ),
    "a flag and its value in one word": (
        {"spec.runtime.extraArgs": ["--log-level info"]},
        "InvalidSpec",
        'runtime.extraArgs[0]: "--log-level info": flag and value are one argument: write --log-level=info',
        {"spec.runtime.extraArgs": ["--log-level=info"]},
    ),
    "the simulator's tokenizer for a real engine": (
        {"spec.runtime.preset": "sglang-llama-small"},
        "InvalidSpec",
        "benchmark.tokenizer.source: Builtin counts bytes: for the simulated engine only; use Hub or ModelVolume",
        {"spec.runtime.preset": "simulated-sglang"},
    ),
    "an objective beside the ladder": (
        {"spec.objectives.0": {**LATENCY, "concurrency": 8}},
        "InvalidSpec",
        "objectives[0].concurrency: 8 is not on the ladder; choose one of 1, 4",
        {"spec.objectives.0": {**LATENCY, "concurrency": 4}},
    ),
}


@pytest.fixture(scope="module")
def operator(bed: Testbed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    log: Path = tmp_path_factory.mktemp("operator") / "operator.log"
    with Operator(bed.kubeconfig, log) as running:
        yield running
    assert running.errors() == []
    asyncio.run(remove_shared(bed.kubeconfig))


async def remove_shared(kubeconfig: Path) -> None:
    """Deletes the models and runtimes made from presets: the operator leaves them to the next task."""
    async with Api(kubeconfig, agent="test") as api:
        for item, path in await cluster_scoped(api):
            if CREATED_FOR in item["metadata"].get("annotations", {}):
                await api.delete(path)


class Tasks:
    """The tasks of one test and what they make."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api, self.namespace = api, namespace
        self.others: list[str] = []
        self.path = tasks(namespace)
        self.namespaced = (
            experiments(namespace),
            f"{OME}/namespaces/{namespace}/inferenceservices",
            f"/apis/batch/v1/namespaces/{namespace}/jobs",
            f"/api/v1/namespaces/{namespace}/pods",
        )

    async def apply(self, edits: Mapping[str, Any]) -> None:
        await self.api.create(self.path, make_task("chat", edits), fieldValidation="Strict")

    async def edit(self, edits: Mapping[str, Any]) -> None:
        """Edits the spec as the user's next `kubectl apply` would."""
        spec = edited(await self.api.get(f"{self.path}/chat"), edits)["spec"]
        whole = [{"op": "replace", "path": "/spec", "value": spec}]
        await self.api.patch(f"{self.path}/chat", whole, JSON_PATCH, fieldValidation="Strict")

    async def create(self, kind: str, name: str, spec: Object) -> str:
        """Makes an object of OME for the time of the test; returns its path."""
        where = "" if kind.startswith("Cluster") else f"/namespaces/{self.namespace}"
        body = {"apiVersion": "ome.io/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        await self.api.create(f"{OME}{where}/{kind.lower()}s", body)
        self.others.append(f"{OME}{where}/{kind.lower()}s/{name}")
        return self.others[-1]

    async def judged(self, valid: str) -> Object:
        """Waits until the operator found the present spec valid (True) or not (False); returns the status."""

        def so(task: Object) -> bool:
            found = conditions(task).get("Valid", {})
            current = found.get("observedGeneration") == task["metadata"]["generation"]
            return bool(current and found["status"] == valid)

        status: Object = (await until(self.api, self.path, "chat", so))["status"]
        return status

    async def started(self) -> Object:
        return await until(self.api, self.path, "chat", lambda task: "startTime" in task.get("status", {}))

    async def made(self) -> list[str]:
        """The paths of everything that the task has led to."""
        uids = {task["metadata"]["uid"] for task in (await self.api.list(self.path))["items"]}
        shared = await cluster_scoped(self.api)
        for_it = [path for item, path in shared if item["metadata"].get("annotations", {}).get(CREATED_FOR) in uids]
        return for_it + [path for collection in self.namespaced for _, path in await items(self.api, collection)]

    async def remove(self) -> None:
        """Deletes the task and waits until nothing of it is left; then deletes what the test made beside it."""
        await self.api.delete(self.path)

        async def nothing() -> bool:
            return not (await self.api.list(self.path))["items"] and not await self.made()

        await wait_for(nothing, f"nothing is left in {self.namespace}", 60)
        for path in self.others:
            await self.api.delete(path)


def conditions(task: Object) -> dict[str, Object]:
    return {found["type"]: found for found in task.get("status", {}).get("conditions", [])}


async def items(api: Api, collection: str) -> list[tuple[Object, str]]:
    """The objects of a collection with their paths."""
    return [(item, f"{collection}/{item['metadata']['name']}") for item in (await api.list(collection))["items"]]


async def cluster_scoped(api: Api) -> list[tuple[Object, str]]:
    """The models and runtimes of the cluster with their paths."""
    return [found for collection in CLUSTER_SCOPED for found in await items(api, collection)]


@pytest.fixture
async def user(api: Api, namespace: str, operator: Operator) -> AsyncIterator[Tasks]:
    assert operator.alive, operator.errors()
    user = Tasks(api, namespace)
    yield user
    await user.remove()


def assert_waiting(status: Object, reason: str, message: str) -> None:
    """Asserts that a task says what is wrong, and neither runs nor is over."""
    found = {kind: (held["status"], held["reason"]) for kind, held in conditions({"status": status}).items()}
    assert found["Valid"] == ("False", reason)
    assert found["Succeeded"] == ("Unknown", "InvalidSpec")
    assert found["Finished"] == ("False", "InvalidSpec")
    assert conditions({"status": status})["Valid"]["message"].startswith(message)
    assert status["message"].startswith(message)
    assert status["phase"] == "Pending"
    assert "startTime" not in status


async def told(api: Api, namespace: str, reason: str) -> Object | None:
    """The event about the task with this reason, if there is one."""
    selector = f"involvedObject.kind=TuningTask,reason={reason}"
    found = (await api.list(f"/api/v1/namespaces/{namespace}/events", fieldSelector=selector))["items"]
    return found[0] if found else None


@pytest.mark.parametrize("case", WRONG)
async def test_told_by_field_and_resumed_once_put_right(user: Tasks, case: str) -> None:
    wrong, reason, message, right = WRONG[case]
    await user.apply(wrong)

    assert_waiting(await user.judged("False"), reason, message)
    event = await wait_for(lambda: told(user.api, user.namespace, reason), f"an event {reason}")
    assert (event["type"], event["message"].startswith(message)) == ("Warning", True)
    assert await user.made() == []

    await user.edit(right)
    await user.judged("True")
    await user.started()


async def test_every_mistake_is_told_at_once(user: Tasks) -> None:
    await user.apply({"spec.model.preset": "x", "spec.runtime.extraArgs": ["--port=1"], **LATE})
    status = await user.judged("False")
    assert_waiting(status, "UnknownPreset", "model.preset: ")
    assert "runtime.extraArgs[0]: " in status["message"]
    assert "objectives[0].concurrency: " in status["message"]


async def test_a_missing_model_that_is_created_resumes_the_task(user: Tasks) -> None:
    name = f"late-{user.namespace}"
    await user.apply({"spec.model": {"name": name}})
    assert_waiting(await user.judged("False"), "NotFound", f"model.name: ClusterBaseModel {name} does not exist")
    await user.create("ClusterBaseModel", name, MODEL)
    await user.started()


async def test_a_missing_runtime_that_is_created_resumes_the_task(user: Tasks) -> None:
    await user.apply({"spec.runtime": {"name": "late", "kind": "ServingRuntime", "engine": "SGLang"}})
    assert_waiting(await user.judged("False"), "NotFound", "runtime.name: ServingRuntime late does not exist")
    await user.create("ServingRuntime", "late", RUNTIME)
    await user.started()


@pytest.mark.parametrize(
    ("kind", "name", "spec", "edits", "message"),
    [
        (
            "BaseModel",
            "llama-3-2-1b-instruct",
            MODEL,
            {},
            "model.preset: BaseModel llama-3-2-1b-instruct in namespace {} hides the ClusterBaseModel from OME",
        ),
        (
            "ServingRuntime",
            "absent",
            RUNTIME,
            BY_NAME,
            "runtime.name: ServingRuntime absent in namespace {} hides the ClusterServingRuntime from OME; remove it",
        ),
    ],
)
async def test_an_object_that_hides_the_one_chosen_is_refused(
    user: Tasks, kind: str, name: str, spec: Object, edits: Object, message: str
) -> None:
    hiding = await user.create(kind, name, spec)
    if edits:
        await user.create(f"Cluster{kind}", name, spec)
    await user.apply(edits)
    assert_waiting(await user.judged("False"), "InvalidSpec", message.format(user.namespace))
    assert await user.made() == []
    await user.api.delete(hiding)
    user.others.remove(hiding)
    await user.started()


async def test_a_suspended_task_creates_nothing_until_it_is_resumed(user: Tasks) -> None:
    await user.apply({"spec.suspend": True})
    status = await user.judged("True")
    assert status["phase"] == "Suspended"
    assert "startTime" not in status
    assert await user.made() == []
    await user.edit({"spec.suspend": False})
    await user.started()
