"""What truly happened to each experiment, as nobody in the cluster could know it; the invariants hold it against."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from autotuner.api.experiment import Level


@dataclass
class Fate:
    """What befell one experiment.

    Attributes:
        disturbed: by what that was nobody's configuration: an eviction, a lost node, a quota ...
        luck: deaths of its engine that its configuration was not to blame for, and that looked as if it was.
        levels: of the result that its benchmark left; None if it left none.
    """

    disturbed: list[str] = field(default_factory=list)
    luck: list[str] = field(default_factory=list)
    levels: tuple[Level, ...] | None = None


@dataclass
class Book:
    """The fates of all experiments by uid, and how often each kind of trouble happened."""

    fates: dict[str, Fate] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    # Of everything at once: a clock that jumps, an operator or an API server that is away.
    disturbed_at: list[tuple[float, str]] = field(default_factory=list)

    def of(self, uid: str) -> Fate:
        """The fate of an experiment."""
        return self.fates.setdefault(uid, Fate())

    def disturb(self, uid: str, fault: str) -> None:
        """Note what the surroundings did to an experiment."""
        self.happened[fault] += 1
        self.of(uid).disturbed.append(fault)
