"""What an InferenceService and its runtime say, by the fields that are read here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from autotuner.serving.kserve.resource_kinds import CONTAINER

# What KServe knew before `model`, and stores as `model`.
OLD_FORMS = ("huggingface", "triton", "pytorch", "tensorflow", "onnx", "sklearn", "xgboost", "lightgbm", "paddle")


class Runtime(NamedTuple):
    """What a predictor takes from its runtime; empty for a predictor with containers of its own.

    Attributes:
        kind: of the runtime.
        name: of the runtime.
        spec: of the runtime.
    """

    kind: str = ""
    name: str = ""
    spec: Mapping[str, Any] = {}

    @property
    def container(self) -> Mapping[str, Any]:
        """In which the engine runs."""
        return next((one for one in self.spec.get("containers") or () if one.get("name") == CONTAINER), {})

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def predictor_of(original: Mapping[str, Any]) -> Mapping[str, Any]:
    """The predictor of an InferenceService; empty where it has none."""
    found: Mapping[str, Any] = (original.get("spec") or {}).get("predictor") or {}
    return found


def own_container(predictor: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the InferenceService itself says of the engine's container."""
    if model := predictor.get("model"):
        found: Mapping[str, Any] = model
        return found
    return next((one for one in predictor.get("containers") or () if one.get("name") == CONTAINER), {})
