"""What is known about model, cluster and traffic, as far as it rules configurations out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Held:
    """The most accelerators that running experiments may hold together, and what says so."""

    most: int
    by: str


@dataclass(frozen=True)
class Facts:
    """Facts about model, cluster and traffic; what is not known forbids nothing.

    Attributes:
        model: the spec of the model's object; empty if unknown.
        memory_mib: of the largest GPU that experiments may get; None if unknown.
        allow_large_weights: the task says that weights fit which seem too large.
        product: of that GPU, as its node is labelled; empty if unknown.
        accelerators: the most that one node could ever give; None if unknown.
        mig_slice: the profile, if an engine can get nothing but slices of NVIDIA's MIG; else empty.
        visible: accelerators that environment variables of the engine let it see; None if they do not choose.
        pods: over which an engine is spread, each with as many accelerators.
        held: what limits all experiments that run at the same time; None if nothing does.
        longest_request: tokens of a prompt and its answer that every configuration must take; 0 if unknown.
        command: of the runtime's container, which may hold flags too.
        arguments_known: whether the fixed arguments and `command` are all there is. Where the runtime is not known, a
            flag that nobody seems to set may be set by it.
    """

    model: Mapping[str, Any] = field(default_factory=dict)
    memory_mib: float | None = None
    allow_large_weights: bool = False
    product: str = ""
    accelerators: int | None = None
    mig_slice: str = ""
    visible: int | None = None
    pods: int = 1
    held: Held | None = None
    longest_request: int = 0
    command: tuple[str, ...] = ()
    arguments_known: bool = True
