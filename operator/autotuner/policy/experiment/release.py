"""The release of an experiment: everything deleted, every pod gone, and what to say where that takes too long.

Accelerators are free once everything is being deleted and no pod with the experiment's label is left, whatever
finalizer still holds an object. The slot is free once the objects are gone too, or `teardownSeconds` after the last
pod.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from autotuner import clock
from autotuner.api.experiment import ExperimentStatus, Times
from autotuner.policy.conditions import ConditionSet, find, shorten
from autotuner.policy.events import Event
from autotuner.policy.experiment import reasons
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.serving import refusals
from autotuner.serving.pods import PodView

POLL = timedelta(seconds=5)
# Kubernetes misses a node after most of a minute; until then its engine only seems to fail.
_LOOKS_LIKE_A_LOST_NODE = ("EngineNotServing", "StartupTimeout", "BenchmarkFailed", "BenchmarkTimeout")
# How a message begins that names what only a finalizer holds.
PODS_GONE = "its pods are gone; still there"
# Those of the garbage collector: it removes them itself when dependents are gone.
_COLLECTORS = ("foregroundDeletion", "orphan")


@dataclass(frozen=True)
class Step:
    """What one reconcile does for the release: delete what is there, unless it is over."""

    status: ExperimentStatus
    over: bool = False
    events: tuple[Event, ...] = ()
    look_again: datetime | None = None


def next_step(seen: ObservedExperiment, now: datetime) -> Step:
    """Delete everything, and wait: the slot is held while a pod is left, however long that takes."""
    left, pods = list(_objects(seen)), _living_pods(seen)
    seconds = seen.spec.timeouts.teardown_seconds
    limit = timedelta(seconds=seconds)
    times = seen.status.times or Times()
    going = all("deletionTimestamp" in child["metadata"] for _, child in left)
    gone = None if pods or not going else times.pods_gone or clock.stamp(now)
    seen_times = times.model_copy(update={"pods_gone": gone})
    stranded = bool(seen.pods) and not pods  # objects wait for pods that nobody can stop
    if gone and (not left or stranded or now >= clock.parse(gone) + limit):
        return _over(seen, seen_times, [] if stranded else left, now)
    conditions = ConditionSet(seen.status.conditions, seen.generation, now)
    released = conditions.get("Released")
    overdue = due(seen, now)
    events: tuple[Event, ...] = ()
    if now >= overdue:
        message = f"not gone after {seconds} s: {_described(seen, left, pods)}"
        if released and released.reason != "TeardownStuck":
            events = (Event("Warning", "TeardownStuck", message),)
        conditions.set("Released", "False", "TeardownStuck", message)
    elif gone and now >= clock.parse(gone) + POLL:  # sooner, whose finalizer it is may just be at work
        conditions.set("Released", "False", "Releasing", f"{PODS_GONE}: {_described(seen, left, [])}")
    status = seen.status.model_copy(
        update={"observed_generation": seen.generation, "times": seen_times, "conditions": conditions.list()}
    )
    moments = [now + POLL, overdue, *([clock.parse(gone) + limit] if gone else [])]
    return Step(status, events=events, look_again=min(moment for moment in moments if moment > now))


def due(seen: ObservedExperiment, now: datetime) -> datetime:
    """When what is left then holds up the release."""
    released = find(seen.status.conditions, "Released")
    begun = clock.parse(released.last_transition_time) if released else now
    return begun + timedelta(seconds=seen.spec.timeouts.teardown_seconds)


def _over(seen: ObservedExperiment, times: Times, left: list[tuple[str, Mapping[str, Any]]], now: datetime) -> Step:
    """The end of the experiment; what is left is named, and has no pod."""
    status = _blamed(seen)
    reason = status.reason or ""
    succeeded = reason in reasons.SUCCEEDED
    times = times.model_copy(update={"released": clock.stamp(now)})
    held = clock.seconds_between(times.scheduled, times.pods_gone) or 0.0
    asked = seen.spec.service.accelerator
    conditions = ConditionSet(status.conditions, seen.generation, now)
    events: list[Event] = []
    if reason != seen.status.reason:
        events.append(Event("Warning", reason, status.message or ""))
        conditions.set("Benchmarked", "False", reason, status.message or "")
    kind, message = "Normal", f"everything is deleted; it held its node for {held:.0f} s"
    if left:
        kind, message = "Warning", f"{PODS_GONE}: {_described(seen, left, [])}"
    events.append(Event(kind, "Released", message))
    conditions.set("Released", "True", "Released", message if left else "")
    conditions.set("Succeeded", "True" if succeeded else "False", reason, status.message or "")
    conditions.set("Finished", "True", reason)
    done: dict[str, Any] = {
        "observed_generation": seen.generation,
        "phase": "Succeeded" if succeeded else "Failed",
        "times": times,
        "gpu_seconds": round(held * asked.held, 1) if asked.held else None,
        "conditions": conditions.list(),
    }
    return Step(status.model_copy(update=done), over=True, events=tuple(events))


def _blamed(seen: ObservedExperiment) -> ExperimentStatus:
    """The status, with the engine's node as the cause if that was lost and nobody knew when the benchmark ended."""
    status, engine = seen.status, seen.engine
    failing = status.reason in _LOOKS_LIKE_A_LOST_NODE or bool(status.levels and status.levels[-1].errors)
    if not failing or engine is None or engine.node not in seen.lost_nodes:
        return status
    message = shorten(f"the engine's node {engine.node} is lost; before that was known: {status.message}")
    return status.model_copy(
        update={"reason": "NodeLost", "message": message, "reproducible": False, "fingerprint": None}
    )


def _objects(seen: ObservedExperiment) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Root and Job, as far as they are there and the experiment's own."""
    if seen.root is not None and seen.owns_root:
        yield f"{seen.root_kind} {seen.root_name}", seen.root
    if seen.job is not None and seen.owns_job:
        yield f"Job {seen.name}", seen.job


def _living_pods(seen: ObservedExperiment) -> list[PodView]:
    """All pods with the experiment's label, whatever runs in them; not those on lost nodes, which nobody can stop."""
    return [pod for pod in seen.pods if pod.node not in seen.lost_nodes]


def _described(seen: ObservedExperiment, left: list[tuple[str, Mapping[str, Any]]], pods: list[PodView]) -> str:
    """What is in the way, with the finalizers that hold it, and what to do."""
    names = [f"{name}{_held_by(child['metadata'].get('finalizers') or ())}" for name, child in left]
    names += [f"{_whereabouts(pod)}{_held_by(pod.finalizers)}" for pod in pods]
    advice = seen.backend.release_advice(seen.spec.service, seen.root, seen.model) if seen.root is not None else ""
    return "; ".join(filter(None, (", ".join(names), refusals.silent_webhook(seen.failing_webhook), advice)))


def _held_by(finalizers: Iterable[str]) -> str:
    found = [name for name in finalizers if name not in _COLLECTORS]
    return f" (finalizer{'s' if len(found) > 1 else ''} {', '.join(found)})" if found else ""


def _whereabouts(pod: PodView) -> str:
    return f"pod {pod.name} {f'on {pod.node}' if pod.node else 'without a node'}"
