"""The port on which an engine listens that somebody else's container starts. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from autotuner import engines
from autotuner.api.common import EngineName
from autotuner.serving.target import engine_container
from autotuner.serving.target.engine_container import NoEngineError

# Of an experiment's Service, whatever port its engine listens on.
SERVICE_PORT = 80


def of_container(
    container: Mapping[str, Any], engine: EngineName, elsewhere: Mapping[str, str] = MappingProxyType({})
) -> int:
    """What its arguments say, else the first port that it declares, else the engine's usual one.

    Args:
        container: as it is created.
        engine: that it runs.
        elsewhere: see `engine_container.find`.
    """
    told = ""
    with contextlib.suppress(NoEngineError):
        told = engine_container.find([container], engine=engine, elsewhere=elsewhere).value("port")
    if told.isdecimal():
        return int(told)
    ports = container.get("ports") or ()
    return int(ports[0]["containerPort"]) if ports else engines.get(engine).start.port
