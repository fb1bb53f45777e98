"""The clocks that run while an experiment waits, and the ending that follows when one runs out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from autotuner import clock
from autotuner.api.experiment import Times
from autotuner.policy.experiment import silent_nodes, waiting
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.policy.experiment.reasons import LOG_TAIL, Ending
from autotuner.policy.experiment.times import known_since, reached
from autotuner.serving.backend import NotCreated

_UNMADE = ("CreateContainerConfigError", "CreateContainerError")


_UNMADE_SECONDS = 60
# A Job, created as soon as the engine has a node, has its pod well before.
_POD_SECONDS = 2


# A benchmark fails within moments of the engine's death; the engine's pod says so a little later.
ENGINE_DEATH_GRACE = timedelta(seconds=3)


@dataclass(frozen=True)
class Deadline:
    """A clock that runs, with the ending that follows when it runs out."""

    at: datetime
    ending: Ending


def startup_overdue(seen: ObservedExperiment, now: datetime) -> bool:
    """Whether the startup clock has run out: the engine's log is evidence then."""
    return any(item.ending.reason == "StartupTimeout" and item.at <= now for item in deadlines(seen, now))


def benchmark_overdue(seen: ObservedExperiment, now: datetime) -> bool:
    """Whether the benchmark's clock has run out: the benchmark's log is evidence then."""
    return any(item.ending.reason == "BenchmarkTimeout" and item.at <= now for item in deadlines(seen, now))


def silence_overdue(seen: ObservedExperiment, now: datetime) -> bool:
    """Whether the backend has made no pod for too long."""
    return any(item.ending.reason == "ServingNotCreated" and item.at <= now for item in deadlines(seen, now))


def job_silent(seen: ObservedExperiment, now: datetime) -> bool:
    """Whether the benchmark's Job should have made a pod by now: its events say why it has not."""
    if not seen.owns_job or not waiting.for_the_jobs_pod(seen):
        return False
    scheduled = reached(seen, now).scheduled
    return scheduled is not None and now >= _after(scheduled, _POD_SECONDS)


def next_deadline(seen: ObservedExperiment, now: datetime) -> datetime | None:
    """When to reconcile again although there is no event."""
    moments = [deadline.at for deadline in deadlines(seen, now)]
    if finished := reached(seen, now).benchmark_finished:
        moments.append(clock.parse(finished) + ENGINE_DEATH_GRACE)
    return min((moment for moment in moments if moment > now), default=None)


def deadlines(seen: ObservedExperiment, now: datetime) -> Iterator[Deadline]:
    """The clocks that run in the experiment's present state."""
    limits = seen.spec.timeouts
    if not seen.owns_root:
        yield from _waiting_to_create(seen, now)
        return
    times = reached(seen, now)
    assert times.created is not None, "there is a root"
    if lost := silent_nodes.given_up(seen, now):
        yield Deadline(*lost)
    for unmade in (_benchmark_unmade(seen, times), _engine_unmade(seen, times)):
        if unmade:
            yield unmade
    pod = seen.engine
    if words := waiting.engine(seen):
        message = f"the engine's pod found no place within {limits.queue_seconds} s: {words}"
        yield Deadline(_queue_over(seen, now), Ending("QueueTimeout", message))
        return
    if words := waiting.benchmark(seen):
        yield from _benchmark_queue(seen, times, words)
    if pod is None or times.scheduled is None:
        yield Deadline(_after(times.created, seen.serving_seconds), Ending("ServingNotCreated", _silence(seen)))
    elif not pod.started or times.container_started is None:
        words = f"{pod.waiting_reason or 'waiting'} {pod.waiting_message}".strip()
        message = f"the engine's container did not start within {limits.pull_seconds} s: {words}"
        yield Deadline(_after(times.scheduled, limits.pull_seconds), Ending("PullTimeout", message))
    elif times.engine_ready is None:
        message = f"the engine was not ready {limits.startup_seconds} s after its container started; see evidence"
        ending = Ending("StartupTimeout", message, log_tail=seen.engine_log[-LOG_TAIL:])
        yield Deadline(_after(times.container_started, limits.startup_seconds), ending)
    else:
        ending = Ending("BenchmarkTimeout", _slow(seen), log_tail=seen.benchmark_log[-LOG_TAIL:])
        yield Deadline(_after(times.engine_ready, limits.benchmark_seconds), ending)


def _benchmark_queue(seen: ObservedExperiment, times: Times, words: str) -> Iterator[Deadline]:
    """The clocks of a benchmark that has no node: its accelerators wait with it, so the shorter one counts."""
    limits = seen.spec.timeouts
    for since, seconds in ((times.scheduled, limits.queue_seconds), (times.engine_ready, limits.benchmark_seconds)):
        if since is not None:
            message = f"the benchmark's pod found no place within {seconds} s: waiting for {words}"
            yield Deadline(_after(since, seconds), Ending("QueueTimeout", message))


def _waiting_to_create(seen: ObservedExperiment, now: datetime) -> Iterator[Deadline]:
    at = _queue_over(seen, now)
    if seen.root is not None:
        yield Deadline(at, Ending("ServingNotCreated", waiting.obstacle(seen)))
    elif seen.model_state.phase != "Ready":
        why = f"{seen.model_name} did not become Ready in time: {seen.model_state.why}"
        yield Deadline(at, Ending("ModelNotReady", why))
    elif seen.runtime is None:
        runtime = seen.spec.service.runtime
        why = f"{runtime.kind} {runtime.name} did not exist in time; create it"
        yield Deadline(at, Ending("RuntimeIncompatible", why))
    elif seen.turn:
        return  # it has not begun to wait for a place
    elif words := waiting.before_creation(seen):
        yield Deadline(at, Ending("QueueTimeout", f"no place within {seen.spec.timeouts.queue_seconds} s: {words}"))
    elif seen.unanswered:
        message = f"the {seen.root_kind} could not be created within {seen.spec.timeouts.queue_seconds} s"
        yield Deadline(at, Ending("ServingNotCreated", f"{message}: {seen.unanswered}"))


def _benchmark_unmade(seen: ObservedExperiment, times: Times) -> Deadline | None:
    """The ending if the benchmark's pod cannot be made: a missing Secret stays missing, so no clock is waited for."""
    pod = seen.benchmark
    if pod is None or times.benchmark_scheduled is None or pod.waiting_reason not in _UNMADE:
        return None
    words = f"{pod.waiting_reason}: {pod.waiting_message}"
    ending = Ending("BenchmarkFailed", f"the benchmark's container cannot be made: {words}")
    return Deadline(_after(times.benchmark_scheduled, _UNMADE_SECONDS), ending)


def _engine_unmade(seen: ObservedExperiment, times: Times) -> Deadline | None:
    """The ending if the engine's container lacks what its pod names: the same for all, and accelerators wait for it.

    Other obstacles to a container may go by themselves; for them there is `pullSeconds`.
    """
    pod = seen.engine
    if pod is None or times.scheduled is None or pod.waiting_reason != "CreateContainerConfigError":
        return None
    words = f"the engine's container cannot be made: {pod.waiting_reason}: {pod.waiting_message}"
    message = f"{words}; create it, or correct the runtime"
    return Deadline(_after(times.scheduled, _UNMADE_SECONDS), Ending("EngineCrashed", message, never_ran=True))


def _silence(seen: ObservedExperiment) -> str:
    why = seen.serving.why if isinstance(seen.serving, NotCreated) else "its pod is gone"
    return f"no engine pod {seen.serving_seconds} s after the {seen.root_kind} was created: {why}"


def _slow(seen: ObservedExperiment) -> str:
    message = f"the benchmark did not finish within {seen.spec.timeouts.benchmark_seconds} s of the engine being ready"
    pod = seen.benchmark
    if pod is None or pod.node is None:
        return f"{message}: its pod is gone"
    if not pod.started:
        return f"{message}: its container is {pod.waiting_reason} {pod.waiting_message}"
    return f"{message}; raise timeouts.benchmarkSeconds or measure fewer or shorter levels"


def _queue_over(seen: ObservedExperiment, now: datetime) -> datetime:
    return known_since(seen, now) + timedelta(seconds=seen.spec.timeouts.queue_seconds)


def _after(moment: str, seconds: int) -> datetime:
    return clock.parse(moment) + timedelta(seconds=seconds)
