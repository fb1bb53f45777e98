"""The inference engines: what their flags mean, and what their last words say. Each is one module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from autotuner.api.common import EngineName
from autotuner.engines import image_tags
from autotuner.engines.custom import CUSTOM
from autotuner.engines.engine import Engine
from autotuner.engines.sglang import SGLANG
from autotuner.engines.vllm import VLLM

__all__ = ["Engine", "EngineVersion", "get", "version_of"]

_ENGINES: Mapping[EngineName, Engine] = {engine.name: engine for engine in (SGLANG, VLLM, CUSTOM)}


class EngineVersion(NamedTuple):
    """An engine of a version.

    Attributes:
        name: of the engine.
        version: of its package; empty where nothing tells it.
        source: what tells the version: the running engine itself, the task, or the image's tag.
    """

    name: EngineName
    version: str = ""
    source: Literal["engine", "task", "tag", "nothing"] = "nothing"


def get(which: EngineName | EngineVersion) -> Engine:
    """The engine of a name of the API: the newest known release, or the known one nearest to a version."""
    if isinstance(which, EngineVersion):
        return _ENGINES[which.name].at(which.version)
    return _ENGINES[which]


def version_of(name: EngineName, *, image: str = "", said: str = "", running: str = "") -> EngineVersion:
    """Which version of an engine is meant.

    Args:
        name: of the engine.
        image: that it runs in.
        said: the version that the task says; it is stronger than the tag.
        running: what the running engine says of itself; the strongest.
    """
    if own := image_tags.number(running):
        return EngineVersion(name, own, "engine")
    if said:
        return EngineVersion(name, said, "task")
    tag = image_tags.version(image, get(name).package)
    return EngineVersion(name, tag, "tag") if tag else EngineVersion(name)
