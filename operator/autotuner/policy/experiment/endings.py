"""How an experiment ends: ordered rules, each a pure function of what was observed; the first one wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from autotuner import clock, engines
from autotuner.benchmark.contract.result import Failure, Result, decode
from autotuner.engines.diagnosis import Diagnosis
from autotuner.policy.experiment import model_files
from autotuner.policy.experiment.deadlines import ENGINE_DEATH_GRACE, deadlines
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.policy.experiment.reasons import LOG_TAIL, Ending
from autotuner.serving.backend import Doomed
from autotuner.serving.pods import PodView

# Failures of a benchmark that are the engine's; all others are the benchmark's own.
_FAILURES: Mapping[Failure, str] = {"EngineNotServing": "EngineNotServing", "Refused": "InvalidArguments"}


def find(seen: ObservedExperiment, now: datetime) -> Ending | None:
    """The ending that follows from what was observed; None while the experiment goes on."""
    for rule in _RULES:
        if ending := rule(seen, now):
            return ending
    overdue = next((deadline.ending for deadline in deadlines(seen) if deadline.at <= now), None)
    return _explained(seen, overdue) if overdue else None


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
        if pod and pod.cannot_be_pulled:
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
    """What the end of the engine's container means: its reason, then its log, then its exit code."""
    ended, log = pod.ended, seen.engine_log
    assert ended is not None
    found = engines.get(seen.spec.service.engine).diagnose(log or ended.message, ended.exit_code)
    tail = evidence(log or ended.message, found)
    if ended.reason == "OOMKilled":
        message = "the engine used more memory than its container may (OOMKilled)"
        return Ending("OutOfMemory", message, exit_code=ended.exit_code, log_tail=tail)
    if found:
        return Ending(found.reason, _said(seen, found), None, ended.exit_code, tail, found.killed)
    last = next((line.strip() for line in reversed(tail.splitlines()) if line.strip()), "nothing")
    message = f"the engine's container ended with exit code {ended.exit_code}; its last line: {last}"
    return Ending("EngineCrashed", message, exit_code=ended.exit_code, log_tail=tail)


def evidence(log: str, found: Diagnosis | None) -> str:
    """The end of a log, at most 2,000 characters; where the cause stands further up, its lines and the end."""
    if found is None or found.last is None or len(log) <= LOG_TAIL:
        return log[-LOG_TAIL:]
    lines = log.splitlines(keepends=True)
    told, after = "".join(lines[: found.last + 1]), "".join(lines[found.last + 1 :])
    if len(after) < LOG_TAIL // 2:
        return log[-LOG_TAIL:]
    gap = "...\n"
    return told[-LOG_TAIL * 3 // 4 :] + gap + after[-(LOG_TAIL // 4 - len(gap)) :]


def _said(seen: ObservedExperiment, found: Diagnosis) -> str:
    """What the engine said, and what to do about it."""
    if found.reason == "ModelNotReady":
        return f"the engine said: {found.line}; {model_files.where_to_look(seen)}"
    if found.reason == "ModelUnsupported":
        image = f" ({seen.engine.image})" if seen.engine and seen.engine.image else ""
        advice = "take a newer image or another engine"
        return f"the engine said: {found.line}; this engine{image} cannot serve the model: {advice}"
    return f"the engine was {found.line}" if found.killed and found.last is None else f"the engine said: {found.line}"


def _explained(seen: ObservedExperiment, overdue: Ending) -> Ending:
    """An engine that does not become ready, explained by its log: a front end may outlive the engine that it fronts."""
    if overdue.reason != "StartupTimeout":
        return overdue
    found = engines.get(seen.spec.service.engine).diagnose(seen.engine_log, None)
    if found is None:
        return overdue
    message = f"{_said(seen, found)}; {overdue.message}"
    reason = found.reason if found.certain else overdue.reason
    return Ending(reason, message, log_tail=evidence(seen.engine_log, found), killed=found.killed)


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
    # An engine that dies fails requests first; its pod ends a moment later, and says why.
    doubtful = not result.ok or (result.levels and result.levels[-1].errors)
    finished = clock.parse(pod.ended.finished_at) if pod.ended.finished_at else now
    if doubtful and now < finished + ENGINE_DEATH_GRACE and seen.engine is not None:
        return None
    if result.ok:
        return Ending("Completed", _summary(result), result)
    reason = _FAILURES.get(result.failure or "Internal", "BenchmarkFailed")
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
