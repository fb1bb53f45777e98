"""The generated CRDs: no drift, bounds everywhere, lists that can be merged, and what the models read back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field

from autotuner.api import crd
from autotuner.api.common import Model
from autotuner.api.experiment import ExperimentStatus, TuningExperiment
from autotuner.api.task import TuningTask
from autotuner.api.task_status import TaskStatus
from autotuner.kubernetes_object import Object
from autotuner.policy.experiment.decide import decide
from tests.unit.builders import after, make_experiment, make_isvc, make_job, make_level, make_pod, make_result, seen
from tests.unit.task_builders import Story, ending, make_task, reaching, started

ROOT = Path(__file__).parents[3]
DEFINITIONS = crd.definitions()
EXAMPLES = sorted(ROOT.glob("examples/*.yaml"))
NUMBERS = ("integer", "number")


def root_of(definition: Object) -> Object:
    (version,) = definition["spec"]["versions"]
    found: Object = version["schema"]["openAPIV3Schema"]
    return found


def nodes(node: Object, path: str) -> Iterator[tuple[str, Object]]:
    """Every node of a schema with its path, but for what the API server itself defines."""
    yield path, node
    for name, part in node.get("properties", {}).items():
        if path or name not in ("apiVersion", "kind", "metadata"):
            yield from nodes(part, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from nodes(node["additionalProperties"], f"{path}{{}}")


SCHEMA = {
    definition["spec"]["names"]["kind"] + path: node
    for definition in DEFINITIONS.values()
    for path, node in nodes(root_of(definition), "")
}
NODES = [pytest.param(node, id=path) for path, node in SCHEMA.items()]
LISTS = [pytest.param(node, id=path) for path, node in SCHEMA.items() if node["type"] == "array"]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_committed_definition_is_the_generated_one(name: str) -> None:
    assert (ROOT / "crds" / name).read_text() == crd.render(DEFINITIONS[name]), "run `make generate`"


def test_nothing_else_is_committed_beside_them() -> None:
    assert {path.name for path in (ROOT / "crds").iterdir()} == set(DEFINITIONS)


def unbounded(node: Object) -> str:
    """What bound a node lacks; empty if none."""
    kind = node["type"]
    if kind == "string" and not ("maxLength" in node or "enum" in node or node.get("format") == "date-time"):
        return "maxLength"
    if kind in NUMBERS and not ("enum" in node or {"minimum", "maximum"} <= node.keys()):
        return "minimum and maximum"
    if kind == "array" and "maxItems" not in node:
        return "maxItems"
    if kind == "object" and "additionalProperties" in node and "maxProperties" not in node:
        return "maxProperties"
    known = node.keys() & {"properties", "additionalProperties", "x-kubernetes-preserve-unknown-fields"}
    return "a shape" if kind == "object" and not known else ""


@pytest.mark.parametrize("node", NODES)
def test_is_bounded(node: Object) -> None:
    assert unbounded(node) == ""


@pytest.mark.parametrize(
    ("node", "want"),
    [
        ({"type": "string"}, "maxLength"),
        ({"type": "string", "enum": ["a"]}, ""),
        ({"type": "string", "format": "date-time"}, ""),
        ({"type": "integer", "minimum": 0}, "minimum and maximum"),
        ({"type": "array", "items": {}}, "maxItems"),
        ({"type": "object", "additionalProperties": {}}, "maxProperties"),
        ({"type": "object"}, "a shape"),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, ""),
    ],
)
def test_the_walk_finds_what_has_no_bound(node: Object, want: str) -> None:
    assert unbounded(node) == want


@pytest.mark.parametrize("node", LISTS)
def test_a_list_says_how_it_is_merged(node: Object) -> None:
    kind = node.get("x-kubernetes-list-type")

    assert kind in ("atomic", "set", "map")
    if kind == "set":
        assert node["items"]["type"] == "string"  # of numbers, CEL finds an unchanged one unequal
    if kind == "map":
        for key in node["x-kubernetes-list-map-keys"]:
            required = key in node["items"].get("required", [])
            assert required or "default" in node["items"]["properties"][key]


def defaults_in_atomic_lists(node: Object, path: str = "", *, replaced: bool = False) -> list[str]:
    """Where a schema has a default that an apply of the list around it takes away and brings back.

    Argo CD's structured-merge diff predicts the first half only, so the object is out of sync for ever.
    """
    found = [path] if replaced and "default" in node else []
    for name, part in node.get("properties", {}).items():
        found += defaults_in_atomic_lists(part, f"{path}.{name}", replaced=replaced)
    if isinstance(node.get("additionalProperties"), dict):
        found += defaults_in_atomic_lists(node["additionalProperties"], f"{path}{{}}", replaced=replaced)
    if "items" in node:
        replaced = replaced or node.get("x-kubernetes-list-type", "atomic") == "atomic"
        found += defaults_in_atomic_lists(node["items"], f"{path}[]", replaced=replaced)
    return found


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)
def test_what_is_inside_an_atomic_list_has_no_default(definition: Object) -> None:
    assert defaults_in_atomic_lists(root_of(definition)) == []


def test_the_walk_finds_defaults_inside_atomic_lists_alone() -> None:
    named = {"type": "object", "properties": {"x": {"type": "string", "default": ""}}}
    atomic = {"type": "array", "x-kubernetes-list-type": "atomic", "default": [], "items": named}
    merged = {"type": "array", "x-kubernetes-list-type": "map", "items": named}
    within = {**merged, "items": {"properties": {"args": {**merged, "x-kubernetes-list-type": "atomic"}}}}
    root = {"properties": {"atomic": atomic, "merged": merged, "within": within, "implied": {"items": named}}}

    assert defaults_in_atomic_lists(root) == [".atomic[].x", ".within[].args[].x", ".implied[].x"]


def test_absence_in_an_atomic_list_means_the_default() -> None:
    spec = make_task(slos=[{"metric": "TTFT", "max": "1s"}], constraints=[{"rule": "p.x > 1"}])["spec"]
    task = TuningTask.model_validate({"spec": spec}).spec

    assert task.slos is not None
    assert task.constraints is not None
    assert (task.slos[0].enforcement, task.constraints[0].message) == ("Hard", "")


def flaw(node: Object) -> str:
    """What is wrong with the text that `kubectl explain` shows of a field; empty if it stands alone."""
    text = node.get("description", "")
    if not (text[:1].isupper() or text.startswith("true: ")) or not text.endswith("."):
        return "is no sentence"
    if found := re.search(r"^(Of|Its|The same)\b|\b(likewise|as above|respectively|see there)\b", text):
        return f"leans on another text: {found[0]}"
    return "too long" if len(text) > 500 else ""


@pytest.mark.parametrize("node", [pytest.param(node, id=path) for path, node in SCHEMA.items() if path[-1] not in "]}"])
def test_a_field_is_explained_by_itself(node: Object) -> None:
    assert flaw(node) == ""


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", "is no sentence"),
        ("or when so many requests have finished.", "is no sentence"),
        ("A level ends after so many minutes,", "is no sentence"),
        ("Of a latency; P99 if absent.", "leans on another text: Of"),
        ("The gain's upper bound, likewise.", "leans on another text: likewise"),
        ("true: also try without the flag.", ""),
        ("The name of the model.", ""),
    ],
)
def test_a_fragment_is_no_explanation(text: str, want: str) -> None:
    assert flaw({"description": text}) == want


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)
def test_a_kind_is_namespaced_with_a_status_of_its_own(definition: Object) -> None:
    (version,) = definition["spec"]["versions"]

    assert definition["spec"]["scope"] == "Namespaced"
    assert version["subresources"] == {"status": {}}
    assert root_of(definition)["required"] == ["spec"]
    assert "properties" in root_of(definition)["properties"]["status"]


@pytest.mark.parametrize("node", NODES)
def test_everything_that_may_be_null_is_simply_absent(node: Object) -> None:
    assert "nullable" not in node
    assert node.get("default", "") is not None


class TestUnexpressible:
    def test_a_union_is_refused(self) -> None:
        class Bad(Model):
            either: int | str

        with pytest.raises(ValueError, match="not expressible"):
            crd.schema(Bad)

    def test_anything_at_all_is_refused(self) -> None:
        class Bad(Model):
            anything: Any = Field(description="of no type")

        with pytest.raises(ValueError, match="not expressible"):
            crd.schema(Bad)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_read_and_written_back(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        kind = {"TuningTask": TuningTask, "TuningExperiment": TuningExperiment}[document["kind"]]
        model = kind.model_validate({"spec": document["spec"]})

        assert kind.model_validate(model.dump()) == model
        assert within(document["spec"], model.dump()["spec"])


def within(small: Any, large: Any) -> bool:
    """Whether everything that is said in one is said alike in the other."""
    if isinstance(small, dict):
        return isinstance(large, dict) and all(key in large and within(small[key], large[key]) for key in small)
    if isinstance(small, list):
        return len(small) == len(large) and all(map(within, small, large))
    return bool(small == large)


def test_there_is_an_example() -> None:
    assert EXAMPLES


def test_defaults_are_those_of_the_design() -> None:
    task = TuningTask.model_validate({"spec": make_task()["spec"]}).dump()["spec"]

    assert task["suspend"] is False
    assert task["model"]["kind"] == "ClusterBaseModel"
    assert task["model"]["readyTimeoutSeconds"] == 7200
    assert task["runtime"]["kind"] == "ClusterServingRuntime"
    assert (task["benchmark"]["maxMinutesPerLevel"], task["benchmark"]["maxRequestsPerLevel"]) == (2, 400)
    assert task["benchmark"]["task"] == "text-to-text"
    assert task["search"]["seed"] == 0
    assert task["placement"] == {"acceleratorResource": "nvidia.com/gpu", "allowShared": False}
    assert task["timeouts"] == {
        "queueSeconds": 3600,
        "pullSeconds": 1800,
        "startupSeconds": 1800,
        "benchmarkSeconds": 3600,
        "teardownSeconds": 300,
    }
    experiment = TuningExperiment.model_validate({"spec": make_experiment()["spec"]}).dump()["spec"]
    assert (experiment["cancel"], experiment["purpose"], experiment["block"]) == (False, "Search", 0)
    assert experiment["benchmark"]["placement"] == "Any"


@pytest.mark.parametrize("value", [1, 2.5, -3, 1e6])
def test_a_number_stays_the_number_it_is(value: float) -> None:
    task = make_task(parameters=[{"name": "x", "values": [value]}])
    (kept,) = TuningTask.model_validate({"spec": task["spec"]}).dump()["spec"]["parameters"][0]["values"]

    assert (kept, type(kept)) == (value, type(value))


@pytest.mark.parametrize("value", [True, "1", float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: object) -> None:
    task = make_task(parameters=[{"name": "x", "values": [value]}])

    with pytest.raises(ValueError, match="values"):
        TuningTask.model_validate({"spec": task["spec"]})


def test_a_number_above_zero_is_refused_once_for_each_mistake() -> None:
    class Thing(Model):
        weight: float = Field(ge=0.01, le=100)

    # The minimum speaks of what is below; only zero passes it, as the API server reads it.
    found = crd.schema(Thing)["properties"]["weight"]
    assert found["minimum"] == 0.01
    assert [one["rule"] for one in found["x-kubernetes-validations"]] == ["self != 0.0"]


def test_an_experiments_whole_status_survives() -> None:
    experiment = make_experiment()
    state = seen(
        experiment,
        root=make_isvc(experiment),
        job=make_job(experiment),
        engine=[make_pod(started=10, ready=20)],
        benchmark=[make_pod("benchmark", ended=make_result(make_level()))],
    )
    status = decide(state, after(61)).status

    assert ExperimentStatus.model_validate(status.dump()) == status
    assert status.dump()["levels"][0]["e2eLatencySeconds"]["p99"] == 2.0
    assert status.dump()["imageID"] == "sha256:engine"


def test_a_tasks_whole_status_survives() -> None:
    status = Story(started()).run_experiments(reaching(1000), reaching(1310), ending("OutOfMemory"), reaching(2)).status

    assert TaskStatus.model_validate(status.dump()) == status
    assert status.dump()["best"]["gainPercent"] == 31.0


def test_a_node_may_have_a_long_name() -> None:
    name = "-".join(["node"] * 40) + ".example.com"  # node names are subdomains, not labels

    assert ExperimentStatus(node=name, benchmark_node=name).node == name
