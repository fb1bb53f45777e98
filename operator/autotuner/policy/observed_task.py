"""What a task's controller saw in one pass: plain data, the input of every decision."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from autotuner.api.common import EngineName
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import TaskStatus
from autotuner.policy import preflight, records
from autotuner.policy.records import Measured
from autotuner.presets import Presets
from autotuner.search import Space

Object = dict[str, Any]

# Endings after which a baseline is repeated: they say nothing about what runs today.
_REPEATED = ("environment", "nothing", "stop")


@dataclass(frozen=True)
class ObservedTask:
    """A TuningTask and everything around it, as read in one pass."""

    object: Object
    spec: TaskSpec
    status: TaskStatus
    presets: Presets
    experiments: tuple[Object, ...] = ()  # those that this very task owns
    model: Object | None = None  # live
    runtime: Object | None = None  # live
    wanted_model: Object | None = None  # of the preset
    wanted_runtime: Object | None = None  # of the preset for the live model
    shadow: str = ""
    may_create: bool = True
    benchmark_image: str = ""
    obstacle: str = ""  # whose the name of the next experiment is, if it could not be created just now
    rejection: tuple[str, str] | None = None  # kind and the API server's words, when it refused to create it just now

    @property
    def generation(self) -> int:
        """The generation of the spec that was read."""
        return int(self.object["metadata"].get("generation", 0))

    @cached_property
    def space(self) -> Space:
        """The search space."""
        return Space.of(self.spec.parameters)

    @cached_property
    def measured(self) -> list[Measured]:
        """The experiments, by index."""
        return records.read(self.experiments, self.spec, self.space)

    @cached_property
    def search(self) -> list[Measured]:
        """Experiments that count: neither baselines nor withdrawn."""
        return [one for one in self.measured if not one.is_baseline and not one.withdrawn]

    @property
    def running(self) -> list[Measured]:
        """Experiments that are not over."""
        return [one for one in self.measured if not one.finished]

    @cached_property
    def baseline(self) -> Measured | None:
        """The baseline's experiment that counts: the last one that was not cancelled or spoiled by the environment."""
        settled = [one for one in self.measured if one.is_baseline and one.outcome not in _REPEATED]
        return settled[-1] if settled else None

    @property
    def engine(self) -> EngineName:
        """Whose flags the parameters are."""
        if self.status.resolved:
            return self.status.resolved.engine
        engine = preflight.engine_of(self.spec, self.presets)
        assert engine is not None, "checked by preflight"
        return engine
