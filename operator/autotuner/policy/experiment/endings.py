"""How an experiment ends: ordered rules, each a pure function of what was observed; the first one wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from autotuner import clock, engines
from autotuner.benchmark.contract.result import Result, decode
from autotuner.policy.experiment import model_files
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.serving.backend import Doomed, NotCreated, Serving
from autotuner.serving.pods import PodView

ExperimentOutcome = Literal[
    "value", "infeasible", "bound", "unknown", "crash", "environment", "impossible", "stop", "nothing"
]

# What an ending means to the search. Environmental ones are never told as bad values; "stop" ends the whole task.
OUTCOMES: dict[str, ExperimentOutcome] = {
    "Completed": "value",
    "SLOViolated": "infeasible",
    "OutOfMemory": "crash",
    "InvalidArguments": "crash",
    "EngineCrashed": "crash",
    "EngineNotServing": "crash",
    "StartupTimeout": "crash",
    "ImagePullFailed": "environment",
    "PullTimeout": "environment",
    "QueueTimeout": "environment",
    "ServingNotCreated": "environment",
    "BenchmarkFailed": "environment",
    "BenchmarkTimeout": "environment",
    "ModelNotReady": "stop",
    "RuntimeIncompatible": "stop",
    "AdmissionRejected": "stop",
    "Cancelled": "nothing",
}
SUCCEEDED = frozenset({"Completed", "SLOViolated"})
REPRODUCIBLE = frozenset({"OutOfMemory", "InvalidArguments"})  # failures that the same configuration meets again

_PULL_FAILURES = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_UNMADE = ("CreateContainerConfigError", "CreateContainerError")
_UNMADE_SECONDS = 60
# A benchmark fails within moments of the engine's death; the engine's pod says so a little later.
_ENGINE_DEATH_GRACE = timedelta(seconds=3)
LOG_TAIL = 2000


@dataclass(frozen=True)
class Ending:
    """Why an experiment is over, in one reason of the API and one line for people."""

    reason: str
    message: str
    result: Result | None = None
    exit_code: int | None = None
    log_tail: str = ""


@dataclass(frozen=True)
class Deadline:
    """A clock that runs, with the ending that follows when it runs out."""

    at: datetime
    ending: Ending


def find(seen: ObservedExperiment, now: datetime) -> Ending | None:
    """The ending that follows from what was observed; None while the experiment goes on."""
    for rule in _RULES:
        if ending := rule(seen, now):
            return ending
    return next((deadline.ending for deadline in deadlines(seen) if deadline.at <= now), None)


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
        moments.append(clock.parse(seen.benchmark.ended.finished_at) + _ENGINE_DEATH_GRACE)
    return min((moment for moment in moments if moment > now), default=None)


def _cancelled(seen: ObservedExperiment, _: datetime) -> Ending | None:
    return Ending("Cancelled", "cancelled on request") if seen.spec.cancel else None


def _rejected(seen: ObservedExperiment, _: datetime) -> Ending | None:
    return Ending("AdmissionRejected", f"the API server refused: {seen.rejection}") if seen.rejection else None


def _references(seen: ObservedExperiment, _: datetime) -> Ending | None:
    if seen.root is not None:
        return None
    model, runtime = seen.spec.service.model, seen.spec.service.runtime
    if seen.model is None:
        return Ending("ModelNotReady", f"{model.kind} {model.name} does not exist; create it")
    if seen.model_state.phase == "Failed":
        return Ending("ModelNotReady", f"{model.kind} {model.name} is Failed: {seen.model_state.why}")
    if seen.runtime is None:
        return Ending("RuntimeIncompatible", f"{runtime.kind} {runtime.name} does not exist; create it")
    unreadable = model_files.unreadable(seen, seen.model)
    return Ending("ModelNotReady", unreadable.message) if unreadable else None


def _doomed(seen: ObservedExperiment, _: datetime) -> Ending | None:
    state = seen.serving
    return Ending(state.reason, state.message) if isinstance(state, Doomed) else None


def _root_gone(seen: ObservedExperiment, _: datetime) -> Ending | None:
    if not (seen.status.times and seen.status.times.created):
        return None
    if seen.root is None or not seen.owns_root or "deletionTimestamp" in seen.root["metadata"]:
        return Ending("ServingNotCreated", f"somebody else deleted the {seen.root_kind} while it was being measured")
    return None


def _pull_failed(seen: ObservedExperiment, _: datetime) -> Ending | None:
    for role, pod in (("engine", seen.engine), ("benchmark", seen.benchmark)):
        if pod and pod.waiting_reason in _PULL_FAILURES:
            words = f"{pod.waiting_reason}: {pod.waiting_message}"
            return Ending("ImagePullFailed", f"the {role}'s image {pod.image} cannot be pulled: {words}")
    return None


def _folder_missing(seen: ObservedExperiment, _: datetime) -> Ending | None:
    """The ending if the kubelet cannot make a folder on a read-only volume; it would try for ever."""
    for role, pod in (("engine", seen.engine), ("benchmark", seen.benchmark)):
        if pod and pod.waiting_reason == "CreateContainerConfigError" and "subPath" in pod.waiting_message:
            message = f"the {role}'s container cannot be made: {pod.waiting_message}; {model_files.where_to_look(seen)}"
            return Ending("ModelNotReady", message)
    return None


def _engine_died(seen: ObservedExperiment, _: datetime) -> Ending | None:
    pod, measured = seen.engine, seen.status.engine_pod
    if measured and (pod is None or pod.uid != measured.uid or pod.deleting):
        return Ending("EngineCrashed", "the engine's pod was deleted or replaced while it was being measured")
    if pod is None or pod.ended is None:
        return None
    return diagnose(seen, pod)


def diagnose(seen: ObservedExperiment, pod: PodView) -> Ending:
    """What the end of the engine's container means: its exit code, its reason, its last words."""
    ended, log = pod.ended, seen.engine_log
    assert ended is not None
    tail = log[-LOG_TAIL:] or ended.message[-LOG_TAIL:]
    if ended.reason == "OOMKilled":
        message = "the engine used more memory than its container may (OOMKilled)"
        return Ending("OutOfMemory", message, exit_code=ended.exit_code, log_tail=tail)
    found = engines.get(seen.spec.service.engine).diagnose(log or ended.message, ended.exit_code)
    if found:
        advice = f"; {model_files.where_to_look(seen)}" if found.reason == "ModelNotReady" else ""
        return Ending(found.reason, f"the engine said: {found.line}{advice}", exit_code=ended.exit_code, log_tail=tail)
    last = next((line.strip() for line in reversed(tail.splitlines()) if line.strip()), "nothing")
    message = f"the engine's container ended with exit code {ended.exit_code}; its last line: {last}"
    return Ending("EngineCrashed", message, exit_code=ended.exit_code, log_tail=tail)


def _benchmarked(seen: ObservedExperiment, now: datetime) -> Ending | None:
    pod = seen.benchmark
    if pod is None or pod.ended is None:
        return _job_failed(seen)
    try:
        result = decode(pod.ended.message)
    except ValueError:
        last = next((line for line in reversed(seen.benchmark_log.splitlines()) if line.strip()), "nothing")
        message = f"the benchmark ended with exit code {pod.ended.exit_code} and no result; its last line: {last}"
        return Ending(
            "BenchmarkFailed", message, exit_code=pod.ended.exit_code, log_tail=seen.benchmark_log[-LOG_TAIL:]
        )
    if result.ok:
        return Ending("Completed", _summary(result), result)
    finished = clock.parse(pod.ended.finished_at) if pod.ended.finished_at else now
    if now < finished + _ENGINE_DEATH_GRACE and seen.engine is not None:
        return None
    reason = "EngineNotServing" if result.failure == "EngineNotServing" else "BenchmarkFailed"
    return Ending(reason, result.message, result, exit_code=pod.ended.exit_code)


def _summary(result: Result) -> str:
    levels = f"{len(result.levels)} level{'s' if len(result.levels) != 1 else ''} measured"
    notes = [result.message, *result.warnings]
    return "; ".join([levels, *(note for note in notes if note)])


def _job_failed(seen: ObservedExperiment) -> Ending | None:
    if seen.job is None or not seen.owns_job:
        return None
    for condition in (seen.job.get("status") or {}).get("conditions", []):
        if condition["type"] == "Failed" and condition["status"] == "True":
            words = f"{condition.get('reason', '')}: {condition.get('message', '')}"
            timed_out = condition.get("reason") == "DeadlineExceeded"
            return Ending(
                "BenchmarkTimeout" if timed_out else "BenchmarkFailed", f"the benchmark's Job failed: {words}"
            )
    return None


_RULES: tuple[Callable[[ObservedExperiment, datetime], Ending | None], ...] = (
    _cancelled,
    _rejected,
    _references,
    _root_gone,
    _doomed,
    _pull_failed,
    _folder_missing,
    _engine_died,
    _benchmarked,
)


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
