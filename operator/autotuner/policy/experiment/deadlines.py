"""The clocks that run while an experiment waits, and the ending that follows when one runs out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from autotuner import clock
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.policy.experiment.reasons import LOG_TAIL, Ending
from autotuner.serving.backend import NotCreated, Serving

_UNMADE = ("CreateContainerConfigError", "CreateContainerError")


_UNMADE_SECONDS = 60


# A benchmark fails within moments of the engine's death; the engine's pod says so a little later.
ENGINE_DEATH_GRACE = timedelta(seconds=3)


@dataclass(frozen=True)
class Deadline:
    """A clock that runs, with the ending that follows when it runs out."""

    at: datetime
    ending: Ending


def engine_ready(seen: ObservedExperiment) -> str | None:
    """Since when the engine serves: the first time counts, whatever came after."""
    known = seen.status.times.engine_ready if seen.status.times else None
    return known or (seen.serving.since if isinstance(seen.serving, Serving) else None)


def startup_overdue(seen: ObservedExperiment, now: datetime) -> bool:
    """Whether the startup clock has run out: the engine's log is evidence then."""
    return any(item.ending.reason == "StartupTimeout" and item.at <= now for item in deadlines(seen))


def next_deadline(seen: ObservedExperiment, now: datetime) -> datetime | None:
    """When to reconcile again although there is no event."""
    moments = [deadline.at for deadline in deadlines(seen)]
    if seen.benchmark and seen.benchmark.ended and seen.benchmark.ended.finished_at:
        moments.append(clock.parse(seen.benchmark.ended.finished_at) + ENGINE_DEATH_GRACE)
    return min((moment for moment in moments if moment > now), default=None)


def deadlines(seen: ObservedExperiment) -> Iterator[Deadline]:
    """The clocks that run in the experiment's present state."""
    limits = seen.spec.timeouts
    if not seen.owns_root:
        yield from _waiting_to_create(seen)
        return
    assert seen.root is not None
    if unmade := _benchmark_unmade(seen):
        yield unmade
    pod = seen.engine
    if pod is None:
        yield Deadline(
            _after(seen.root["metadata"]["creationTimestamp"], seen.serving_seconds),
            Ending("ServingNotCreated", _silence(seen)),
        )
    elif pod.scheduled_at is None:
        words = pod.unschedulable or "the scheduler has not looked at it yet"
        message = f"no node took the engine's pod within {limits.queue_seconds} s: {words}"
        yield Deadline(_after(pod.created, limits.queue_seconds), Ending("QueueTimeout", message))
    elif pod.started_at is None:
        words = f"{pod.waiting_reason or 'waiting'} {pod.waiting_message}".strip()
        message = f"the engine's container did not start within {limits.pull_seconds} s: {words}"
        yield Deadline(_after(pod.scheduled_at, limits.pull_seconds), Ending("PullTimeout", message))
    elif (ready_at := engine_ready(seen)) is None:
        message = f"the engine was not ready {limits.startup_seconds} s after its container started; see evidence"
        ending = Ending("StartupTimeout", message, log_tail=seen.engine_log[-LOG_TAIL:])
        yield Deadline(_after(pod.started_at, limits.startup_seconds), ending)
    else:
        yield Deadline(_after(ready_at, limits.benchmark_seconds), Ending("BenchmarkTimeout", _slow(seen)))


def _waiting_to_create(seen: ObservedExperiment) -> Iterator[Deadline]:
    at = _after(seen.object["metadata"]["creationTimestamp"], seen.spec.timeouts.queue_seconds)
    model = seen.spec.service.model
    if seen.root is not None:
        yield Deadline(at, Ending("ServingNotCreated", obstacle(seen)))
    elif seen.model_state.phase != "Ready":
        why = f"{model.kind} {model.name} did not become Ready in time: {seen.model_state.why}"
        yield Deadline(at, Ending("ModelNotReady", why))
    elif seen.runtime is None:
        runtime = seen.spec.service.runtime
        why = f"{runtime.kind} {runtime.name} did not exist in time; create it"
        yield Deadline(at, Ending("RuntimeIncompatible", why))
    elif seen.unanswered:
        message = f"the {seen.root_kind} could not be created within {seen.spec.timeouts.queue_seconds} s"
        yield Deadline(at, Ending("ServingNotCreated", f"{message}: {seen.unanswered}"))


def _benchmark_unmade(seen: ObservedExperiment) -> Deadline | None:
    """The ending if the benchmark's pod cannot be made: a missing Secret stays missing, so no clock is waited for."""
    pod = seen.benchmark
    if pod is None or pod.scheduled_at is None or pod.waiting_reason not in _UNMADE:
        return None
    words = f"{pod.waiting_reason}: {pod.waiting_message}"
    ending = Ending("BenchmarkFailed", f"the benchmark's container cannot be made: {words}")
    return Deadline(_after(pod.scheduled_at, _UNMADE_SECONDS), ending)


def obstacle(seen: ObservedExperiment) -> str:
    """The owner of a root that has our name and is not ours."""
    assert seen.root is not None
    article = "an" if seen.root_kind[0] in "AEIOU" else "a"
    return f"{article} {seen.root_kind} {_owner_name(seen.root)}"


def job_obstacle(seen: ObservedExperiment) -> str:
    """The owner of a Job that has our name and is not ours; empty if there is none."""
    return f"a Job {_owner_name(seen.job)}" if seen.job is not None and not seen.owns_job else ""


def _owner_name(taken: Mapping[str, Any]) -> str:
    meta = taken["metadata"]
    owners = [owner for owner in meta.get("ownerReferences", []) if owner.get("controller")]
    whose = f"belongs to {owners[0]['kind']} {owners[0]['name']}" if owners else "has no owner"
    uid = owners[0]["uid"] if owners else meta["uid"]
    leaving = "it is being deleted" if "deletionTimestamp" in meta else "delete it or choose another name"
    return f"{meta['name']} exists already and {whose} (uid {uid}); {leaving}"


def _silence(seen: ObservedExperiment) -> str:
    why = seen.serving.why if isinstance(seen.serving, NotCreated) else "its pod is gone"
    return f"no engine pod {seen.serving_seconds} s after the {seen.root_kind} was created: {why}"


def _slow(seen: ObservedExperiment) -> str:
    message = f"the benchmark did not finish within {seen.spec.timeouts.benchmark_seconds} s of the engine being ready"
    pod = seen.benchmark
    if pod is None:
        return f"{message}: {job_obstacle(seen) or 'its Job made no pod'}"
    if pod.scheduled_at is None:
        return f"{message}: no node took its pod: {pod.unschedulable}"
    if pod.started_at is None:
        return f"{message}: its container is {pod.waiting_reason} {pod.waiting_message}"
    return f"{message}; raise timeouts.benchmarkSeconds or measure fewer or shorter levels"


def _after(moment: str, seconds: int) -> datetime:
    return clock.parse(moment) + timedelta(seconds=seconds)
