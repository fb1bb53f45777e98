"""What to do about one TuningExperiment: a pure function of what was observed and the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from autotuner import clock, engines, scoring
from autotuner.api.common import FINISHED_LABEL
from autotuner.api.experiment import EnginePod, Evidence, ExperimentPhase, ExperimentStatus, Times
from autotuner.api.goals import Objective
from autotuner.benchmark.contract.result import Result
from autotuner.policy.conditions import ConditionSet, is_true, shorten
from autotuner.policy.events import Event
from autotuner.policy.experiment import deadlines, endings, reasons
from autotuner.policy.experiment.fingerprint import fingerprint, hashes
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.policy.experiment.reasons import Ending
from autotuner.serving.pods import PodView

# Events are not watched; while there is no engine's pod they are read again this often.
_SILENT_POLL = timedelta(seconds=1)
_MODEL_POLL = timedelta(seconds=2)
_TEARDOWN_POLL = timedelta(seconds=5)


@dataclass(frozen=True)
class Plan:
    """What one reconcile will do: create first, then write the status, then delete and send events."""

    status: ExperimentStatus
    create_root: bool = False
    create_job: bool = False
    release: bool = False  # delete Job and root, the status having been written
    mark_finished: bool = False
    events: tuple[Event, ...] = ()
    look_again: datetime | None = None


def finished(status: ExperimentStatus) -> bool:
    """Whether nothing of the experiment is left to do."""
    return is_true(status.conditions, "Finished")


def decide(seen: ObservedExperiment, now: datetime) -> Plan:
    """The plan of one reconcile."""
    if finished(seen.status):
        labels = seen.object["metadata"].get("labels", {})
        return Plan(seen.status, mark_finished=labels.get(FINISHED_LABEL) != "true")
    if seen.status.reason:
        return _release(seen, now)
    ending = endings.find(seen, now)
    return _end(seen, ending, now) if ending else _advance(seen, now)


def _advance(seen: ObservedExperiment, now: datetime) -> Plan:
    """Create what is missing, and tell how far the experiment is."""
    pod = seen.engine
    phase, message = _progress(seen)
    times = _times(seen)
    ready = times.engine_ready is not None
    may_create = seen.root is None and seen.model_state.phase == "Ready"
    deployed = may_create or seen.owns_root
    status = seen.status.model_copy(
        update={
            "observed_generation": seen.generation,
            "phase": phase,
            "message": shorten(message),
            "times": times,
            "node": pod.node if pod else seen.status.node,
            "benchmark_node": seen.benchmark.node if seen.benchmark else seen.status.benchmark_node,
            "accelerator_product": seen.product,
            "image": pod.image if pod else seen.status.image,
            "image_id": (pod.image_id or None) if pod else seen.status.image_id,
            "hashes": seen.status.hashes or (hashes(seen.model, seen.runtime) if deployed else None),
            "engine_pod": seen.status.engine_pod
            or (EnginePod(uid=pod.uid, restarts=pod.restarts) if pod and ready else None),
        }
    )
    conditions = ConditionSet(seen.status.conditions, seen.generation, now)
    scheduled = times.scheduled is not None
    conditions.set("Scheduled", "True" if scheduled else "False", "Scheduled" if scheduled else "Waiting")
    conditions.set("EngineReady", "True" if ready else "False", "Ready" if ready else phase)
    conditions.set("Benchmarked", "False", "Running" if ready else "Waiting")
    # False only from the beginning of the release, whose clock runs from this transition.
    conditions.set("Released", "Unknown", "InUse")
    conditions.set("Succeeded", "Unknown", phase, message)
    conditions.set("Finished", "False", phase)
    status = status.model_copy(update={"conditions": conditions.list()})
    return Plan(
        status,
        create_root=may_create,
        create_job=seen.job is None and pod is not None and pod.node is not None,
        events=_step_events(seen.status.phase, phase, message),
        look_again=_next_look(seen, now),
    )


def _step_events(before: str | None, phase: str, message: str) -> tuple[Event, ...]:
    return (Event("Normal", phase, message),) if before != phase else ()


def _next_look(seen: ObservedExperiment, now: datetime) -> datetime | None:
    deadline = deadlines.next_deadline(seen, now)
    poll = None
    if not seen.owns_root:
        poll = now + _MODEL_POLL
    elif seen.engine is None:
        poll = now + _SILENT_POLL
    return min((moment for moment in (deadline, poll) if moment), default=None)


def _progress(seen: ObservedExperiment) -> tuple[ExperimentPhase, str]:
    """The phase and what is being waited for, without anything that changes with time alone."""
    if not seen.owns_root:
        if seen.root is not None:
            return "Pending", f"waiting: {deadlines.obstacle(seen)}"
        model = seen.spec.service.model
        if seen.model_state.phase != "Ready":
            return "Pending", f"waiting for {model.kind} {model.name} to be Ready (it is {seen.model_state})"
        return "Pending", f"creating the {seen.root_kind}"
    pod = seen.engine
    if pod is None:
        return "Queued", f"waiting for {seen.backend.capabilities.name} to create the engine's pod"
    if pod.node is None:
        return "Queued", f"waiting for a node: {pod.unschedulable or 'not looked at by the scheduler yet'}"
    if pod.started_at is None:
        waiting = f" ({pod.waiting_reason}: {pod.waiting_message})" if pod.waiting_message else ""
        return "Pulling", f"pulling {pod.image} on {pod.node}{waiting}"
    if _times(seen).engine_ready is None:
        return "Starting", f"engine starting on {pod.node}"
    return "Benchmarking", _benchmark_progress(seen)


def _benchmark_progress(seen: ObservedExperiment) -> str:
    pod = seen.benchmark
    if taken := deadlines.job_obstacle(seen):
        return f"engine ready; waiting: {taken}"
    if pod is None or pod.node is None:
        words = pod.unschedulable if pod else ""
        return f"engine ready; waiting for a node for the benchmark{': ' + words if words else ''}"
    if pod.started_at is None:
        return f"engine ready; benchmark {pod.waiting_reason or 'starting'} on {pod.node}"
    levels = len(seen.spec.benchmark.scenarios) * len(seen.spec.benchmark.concurrency)
    return f"benchmarking {levels} level{'s' if levels != 1 else ''}; kubectl logs job/{seen.name} shows each"


def _times(seen: ObservedExperiment) -> Times:
    known, pod = seen.status.times or Times(), seen.engine
    created = seen.root["metadata"]["creationTimestamp"] if seen.root and seen.owns_root else None
    return known.model_copy(
        update={
            "created": known.created or created,
            "scheduled": known.scheduled or (pod.scheduled_at if pod else None),
            "container_started": known.container_started or (pod.started_at if pod else None),
            "engine_ready": deadlines.engine_ready(seen),
        }
    )


def _end(seen: ObservedExperiment, ending: Ending, now: datetime) -> Plan:
    """Write down how the experiment ended; only then may anything be deleted."""
    ending = judge(seen, ending)
    going_on = _advance(seen, now).status
    result, times = ending.result, going_on.times or Times()
    if result:
        times = times.model_copy(
            update={"first_request": result.first_request, "benchmark_finished": result.benchmark_finished}
        )
    measured = ending.reason in reasons.SUCCEEDED
    evidence = None
    if not measured and (ending.exit_code is not None or ending.log_tail):
        evidence = Evidence(exit_code=ending.exit_code, log_tail=ending.log_tail)
    conditions = ConditionSet(going_on.conditions, seen.generation, now)
    conditions.set("Benchmarked", "True" if measured else "False", ending.reason, ending.message)
    conditions.set("Released", "False", "Releasing", f"deleting the {seen.root_kind} and the Job")
    conditions.set("Succeeded", "Unknown", "Releasing")
    conditions.set("Finished", "False", "Releasing")
    status = going_on.model_copy(
        update={
            "phase": "Releasing",
            "reason": ending.reason,
            "message": shorten(ending.message),
            "times": times,
            "levels": list(result.levels) if result and result.levels else None,
            "ladder": result.ladder if result else None,
            "engine_version": _version(seen, result),
            "evidence": evidence,
            "notes": engines.get(seen.spec.service.engine).notes(seen.engine_log) or None,
            "fingerprint": _fingerprint(seen, ending, going_on),
            "conditions": conditions.list(),
        }
    )
    kind = "Normal" if measured or ending.reason == "Cancelled" else "Warning"
    return Plan(
        status,
        release=True,
        events=(Event(kind, ending.reason, ending.message),),
        look_again=now + _TEARDOWN_POLL,
    )


def _version(seen: ObservedExperiment, result: Result | None) -> str | None:
    """The engine's version as it answered when asked, or as its log says: one that never served was not asked."""
    answered = result.engine_version if result else ""
    return answered or engines.get(seen.spec.service.engine).version_in(seen.engine_log) or None


def _fingerprint(seen: ObservedExperiment, ending: Ending, status: ExperimentStatus) -> str | None:
    """The fingerprint of what would happen again, if model and runtime are still what was deployed."""
    if not ending.reproducible or status.image_id is None:
        return None
    if status.hashes is None or status.hashes != hashes(seen.model, seen.runtime):
        return None
    return fingerprint(seen.spec, status.hashes, status.image_id or "", seen.product)


def judge(seen: ObservedExperiment, ending: Ending) -> Ending:
    """The ending of a complete benchmark: Completed, or SLOViolated if no level keeps the hard SLOs."""
    slos = scoring.hard((seen.spec.stop.slos if seen.spec.stop else None) or [])
    if ending.reason != "Completed" or ending.result is None or not slos:
        return ending
    benchmark = seen.spec.benchmark
    goal = scoring.Goal(benchmark.scenarios, benchmark.concurrency, [Objective(metric="OutputThroughput")], slos)
    score = scoring.score(ending.result.levels, goal, seen.spec.service.accelerator.count, ending.result.ladder)
    if score.outcome != "infeasible":
        return ending
    return Ending("SLOViolated", f"no level keeps the SLOs; nearest: {score.explanation}", ending.result)


def _release(seen: ObservedExperiment, now: datetime) -> Plan:
    """Delete everything, and wait until the last pod is gone: only then are the GPUs free."""
    in_the_way = _in_the_way(seen)
    conditions = ConditionSet(seen.status.conditions, seen.generation, now)
    if not in_the_way:
        return _finish(seen, conditions, now)
    released = conditions.get("Released")
    since = clock.parse(released.last_transition_time) if released else now
    overdue = since + timedelta(seconds=seen.spec.timeouts.teardown_seconds)
    events: tuple[Event, ...] = ()
    if now >= overdue:
        message = f"not gone after {seen.spec.timeouts.teardown_seconds} s: {', '.join(in_the_way)}{_advice(seen)}"
        if released and released.reason != "TeardownStuck":
            events = (Event("Warning", "TeardownStuck", message),)
        conditions.set("Released", "False", "TeardownStuck", message)
    status = seen.status.model_copy(update={"observed_generation": seen.generation, "conditions": conditions.list()})
    look_again = min(now + _TEARDOWN_POLL, overdue) if now < overdue else now + _TEARDOWN_POLL
    return Plan(status, release=True, events=events, look_again=look_again)


def _in_the_way(seen: ObservedExperiment) -> list[str]:
    """The names of what still holds the slot: not pods on lost nodes, nor what only waits for such pods."""
    root, job = f"{seen.root_kind} {seen.root_name}", f"Job {seen.name}"
    children = ((root, seen.root, seen.owns_root), (job, seen.job, seen.owns_job))
    left = [(what, child) for what, child, ours in children if child is not None and ours]
    pods = [pod for pod in _pods(seen) if pod.node not in seen.lost_nodes]
    stranded = not pods and bool(_pods(seen))
    if stranded and all("deletionTimestamp" in child["metadata"] for _, child in left):
        return []
    return [what for what, _ in left] + [_whereabouts(pod) for pod in pods]


def _whereabouts(pod: PodView) -> str:
    return f"pod {pod.name} {f'on {pod.node}' if pod.node else 'without a node'}"


def _pods(seen: ObservedExperiment) -> tuple[PodView, ...]:
    return seen.engine_pods + seen.benchmark_pods


def _advice(seen: ObservedExperiment) -> str:
    advice = seen.backend.release_advice(seen.spec.service, seen.model) if seen.root is not None else ""
    return f"; {advice}" if advice else ""


def _finish(seen: ObservedExperiment, conditions: ConditionSet, now: datetime) -> Plan:
    status, reason = seen.status, seen.status.reason or ""
    succeeded = reason in reasons.SUCCEEDED
    times = (status.times or Times()).model_copy(update={"released": clock.stamp(now)})
    held = clock.seconds_between(times.scheduled, times.released) or 0.0
    conditions.set("Released", "True", "Released")
    conditions.set("Succeeded", "True" if succeeded else "False", reason, status.message or "")
    conditions.set("Finished", "True", reason)
    done: dict[str, Any] = {
        "observed_generation": seen.generation,
        "phase": "Succeeded" if succeeded else "Failed",
        "times": times,
        "gpu_seconds": round(held * seen.spec.service.accelerator.count, 1),
        "conditions": conditions.list(),
    }
    return Plan(
        status.model_copy(update=done),
        mark_finished=True,
        events=(Event("Normal", "Released", f"everything is deleted; it held its node for {held:.0f} s"),),
    )
