"""A JSON patch changes what won and nothing else, and fits only the container that was measured."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.experiment import Service
from autotuner.kubernetes_object import Object
from autotuner.serving.target.container_patch import operations
from tests.unit.builders import make_experiment

GPU = "nvidia.com/gpu"
PATH = "/spec/containers/1"
SIDECAR = {"name": "logs", "image": "logs:1"}


def service(**fields: Any) -> Service:
    made: Object = make_experiment(service={"image": "", "env": None, **fields})["spec"]["service"]
    return Service.model_validate(made)


def changes(container: Object, started: Object | None, gpus: int = 2, **fields: Any) -> list[tuple[str, str, Any]]:
    found = operations(
        [SIDECAR, {"name": "engine", **container}], "engine", "/spec/containers", started, service(**fields), gpus
    )
    assert found[0] == {"op": "test", "path": f"{PATH}/name", "value": "engine"}
    return [(one["op"], one["path"].removeprefix(PATH), one.get("value")) for one in found[1:]]


LIMITS = {"resources": {"limits": {"cpu": "4", GPU: "1"}}}
BOTH = {"resources": {"limits": {GPU: 1}, "requests": {GPU: 1, "cpu": "1"}}}
KEY = "nvidia.com~1gpu"


@pytest.mark.parametrize(
    ("container", "started", "gpus", "expected"),
    [
        ({**LIMITS, "args": ["--a=1"]}, {"args": ["--a=2"]}, 1, [("add", "/args", ["--a=2"])]),
        (LIMITS, {"command": ["vllm", "--a=2"]}, 1, [("add", "/command", ["vllm", "--a=2"])]),
        (
            {**LIMITS, "command": ["vllm"], "args": ["--a=1"]},
            {"command": ["vllm"]},
            1,
            [("remove", "/args", None)],
        ),
        (LIMITS, None, 1, []),
        (LIMITS, None, 2, [("add", f"/resources/limits/{KEY}", "2")]),
        (BOTH, None, 1, []),
        (BOTH, None, 2, [("add", f"/resources/limits/{KEY}", "2"), ("add", f"/resources/requests/{KEY}", "2")]),
        ({}, None, 2, [("add", "/resources", {"limits": {GPU: "2"}})]),
        ({"resources": {"requests": {"cpu": "1"}}}, None, 2, [("add", "/resources/limits", {GPU: "2"})]),
    ],
)
def test_arguments_and_accelerators(
    container: Object, started: Object | None, gpus: int, expected: list[tuple[str, str, Any]]
) -> None:
    assert changes(container, started, gpus) == expected


ONE, OTHER = {"name": "A", "value": "1"}, {"name": "B", "value": "2"}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], [("add", "/env", [ONE])]),
        ([OTHER], [("add", "/env/-", ONE)]),
        ([OTHER, {"name": "A", "value": "0"}], [("replace", "/env/1", ONE)]),
        ([ONE], []),
    ],
)
def test_variables(known: list[Object], expected: list[tuple[str, str, Any]]) -> None:
    assert changes({**LIMITS, "env": known}, {}, 1, env=[ONE]) == expected


def test_an_image_of_the_task_and_no_accelerators() -> None:
    assert changes({"image": "a:1"}, {}, image="a:2", accelerator={"resource": "", "count": 1}) == [
        ("add", "/image", "a:2")
    ]
