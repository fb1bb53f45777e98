"""Both kinds on a real API server: that it accepts them, what it shows of them, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from autotuner.api import crd
from autotuner.kubernetes_object import Object
from testbed import Testbed, kubeconfig
from testbed.api import APPLY, Api, load_documents
from tests.support.objects import edited, experiments, make_experiment, make_task, tasks

CRDS = Path(__file__).parents[2] / "crds"
# The last one holds every alternative of the design once.
EXAMPLES = [*sorted((CRDS.parent / "examples").glob("*.yaml")), Path(__file__).parents[1] / "data" / "everything.yaml"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
async def test_every_example_is_taken(api: Api, path: Path) -> None:
    for document in load_documents(path):
        await api.create(tasks("default"), document, dryRun="All", fieldValidation="Strict")


async def apply(bed: Testbed, path: str, body: Object) -> tuple[list[str], Object]:
    """Applies an object; returns the API server's warnings, which the test client does not read, and the object."""
    cluster = kubeconfig.load(bed.kubeconfig)
    url = f"{cluster.server}{path}?fieldManager=install&fieldValidation=Strict&force=true"
    headers = {**cluster.headers, "Content-Type": APPLY}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.patch(url, json=body, ssl=cluster.tls or False) as response,
    ):
        assert response.status == 200, await response.text()
        return response.headers.getall("Warning", []), await response.json()


def test_committed_definitions_are_those_of_the_models() -> None:
    expected = {name: crd.render(document) for name, document in crd.definitions().items()}
    assert {path.name: path.read_text() for path in CRDS.iterdir()} == expected


@pytest.mark.parametrize("name", sorted(crd.definitions()))
async def test_api_server_accepts_the_definition_without_a_word(bed: Testbed, name: str) -> None:
    definition = crd.definitions()[name]
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"
    warnings, applied = await apply(bed, path, definition)
    assert warnings == []
    conditions = {condition["type"]: condition["status"] for condition in applied["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions


async def test_kinds_have_short_names_and_a_status_of_their_own(api: Api) -> None:
    found = {kind["name"]: kind for kind in (await api.get("/apis/autotuner.io/v1alpha1"))["resources"]}
    assert found["tuningtasks"]["shortNames"] == ["tt"]
    assert found["tuningexperiments"]["shortNames"] == ["tx"]
    assert {"tuningtasks/status", "tuningexperiments/status"} <= set(found)


async def test_defaults_are_written_by_the_api_server(api: Api) -> None:
    task = edited(make_task(), {"spec.search": {"maxExperiments": 1}})
    spec = (await api.create(tasks("default"), task, dryRun="All"))["spec"]
    assert spec["search"] == {
        "strategy": "Bayesian",
        "maxExperiments": 1,
        "parallelExperiments": 1,
        "seed": 0,
        "confirm": {"top": 2, "maxRepeats": 4, "sameNode": False},
    }
    assert spec["placement"] == {"acceleratorResource": "nvidia.com/gpu", "allowShared": False}
    assert spec["model"]["readyTimeoutSeconds"] == 7200
    assert spec["timeouts"]["queueSeconds"] == 3600
    assert spec["suspend"] is False


async def show(api: Api, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `kubectl get` shows of the only object of a collection, and what `-o wide` adds."""
    table = await api.table(path)
    cells = zip(table["columnDefinitions"], table["rows"][0]["cells"], strict=True)
    named = [(column["name"], column["priority"], cell) for column, cell in cells if column["name"] != "Age"]
    return {n: cell for n, p, cell in named if p == 0}, {n: cell for n, p, cell in named if p > 0}


async def test_columns_of_a_task(api: Api, namespace: str) -> None:
    await api.create(tasks(namespace), make_task("chat"))
    level = level_of("chat", 4)
    status = {
        "phase": "Running",
        "message": "experiment 2 of 4 benchmarking",
        "conditions": [condition("Valid", "True", "Valid"), condition("Succeeded", "Unknown", "Running")],
        "resolved": {"model": "llama", "runtime": "sglang-12345678", "engine": "SGLang", "configurations": 8},
        "experiments": {"summary": "1/4", "nextIndex": 3, "running": 1, "succeeded": 1, "infeasible": 0, "failed": 0},
        "best": {
            "experiment": "chat-1",
            "parameters": [{"name": "tp-size", "value": "1"}],
            "args": ["--tp-size=1"],
            "value": 1893.5,
            "gain": "+31.0%",
            "gainPercent": 31.0,
            "confidence": {"verdict": "Unconfirmed"},
            "level": {"scenario": "chat", "concurrency": 4},
            "metrics": level,
        },
        "columns": {"objectives": "OutputThroughputPerGPU, TTFT P99", "best": "1894 tok/s/GPU"},
    }  # fmt: skip
    await api.patch(f"{tasks(namespace)}/chat/status", {"status": status}, fieldValidation="Strict")
    shown, wide = await show(api, tasks(namespace))
    assert shown == {
        "Name": "chat",
        "Model": "llama",
        "Runtime": "sglang-12345678",
        "Phase": "Running",
        "Experiments": "1/4",
        "Best": "1894 tok/s/GPU",
        "Gain": "+31.0%",
    }
    assert wide == {
        "Running": 1,
        "Objective": "OutputThroughputPerGPU, TTFT P99",
        "Reason": "Running",
        "Message": "experiment 2 of 4 benchmarking",
    }


async def test_columns_of_an_experiment(api: Api, namespace: str) -> None:
    await api.create(experiments(namespace), make_experiment("chat-1", {"spec.service.accelerator.count": 2}))
    status = {
        "phase": "Succeeded",
        "reason": "Completed",
        "node": "node-a",
        "message": "2 levels measured",
        "levels": [level_of("chat", 1), level_of("chat", 4)],
        "ladder": "Complete",
        "accelerators": 2,
    }
    await api.patch(f"{experiments(namespace)}/chat-1/status", {"status": status}, fieldValidation="Strict")
    shown, wide = await show(api, experiments(namespace))
    assert shown == {"Name": "chat-1", "Phase": "Succeeded", "Reason": "Completed", "GPUs": 2, "Node": "node-a"}
    assert wide.pop("Args").startswith('["--tp-size=1"')
    assert wide == {"Purpose": "Search", "Message": "2 levels measured"}


def condition(kind: str, status: str, reason: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "lastTransitionTime": "2026-01-01T00:00:00Z"}


def level_of(scenario: str, concurrency: int) -> Object:
    latency = {"mean": 0.1, "p50": 0.1, "p90": 0.2, "p95": 0.2, "p99": 0.3}
    return {
        "scenario": scenario,
        "concurrency": concurrency,
        "requests": 10,
        "errors": 0,
        "durationSeconds": 5.0,
        "outputTokensPerSecond": 1893.5,
        "totalTokensPerSecond": 9460.0,
        "requestsPerSecond": 7.4,
        "ttftSeconds": latency,
        "e2eLatencySeconds": latency,
        "outputTokensMean": 255.0,
    }
