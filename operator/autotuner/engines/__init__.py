"""The inference engines: what their flags mean, and what their last words say. Each is one module."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from autotuner.api.common import EngineName
from autotuner.engines import image_tags
from autotuner.engines.custom import CUSTOM
from autotuner.engines.engine import Accelerator, Engine
from autotuner.engines.probed_flags import ProbedFlags
from autotuner.engines.sglang import SGLANG
from autotuner.engines.vllm import VLLM

__all__ = ["Accelerator", "Engine", "EngineVersion", "get", "named_by", "version_of", "with_parsers"]

_ENGINES: Mapping[EngineName, Engine] = {engine.name: engine for engine in (SGLANG, VLLM, CUSTOM)}


class EngineVersion(NamedTuple):
    """An engine of a version.

    Attributes:
        name: of the engine.
        version: of its package; empty where nothing tells it.
        source: what tells the version: a probe of the image, the running engine itself, the task, or the image's tag.
        probed: the flags that the image's own parser told; they win over any that are known.
    """

    name: EngineName
    version: str = ""
    source: Literal["probe", "engine", "task", "tag", "nothing"] = "nothing"
    probed: ProbedFlags | None = None


def get(which: EngineName | EngineVersion) -> Engine:
    """The engine of a name of the API: the newest known release, or the known one nearest to a version."""
    if not isinstance(which, EngineVersion):
        return _ENGINES[which]
    if which.probed is not None:
        return _probed(which.name, which.version, which.probed)
    return _ENGINES[which.name].at(which.version)


# Of as many images as one operator looks at in turn.
@lru_cache(maxsize=16)
def _probed(name: EngineName, version: str, flags: ProbedFlags) -> Engine:
    return _ENGINES[name].with_flags(flags.document, version)


def with_parsers() -> list[Engine]:
    """The engines whose own parser can be asked for its flags."""
    return [engine for engine in _ENGINES.values() if engine.package]


def named_by(image: str) -> EngineName | None:
    """The engine whose package an image is named after; None where no or more than one engine is."""
    found = [engine.name for engine in _ENGINES.values() if image_tags.names(image, engine.package)]
    return found[0] if len(found) == 1 else None


def version_of(
    name: EngineName, *, image: str = "", said: str = "", running: str = "", probed: ProbedFlags | None = None
) -> EngineVersion:
    """Which version of an engine is meant.

    Args:
        name: of the engine.
        image: that it runs in.
        said: the version that the task says; it is stronger than the tag.
        running: what the running engine says of itself; stronger than both.
        probed: the flags that the image's own parser told; the strongest, and with their version, if they have one.
    """
    if probed is not None:
        version = probed.version or version_of(name, image=image, said=said, running=running).version
        return EngineVersion(name, version, "probe", probed)
    if own := image_tags.number(running):
        return EngineVersion(name, own, "engine")
    if said:
        return EngineVersion(name, said, "task")
    tag = image_tags.version(image, get(name).package)
    return EngineVersion(name, tag, "tag") if tag else EngineVersion(name)
