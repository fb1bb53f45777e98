"""On which port an engine is reached that somebody else's container starts."""

from __future__ import annotations

from typing import get_args

import pytest

from autotuner import engines
from autotuner.api.common import EngineName
from autotuner.kubernetes_object import Object
from autotuner.serving.target.engine_port import of_container

PORTS = [{"containerPort": 9000}, {"containerPort": 9001}]
SERVE = ["vllm", "serve", "m"]


@pytest.mark.parametrize(
    ("container", "port"),
    [
        ({"command": SERVE, "args": ["--port=8080"], "ports": PORTS}, 8080),
        ({"command": SERVE, "args": ["--port", "8080"]}, 8080),
        ({"command": ["sh", "-c", "exec vllm serve m --port 8080"]}, 8080),
        ({"command": SERVE, "args": ["--port=$(PORT)"], "env": [{"name": "PORT", "value": "8081"}]}, 8081),
        ({"command": SERVE, "args": ["--port=$(PORT)"], "ports": PORTS}, 9000),
        ({"command": SERVE, "ports": PORTS}, 9000),
        ({"command": SERVE}, 8000),
        ({"command": ["sh", "-c", "if x; then vllm serve m --port 1; fi"], "ports": PORTS}, 9000),
    ],
)
def test_arguments_go_before_what_is_declared(container: Object, port: int) -> None:
    assert of_container({"name": "main", "image": "i:1", **container}, "VLLM") == port


@pytest.mark.parametrize("name", get_args(EngineName))
def test_an_engine_that_says_nothing_has_its_usual_port(name: EngineName) -> None:
    container = {"name": "main", "image": "i:1", "command": ["start"]}
    assert of_container(container, name) == engines.get(name).start.port
