"""The inference engines: what their flags mean, and what their last words say."""

from __future__ import annotations

from collections.abc import Mapping

from autotuner.api.common import EngineName
from autotuner.engines.arguments import Value
from autotuner.engines.custom import CUSTOM
from autotuner.engines.diagnosis import Diagnosis
from autotuner.engines.engine import Engine
from autotuner.engines.sglang import SGLANG
from autotuner.engines.vllm import VLLM

__all__ = ["Diagnosis", "Engine", "Value", "get"]

_ENGINES: Mapping[EngineName, Engine] = {"SGLang": SGLANG, "VLLM": VLLM, "Custom": CUSTOM}


def get(name: EngineName) -> Engine:
    """The engine of a name of the API."""
    return _ENGINES[name]
