"""Keeps the limits over all tasks: who holds accelerators, who waits for a turn, and whom to wake when it is his.

All it knows can be read again: experiments that hold something from the API server, at the start and from the watch;
who waits says so in each of its reconciles. A turn is claimed before the experiment is created, or, where there is no
task, before its engine is, with nothing in between: there is one process that creates, and it never exceeds a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from autotuner.api.common import FINISHED_LABEL
from autotuner.api.experiment import Accelerator
from autotuner.controllers import monotonic_clock
from autotuner.controllers.observe import is_over
from autotuner.controllers.workqueue import ObjectKey
from autotuner.kube import EXPERIMENT, Kube
from autotuner.policy import turns
from autotuner.policy.turns import Holder, OverallLimits, Waiter

Wake = Callable[[str, ObjectKey], None]


class TurnKeeper:
    """The turns of one operator; without limits everybody may always start."""

    def __init__(
        self, limits: OverallLimits, wake: Wake = lambda *_: None, now: Callable[[], float] = monotonic_clock.seconds
    ):
        """Know nobody yet.

        Args:
            limits: over all tasks.
            wake: called with kind and key of who may start now.
            now: seconds of a clock that never goes back.
        """
        self.limits, self.wake, self._now = limits, wake, now
        self._held: dict[ObjectKey, Holder] = {}
        self._since: dict[ObjectKey, float] = {}  # when it was heard of that somebody holds something
        self._waiting: dict[tuple[str, ObjectKey], Waiter] = {}

    async def read(self, kube: Kube, namespaces: Sequence[str]) -> None:
        """Read who holds something; before the first reconcile."""
        if self.limits.any:
            for namespace in namespaces or (None,):
                for body in await kube.list(EXPERIMENT, namespace, labels=f"!{FINISHED_LABEL}"):
                    self.saw(body, gone=False)

    def saw(self, experiment: Mapping[str, Any], *, gone: bool) -> None:
        """Take note of an experiment as the watch, or the answer to a creation, has it."""
        if not self.limits.any:
            return
        key = _key(experiment)
        if gone or is_over(experiment):
            self.release(key)
        elif of_task(experiment) or "created" in ((experiment.get("status") or {}).get("times") or {}):
            self._hold(key, Holder(key.namespace, accelerators(experiment)))

    def release(self, key: ObjectKey) -> None:
        """Forget what an experiment held, and wake those whose turn it is."""
        self._since.pop(key, None)
        if self._held.pop(key, None) is not None:
            self._wake_next()

    def prune(self, unfinished: set[ObjectKey], listed_at: float) -> None:
        """Forget experiments that were not among those listed: a watch that was interrupted does not tell of them.

        Args:
            unfinished: all experiments that are not over.
            listed_at: when the list was asked for, by the keeper's clock.
        """
        for key in [key for key, since in self._since.items() if key not in unfinished and since < listed_at]:
            self.release(key)

    @contextmanager
    def asking(self, kind: str, key: ObjectKey) -> Iterator[Asking]:
        """A reconcile in which turns may be asked for: who does not ask in it waits no longer.

        Args:
            kind: of the object.
            key: of it.
        """
        asking = Asking(self, kind, key)
        try:
            yield asking
        finally:
            waited = self._waiting.pop((kind, key), None)
            if asking.waits is not None:
                self._waiting[kind, key] = asking.waits
            elif waited is not None:
                self._wake_next()

    def now(self) -> float:
        """The seconds of the keeper's clock."""
        return self._now()

    def refusal(self, own: Waiter) -> str:
        """Why it is not somebody's turn; empty if it is."""
        if not self.limits.any:
            return ""
        others = [one for one in self._waiting.values() if one.name != own.name]
        holders = list(self._held.values())
        if own in turns.in_turn(self.limits, holders, [*others, own]):
            return ""
        return turns.explanation(self.limits, holders, [*others, own], own)

    def holds(self, key: ObjectKey) -> bool:
        """Whether an experiment holds accelerators, or has claimed its turn."""
        return key in self._held

    def hold(self, key: ObjectKey, held: int) -> None:
        """Note that an experiment is about to hold accelerators."""
        if self.limits.any:
            self._hold(key, Holder(key.namespace, held))

    def _hold(self, key: ObjectKey, holder: Holder) -> None:
        self._held[key] = holder
        self._since.setdefault(key, self._now())

    def _wake_next(self) -> None:
        waiting = {one.name: place for place, one in self._waiting.items()}
        for one in turns.in_turn(self.limits, self._held.values(), self._waiting.values()):
            self.wake(*waiting[one.name])


class Asking:
    """The turns of one reconcile.

    Attributes:
        since: when the object began to wait, as a timestamp; to be set before anything is asked.
        waits: for what it will wait; None if it does not.
    """

    def __init__(self, keeper: TurnKeeper, kind: str, key: ObjectKey) -> None:
        self._keeper, self._kind, self._key = keeper, kind, key
        self.since = ""
        self.waits: Waiter | None = None

    def closed(self) -> str:
        """Why not even an experiment with one accelerator could start; empty if it could."""
        return self._keeper.refusal(self._waiter(1))

    def wait(self) -> None:
        """Wait for a turn, whatever it will be needed for."""
        self.waits = self.waits or self._waiter(1)

    def claim(self, experiment: Mapping[str, Any]) -> str:
        """Take the turn for an experiment that is created, or deployed, next; else say why it is not the turn."""
        name, held = _key(experiment), accelerators(experiment)
        waiter = self._waiter(held)
        if self._keeper.holds(name):
            return ""
        if words := self._keeper.refusal(waiter):
            self.waits = waiter
            return words
        self._keeper.hold(name, held)
        return ""

    def give_back(self, experiment: Mapping[str, Any]) -> None:
        """Give a turn back that was not used: the API server refused the experiment."""
        self._keeper.release(_key(experiment))

    def _waiter(self, held: int) -> Waiter:
        return Waiter(f"{self._kind} {self._key.namespace}/{self._key.name}", self._key.namespace, held, self.since)


def _key(experiment: Mapping[str, Any]) -> ObjectKey:
    return ObjectKey(experiment["metadata"]["namespace"], experiment["metadata"]["name"])


def accelerators(experiment: Mapping[str, Any]) -> int:
    """The accelerators that an experiment as the API server has it takes away from others."""
    return Accelerator.model_validate(experiment["spec"]["service"].get("accelerator") or {}).held


def of_task(experiment: Mapping[str, Any]) -> bool:
    """Whether a task has created the experiment."""
    owners = experiment["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") and owner["kind"] == "TuningTask" for owner in owners)
