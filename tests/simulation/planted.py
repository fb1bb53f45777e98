"""Faults as somebody might build them into the operator; the simulation has to find each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from autotuner.api.experiment import Times
from autotuner.controllers import experiment as experiment_controller
from autotuner.controllers import release as release_controller
from autotuner.memory_api.api import MemoryApi
from autotuner.policy.evidence import measurements, retries
from autotuner.policy.experiment import deadlines, endings, reasons, release
from autotuner.policy.experiment import decide as experiment_policy
from autotuner.policy.experiment import times as experiment_times
from autotuner.policy.task import starting
from autotuner.settings import Settings
from tests.simulation.plays import play


@dataclass(frozen=True)
class Planted:
    """One fault.

    Attributes:
        what: it is.
        plant: puts it into the code, until the stack is left.
        shows_with: groups of `history.FAULTS` of which it shows; none for a fault that shows anyway.
        found_as: the rules that it may break first.
    """

    what: str
    plant: Callable[[ExitStack], None]
    shows_with: tuple[str, ...]
    found_as: tuple[str, ...]


def _put(stack: ExitStack, where: object, name: str, instead: object) -> None:
    stack.enter_context(mock.patch.object(where, name, instead))


def _slot_without_waiting_for_pods(stack: ExitStack) -> None:
    _put(stack, release, "_living_pods", lambda seen: [])


def _two_at_once(stack: ExitStack) -> None:
    """A task counts one slot too many."""
    width = starting.width
    _put(stack, starting, "width", lambda seen: width(seen) + 1)


def _times_anew(stack: ExitStack) -> None:
    """What was reached before the operator began is forgotten."""
    reached = experiment_times.reached

    def anew(seen: Any, now: Any) -> Times:
        return reached(replace(seen, status=seen.status.model_copy(update={"times": None})), now)

    _put(stack, experiment_policy, "reached", anew)


def _retries_for_ever(stack: ExitStack) -> None:
    def owes(tries: Any, measured: Any) -> bool:
        return retries._unbelieved(tries[-1]) and not tries[-1].drift

    _put(stack, retries, "_owes_retry", owes)


def _version_forgotten(stack: ExitStack) -> None:
    """A status is written whatever the object has become since."""
    apply_status = MemoryApi.apply_status

    async def blind(self: MemoryApi, resource: Any, seen: Any, status: Any) -> Any:
        live = await self.get(resource, seen["metadata"]["namespace"], seen["metadata"]["name"])
        return await apply_status(self, resource, live or seen, status)

    _put(stack, MemoryApi, "apply_status", blind)


def _evictions_told(stack: ExitStack) -> None:
    told = reasons.Meaning("configuration", "crash")
    spoiled: Mapping[str, reasons.Meaning] = {"Evicted": told, "Preempted": told, "NodeLost": told}
    stack.enter_context(mock.patch.dict(reasons.REASONS, spoiled))


def _slot_too_early(stack: ExitStack) -> None:
    """What is being released counts as over."""
    early = property(lambda self: bool(self.status.reason))
    _put(stack, measurements.Measured, "finished", early)


def _released_before_recorded(stack: ExitStack) -> None:
    """Deletions come before the status that says what was measured."""
    controller = experiment_controller.ExperimentController
    record = controller._record

    async def late(self: Any, seen: Any, plan: Any) -> None:
        if plan.release:
            await release_controller.delete(self._kube, seen)
        await record(self, seen, plan)

    _put(stack, controller, "_record", late)


def _result_lost(stack: ExitStack) -> None:
    """A benchmark whose container has ended says nothing any more."""

    def unread(text: str) -> Any:
        raise ValueError(text)

    _put(stack, endings, "decode", unread)


def _no_clock(stack: ExitStack) -> None:
    def none(seen: Any, now: Any) -> Iterator[Any]:
        return iter(())

    for where in (deadlines, endings):
        _put(stack, where, "deadlines", none)


def _only_events(stack: ExitStack) -> None:
    """Nobody looks again by himself when there is no event."""
    _put(stack, Settings, "look_again_in", lambda self, moment: None)


def _last_forgotten(stack: ExitStack) -> None:
    """The search does not know of what ended last."""
    told = measurements.for_search
    _put(stack, measurements, "for_search", lambda measured: told(measured)[:-1])


FAULTS = (
    Planted("a release that does not wait for pods", _slot_without_waiting_for_pods, (), ("released is released",)),
    Planted("a second experiment beside the first", _two_at_once, (), ("never more than allowed at once",)),
    Planted("times that begin anew", _times_anew, (), ("a time never moves", "everything ends")),
    Planted("retries without bound", _retries_for_ever, ("engines",), ("retries are bounded", "everything ends")),
    Planted(
        "a status written over a newer one",
        _version_forgotten,
        ("operator",),
        ("a status never goes back", "a time never moves", "no result is lost"),
    ),
    Planted(
        "evictions told to the search",
        _evictions_told,
        ("disturbances",),
        ("the search is not told of the surroundings",),
    ),
    Planted("a slot that is free too early", _slot_too_early, (), ("never more than allowed at once",)),
    Planted("results that are written after the deletion", _released_before_recorded, (), ("results first",)),
    Planted("a result that nobody reads", _result_lost, (), ("no result is lost",)),
    Planted("deadlines that never come", _no_clock, ("backend", "engines"), ("everything ends",)),
    Planted("a queue that waits for events alone", _only_events, ("backend", "engines"), ("everything ends",)),
    Planted("a search that does not know the last", _last_forgotten, (), ("nothing is measured twice",)),
)


def found(fault: Planted, seeds: range) -> tuple[int, str] | None:
    """The first of these seeds that finds a fault, and the rule that it breaks there; None if none does."""
    with ExitStack() as stack:
        fault.plant(stack)
        for seed in seeds:
            outcome = play(seed, fault.shows_with)
            if outcome.broken:
                return seed, outcome.broken[0].rule
    return None
