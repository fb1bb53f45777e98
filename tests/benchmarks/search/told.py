"""What a rival is told about an experiment."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autotuner.search.space.configuration import Configuration


@dataclass(frozen=True)
class Told:
    """One experiment that has ended.

    Attributes:
        configuration: that was measured.
        losses: of each objective, logarithms, less is better; empty if it did not run.
        shortfall: how far beyond the limits, relative (0.1: ten per cent); 0 if they are kept, infinite if it did not
            run.
    """

    configuration: Configuration
    losses: tuple[float, ...]
    shortfall: float = 0.0

    def __post_init__(self) -> None:
        if bool(self.losses) is math.isinf(self.shortfall):
            raise ValueError("what ran has losses and a shortfall; what did not has neither")
