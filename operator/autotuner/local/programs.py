"""Which programs of this machine stand for the images of pods. Pure but for a look whether a program is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BENCHMARK = "/autotuner/benchmark"
_PYTHONS = ("python", "python3")


@dataclass(frozen=True)
class Programs:
    """What runs here instead of containers.

    Attributes:
        benchmark_python: of the benchmark's environment, which has the simulated engine too.
        engine_python: of an environment with an engine; None for none.
        engine_command: that starts an engine, up to its first flag; empty for that of the runtime.
    """

    benchmark_python: Path
    engine_python: Path | None = None
    engine_command: Sequence[str] = ()

    def is_benchmark(self, image: str) -> bool:
        """Whether an image is that of the benchmark."""
        repository = image.partition("@")[0].rpartition("/")
        return f"/{repository[0]}/{repository[2].partition(':')[0]}".endswith(_BENCHMARK)

    def runs(self, image: str) -> bool:
        """Whether what stands for an image is here; else it takes a container."""
        return self.is_benchmark(image) or self.engine_python is not None or bool(self.engine_command)

    def command(self, container: Mapping[str, Any]) -> list[str]:
        """The command that a container has here; empty where nothing says one."""
        given = [str(word) for word in container.get("command") or ()]
        if self.is_benchmark(container["image"]):
            return _by(self.benchmark_python, given)
        if self.engine_command:
            return [*self.engine_command, *given[program_length(given) :]]
        return _by(self.engine_python, given) if self.engine_python is not None else given

    def folder(self, image: str) -> Path | None:
        """Where programs are looked for first."""
        if self.is_benchmark(image):
            return self.benchmark_python.parent
        return self.engine_python.parent if self.engine_python is not None else None


def program_length(command: Sequence[str]) -> int:
    """How many words of a command start the program: with a module of Python, and words such as `serve`."""
    length = min(1, len(command))
    while length < len(command):
        word = command[length]
        if word == "-m":
            length += 2
        elif word.startswith("-") or "$(" in word or "/" in word:
            break
        else:
            length += 1
    return min(length, len(command))


def _by(python: Path, command: Sequence[str]) -> list[str]:
    """A command with its program taken from an environment, where it is there."""
    if not command:
        return []
    name = command[0]
    if name in _PYTHONS:
        return [str(python), *command[1:]]
    own = python.parent / name
    return [str(own) if "/" not in name and own.exists() else name, *command[1:]]
