"""The inference engines: what their flags mean, and what their last words say. Each is one module."""

from __future__ import annotations

from collections.abc import Mapping

from autotuner.api.common import EngineName
from autotuner.engines.custom import CUSTOM
from autotuner.engines.engine import Engine
from autotuner.engines.sglang import SGLANG
from autotuner.engines.vllm import VLLM

__all__ = ["Engine", "get"]

_ENGINES: Mapping[EngineName, Engine] = {engine.name: engine for engine in (SGLANG, VLLM, CUSTOM)}


def get(name: EngineName) -> Engine:
    """The engine of a name of the API."""
    return _ENGINES[name]
