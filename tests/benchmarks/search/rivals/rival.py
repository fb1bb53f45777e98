"""What all rivals have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from tests.benchmarks.search.rivals.untaken import Places, Points, Untaken
from tests.benchmarks.search.told import Told


class Rival(ABC):
    """A search in the middle of a task."""

    def __init__(
        self,
        space: Space,
        points: Points | None,
        starts: Sequence[Configuration],
        seed: int,
        objectives: int = 1,
    ) -> None:
        """Begin a task.

        Args:
            space: to search.
            points: (n, dimensions) places of all its configurations; None where there are too many to be listed.
            starts: what is proposed first.
            seed: of the task.
            objectives: how many losses there are.
        """
        self.space = space
        self.objectives = objectives
        self.untaken = Untaken(space, points, seed)
        self._starts = [space.places(one) for one in starts]
        self._proposed: list[Places] = []

    def propose(self, told: Sequence[Told], count: int) -> list[Configuration]:
        """The next configurations, all measured at the same time; fewer if there are no more.

        Args:
            told: of all experiments so far, in the order in which they ended.
            count: how many are wanted.
        """
        known = [self.space.places(one.configuration) for one in told]
        for measured in known:
            self.untaken.take(measured)
        running = [places for places in self._proposed if places not in known]
        found: list[Configuration] = []
        for _ in range(count):
            wanted = self._starts.pop(0) if self._starts else self.wish(told, known, running)
            places = self.untaken.instead_of(wanted)
            if places is None:
                break
            self.untaken.take(places)
            self._proposed.append(places)
            running.append(places)
            configuration = self.space.build(places)
            assert configuration is not None
            found.append(configuration)
        return found

    @abstractmethod
    def wish(self, told: Sequence[Told], known: Sequence[Places], running: Sequence[Places]) -> Sequence[int]:
        """Places, 0 and more, of what it would like to measure, whether that can be had or not.

        Args:
            told: of all experiments so far.
            known: their places.
            running: places of what is being measured.
        """


def worst(told: Sequence[Told], objectives: int) -> tuple[float, ...]:
    """Of each objective, the worst that was measured; 0 if nothing was. It is what failures are told as."""
    measured = [one.losses for one in told if one.losses]
    return tuple(map(max, zip(*measured, strict=True))) if measured else (0.0,) * objectives
