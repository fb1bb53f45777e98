"""What to do about one TuningExperiment: a pure function of what was observed and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from autotuner import engines, scoring
from autotuner.api.common import FINISHED_LABEL
from autotuner.api.experiment import Boundary, EnginePod, Evidence, ExperimentPhase, ExperimentStatus, Times
from autotuner.api.goals import Objective, Slo
from autotuner.benchmark.contract.result import Result
from autotuner.policy import trouble
from autotuner.policy.conditions import ConditionSet, is_true, shorten, steady
from autotuner.policy.events import Event
from autotuner.policy.experiment import deadlines, endings, reasons, release, silent_nodes, waiting
from autotuner.policy.experiment.fingerprint import fingerprint, hashes
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.policy.experiment.reasons import Ending
from autotuner.policy.experiment.times import known_since, reached, with_first_request

# Events are not watched; while there is no engine's pod they are read again this often.
_SILENT_POLL = timedelta(seconds=1)
_MODEL_POLL = timedelta(seconds=2)
# Quotas and nodes are not watched either.
_QUEUE_POLL = timedelta(seconds=10)
_JOB_POLL = timedelta(seconds=2)
_WORKLOAD_MADE = timedelta(seconds=30)
_PHASES: Sequence[ExperimentPhase] = get_args(ExperimentPhase)  # in their order


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
        return _stay_finished(seen, now)
    if seen.status.reason:
        return _release(seen, now)
    ending = endings.find(seen, now)
    return _end(seen, ending, now) if ending else _advance(seen, now)


def _stay_finished(seen: ObservedExperiment, now: datetime) -> Plan:
    """The plan of what is over: a cancellation that comes too late is acknowledged and said to be without effect."""
    unmarked = seen.object["metadata"].get("labels", {}).get(FINISHED_LABEL) != "true"
    if seen.status.observed_generation == seen.generation:
        return Plan(seen.status, mark_finished=unmarked)
    conditions = ConditionSet(seen.status.conditions, seen.generation, now)
    conditions.acknowledge()
    status = seen.status.model_copy(update={"observed_generation": seen.generation, "conditions": conditions.list()})
    message = "the experiment is over and its GPUs are free: spec.cancel has no effect"
    return Plan(status, mark_finished=unmarked, events=(Event("Warning", "AlreadyFinished", message),))


def _advance(seen: ObservedExperiment, now: datetime) -> Plan:
    """Create what is missing, and tell how far the experiment is."""
    pod = seen.engine
    times = reached(seen, now)
    phase, message = _progress(seen, times)
    # None comes back, whatever is waited for again.
    phase = max(phase, seen.status.phase or phase, key=_PHASES.index)
    message = silent_nodes.words(seen) or message
    message = trouble.with_words(_with_answer(seen, message), trouble.words(seen.status.conditions))
    ready = times.engine_ready is not None
    may_create = _may_create(seen)
    deployed = may_create or seen.owns_root
    status = seen.status.model_copy(
        update={
            "observed_generation": seen.generation,
            "phase": phase,
            "message": shorten(message),
            "times": times,
            "node": pod.node if pod else seen.status.node,
            "benchmark_node": seen.benchmark.node if seen.benchmark else seen.status.benchmark_node,
            **_of_accelerators(seen),
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
    silent_nodes.note(conditions, seen)
    if seen.unanswered:
        conditions.set("Benchmarked" if seen.owns_root else "Scheduled", "False", "NotCreated", message)
    # False only from the beginning of the release, whose clock runs from this transition.
    conditions.set("Released", "Unknown", "InUse")
    conditions.set("Succeeded", "Unknown", phase, message)
    # Unknown until its turn comes: then the clocks of what it waits for begin.
    conditions.set("Finished", "Unknown" if seen.turn else "False", "Turn" if seen.turn else phase)
    status = status.model_copy(update={"conditions": conditions.list()})
    return Plan(
        status,
        create_root=may_create,
        create_job=seen.job is None and pod is not None and pod.node is not None,
        events=_step_events(seen, phase, message),
        look_again=_next_look(seen, now),
    )


def _of_accelerators(seen: ObservedExperiment) -> dict[str, int | str | None]:
    """What the status tells of the accelerators; kept from when the engine came to its node."""
    return {
        "accelerators": seen.spec.service.accelerator.held,
        "accelerator_product": seen.accelerators.product or None,
        "accelerator_label": seen.accelerators.label or None,
        "accelerator_sharing": seen.sharing,
    }


def _may_create(seen: ObservedExperiment) -> bool:
    """Whether the root is missing, and nothing stands against making it."""
    there = seen.model_state.phase == "Ready" and seen.runtime is not None
    return seen.root is None and there and not waiting.before_creation(seen)


def _with_answer(seen: ObservedExperiment, message: str) -> str:
    """The message, with the API server's words if it could not create something just now."""
    if not seen.unanswered:
        return message
    return steady(seen.status.message or "", shorten(f"{message}; the API server: {seen.unanswered}"))


def _step_events(seen: ObservedExperiment, phase: str, message: str) -> tuple[Event, ...]:
    if seen.unanswered:
        return (Event("Warning", "NotCreated", message),) if message != seen.status.message else ()
    return (Event("Normal", phase, message),) if seen.status.phase != phase else ()


def _next_look(seen: ObservedExperiment, now: datetime) -> datetime | None:
    deadline = deadlines.next_deadline(seen, now)
    poll = None
    if not seen.owns_root:
        queueing = seen.root is None and waiting.before_creation(seen)
        poll = now + (_QUEUE_POLL if queueing else _MODEL_POLL)
    elif seen.unanswered:
        poll = now + _MODEL_POLL
    elif seen.engine is None:
        poll = now + (_QUEUE_POLL if waiting.engine(seen) else _SILENT_POLL)
    elif seen.engine.queued or seen.job_suspended:  # Workloads are not watched, and the first one comes a moment later
        recent = not seen.workloads and now < known_since(seen, now) + _WORKLOAD_MADE
        poll = now + (_JOB_POLL if recent else _QUEUE_POLL)
    elif waiting.for_the_jobs_pod(seen):
        poll = now + (_QUEUE_POLL if seen.job_refusal or waiting.job_obstacle(seen) else _JOB_POLL)
    return min((moment for moment in (deadline, poll) if moment), default=None)


def _progress(seen: ObservedExperiment, times: Times) -> tuple[ExperimentPhase, str]:
    """The phase and what is being waited for, without anything that changes with time alone."""
    if not seen.owns_root:
        if seen.root is not None:
            return "Pending", f"waiting: {waiting.obstacle(seen)}"
        if seen.model_state.phase != "Ready":
            return "Pending", f"waiting for {seen.model_name} to be Ready (it is {seen.model_state})"
        if seen.runtime is None:
            runtime = seen.spec.service.runtime
            return "Pending", f"waiting for {runtime.kind} {runtime.name}, which does not exist"
        if words := waiting.before_creation(seen):
            return "Queued", words
        return "Pending", f"creating the {seen.root_kind}"
    if words := waiting.engine(seen):
        return "Queued", words
    pod = seen.engine
    if pod is None:
        return "Queued", f"waiting for {seen.backend.capabilities.name} to create the engine's pod"
    if not pod.started:
        why = f" ({pod.waiting_reason}: {pod.waiting_message})" if pod.waiting_message else ""
        return "Pulling", f"pulling {pod.image} on {pod.node}{why}"
    if times.engine_ready is None:
        return "Starting", f"engine starting on {pod.node}"
    return "Benchmarking", _benchmark_progress(seen)


def _benchmark_progress(seen: ObservedExperiment) -> str:
    pod = seen.benchmark
    if words := waiting.benchmark(seen):
        return f"engine ready; the benchmark waits for {words}"
    if pod is None or pod.node is None:
        return "engine ready; the benchmark's pod is gone"
    if not pod.started:
        return f"engine ready; benchmark {pod.waiting_reason or 'starting'} on {pod.node}"
    benchmark = seen.spec.benchmark
    levels = len(benchmark.scenarios) * benchmark.most_levels
    if benchmark.search:
        return f"searching for the boundary in up to {levels} levels; kubectl logs job/{seen.name} shows each"
    return f"benchmarking {levels} level{'s' if levels != 1 else ''}; kubectl logs job/{seen.name} shows each"


def _end(seen: ObservedExperiment, ending: Ending, now: datetime) -> Plan:
    """Write down how the experiment ended; only then may anything be deleted."""
    ending = judge(seen, ending)
    going_on = _advance(seen, now).status
    result, times = ending.result, going_on.times or Times()
    if result:
        times = with_first_request(times, result)
    measured = ending.reason in reasons.SUCCEEDED
    evidence = None
    if not measured and (ending.exit_code is not None or ending.log_tail or ending.never_ran):
        never_ran: Literal[True] | None = True if ending.never_ran else None
        evidence = Evidence(exit_code=ending.exit_code, never_ran=never_ran, log_tail=ending.log_tail)
    conditions = ConditionSet(going_on.conditions, seen.generation, now)
    conditions.set("Benchmarked", "True" if measured else "False", ending.reason, ending.message)
    conditions.set("Released", "False", "Releasing", f"deleting the {seen.root_kind} and the Job")
    conditions.set("Succeeded", "Unknown", "Releasing")
    conditions.set("Finished", "False", "Releasing")
    status = going_on.model_copy(
        update={
            "phase": "Releasing",
            "reason": ending.reason,
            "reproducible": ending.believed,
            "message": shorten(ending.message),
            "times": times,
            "levels": list(result.levels) if result and result.levels else None,
            "boundary": _boundary(seen, result),
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
        look_again=now + release.POLL,
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
    return fingerprint(seen.spec, status.hashes, status.image_id or "", status.accelerator_product, seen.sharing)


def _goal(seen: ObservedExperiment, slos: Sequence[Slo]) -> scoring.Goal:
    """What is judged of an experiment: whether some level keeps these SLOs."""
    benchmark = seen.spec.benchmark
    return scoring.Goal(
        benchmark.scenarios,
        benchmark.ladder,
        [Objective(metric="OutputThroughput")],
        slos,
        open_loop=benchmark.open_loop,
        searches=benchmark.search is not None,
    )


def _boundary(seen: ObservedExperiment, result: Result | None) -> Boundary | None:
    """Where a search found the hard SLOs to break; None where none was made."""
    slos = scoring.hard((seen.spec.stop.slos if seen.spec.stop else None) or [])
    if result is None or not result.levels or seen.spec.benchmark.search is None:
        return None
    kept, broken = scoring.kept_and_broken(result.levels, _goal(seen, slos), seen.spec.service.accelerator.count)
    return Boundary(kept=kept, broken=broken)


def judge(seen: ObservedExperiment, ending: Ending) -> Ending:
    """The ending of a complete benchmark: Completed, or SLOViolated if no level keeps the hard SLOs."""
    slos = scoring.hard((seen.spec.stop.slos if seen.spec.stop else None) or [])
    if ending.reason != "Completed" or ending.result is None or not slos:
        return ending
    gpus = seen.spec.service.accelerator.count
    score = scoring.score(ending.result.levels, _goal(seen, slos), gpus, ending.result.ladder)
    if score.outcome != "infeasible":
        return ending
    return Ending("SLOViolated", f"no level keeps the SLOs; nearest: {score.explanation}", ending.result)


def _release(seen: ObservedExperiment, now: datetime) -> Plan:
    step = release.next_step(seen, now)
    return Plan(
        step.status, release=not step.over, mark_finished=step.over, events=step.events, look_again=step.look_again
    )
