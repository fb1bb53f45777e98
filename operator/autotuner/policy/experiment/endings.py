"""How an experiment ends: ordered rules, each a pure function of what was observed; the first one wins."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from autotuner import clock, engines
from autotuner.benchmark.container_resources import short_of_cpu
from autotuner.benchmark.contract.result import Failure, Result, decode, decode_log, without_result
from autotuner.engines.diagnosis import Diagnosis
from autotuner.policy.experiment import model_files, waiting
from autotuner.policy.experiment.deadlines import ENGINE_DEATH_GRACE, deadlines
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.policy.experiment.reasons import LOG_TAIL, Ending
from autotuner.policy.experiment.times import has_served, reached
from autotuner.serving import kueue
from autotuner.serving.backend import Doomed, NotCreated
from autotuner.serving.pods import PodView, Terminated, node_ready

# Failures of a benchmark that have a reason of their own; all others are the benchmark's.
_FAILURES: Mapping[Failure, str] = {
    "EngineNotServing": "EngineNotServing",
    "Refused": "InvalidArguments",
    "Tokenizer": "TokenizerUnavailable",
    "Trace": "TraceUnusable",
    "ClientOverloaded": "ClientOverloaded",
    "Unauthorized": "Unauthorized",
    "ModelNameAmbiguous": "ModelNameAmbiguous",
}
# What runc and crun say of a program that the image does not have or may not run; their other words may be of the node.
_NO_PROGRAM = re.compile(
    r"exec: \".*(no such file or directory|executable file not found|permission denied)|executable file .* not found",
    re.IGNORECASE,
)
# All that is in the log of a program for another kind of processor.
_FOREIGN_PROGRAM = re.compile(r"\s*(?:\S+ )?exec (?:user process caused|\S+): exec format error\s*")
# How CRI-O tells of a missing program; containerd has the container end with StartError.
_UNSTARTABLE = ("CreateContainerError", "RunContainerError")
# Reasons of a pod's condition DisruptionTarget, and of containers that ended with their node; any other that is not
# Kueue's is an eviction.
_DISRUPTIONS = {
    "PreemptionByScheduler": "Preempted",
    "DeletionByTaintManager": "NodeLost",
    "DeletionByPodGC": "NodeLost",
    "ContainerStatusUnknown": "NodeLost",
    "Unknown": "NodeLost",
}


def find(seen: ObservedExperiment, now: datetime) -> Ending | None:
    """The ending that follows from what was observed; None while the experiment goes on."""
    for rule in _RULES:
        if ending := rule(seen, now):
            return ending
    overdue = next((deadline.ending for deadline in deadlines(seen, now) if deadline.at <= now), None)
    return _explained(seen, overdue) if overdue else None


def _cancelled(seen: ObservedExperiment, _: datetime) -> Ending | None:
    return Ending("Cancelled", "cancelled on request") if seen.spec.cancel else None


def _namespace_deleted(seen: ObservedExperiment, _: datetime) -> Ending | None:
    """The ending in a namespace that goes: its pods are deleted in any order, and look as if they had crashed."""
    if not seen.namespace_goes:
        return None
    return Ending("NamespaceDeleted", f"namespace {seen.object['metadata']['namespace']} is being deleted")


def _rejected(seen: ObservedExperiment, _: datetime) -> Ending | None:
    if seen.rejection and not waiting.out_of_quota(seen):
        return Ending("AdmissionRejected", f"the API server refused: {seen.rejection}")
    state = seen.serving
    if isinstance(state, NotCreated) and state.refusal and state.refusal.kind == "Policy":
        return Ending("AdmissionRejected", f"the API server refuses the engine's pod: {state.refusal.words}")
    return None


# Words of a refusal of the benchmark's pod, with the field that mends it; the first that fits.
_MENDED_BY = (
    (
        ("security context constraint", "runAsUser", "runAsGroup", "fsGroup"),
        "; benchmark.pod.securityContext: Platform lets the platform choose its user",
    ),
    (("label", "annotation"), "; its labels and annotations are in benchmark.pod and placement"),
    (("cpu", "memory", "resources"), "; what it asks for is in benchmark.pod.resources"),
)


def _job_refused(seen: ObservedExperiment, _: datetime) -> Ending | None:
    refusal = seen.job_refusal
    if refusal is None or refusal.kind != "Policy":
        return None
    advice = next((told for words, told in _MENDED_BY if any(word in refusal.words for word in words)), "")
    return Ending("JobRefused", f"the benchmark cannot be made: {refusal.words}{advice}")


def _references(seen: ObservedExperiment, _: datetime) -> Ending | None:
    if seen.root is not None:
        return None
    runtime = seen.spec.service.runtime
    named = seen.spec.service.model is not None
    if seen.model is None and named and seen.of_task:
        return None  # the task makes it again if it is the task's own; queueSeconds count
    if seen.model is None and named:
        return Ending("ModelNotReady", f"{seen.model_name} does not exist; create it")
    if seen.model_state.phase == "Failed":
        return Ending("ModelNotReady", f"{seen.model_name} is Failed: {seen.model_state.why}")
    if seen.runtime is None and not seen.of_task:
        return Ending("RuntimeIncompatible", f"{runtime.kind} {runtime.name} does not exist; create it")
    unreadable = model_files.unreadable(seen, seen.model or {})
    return Ending("ModelNotReady", unreadable.message) if unreadable else None


def _queue_missing(seen: ObservedExperiment, _: datetime) -> Ending | None:
    """The ending if a queue or a class of priority does not exist: nothing would refuse it, and nothing would run."""
    faults = list(seen.queue.faults("service")) if seen.root is None and seen.queue is not None else []
    return Ending("AdmissionRejected", "; ".join(fault.message for fault in faults)) if faults else None


def _queued_again(seen: ObservedExperiment, _: datetime) -> Ending | None:
    """The ending if Kueue took engine or benchmark back into its queue, from where it starts them again by itself."""
    if seen.engine_queued_again:
        return _evicted_by_kueue("engine's pod", "", seen.stopped)
    if seen.job_queued_again:
        evicted = seen.job_workload
        word, words = (evicted.evicted, evicted.words) if evicted else ("", "")
        return _evicted_by_kueue("benchmark's Job", word, words or seen.stopped)
    return None


def _evicted_by_kueue(what: str, word: str, words: str) -> Ending:
    reason = kueue.reason_of_eviction(word, words)
    message = f"Kueue took the {what} out of the cluster and queues it again{f': {words}' if words else ''}"
    if reason == kueue.PODS_READY_TIMEOUT:
        # Without the node, so that the words are equal wherever it happens.
        message = f"{message}; raise Kueue's setting waitForPodsReady.timeout above what pull and start take"
    return Ending(reason, message)


def _doomed(seen: ObservedExperiment, _: datetime) -> Ending | None:
    state = seen.serving
    return Ending(state.reason, state.message) if isinstance(state, Doomed) else None


def _root_gone(seen: ObservedExperiment, _: datetime) -> Ending | None:
    if not (seen.status.times and seen.status.times.created):
        return None
    if seen.root is None or not seen.owns_root or "deletionTimestamp" in seen.root["metadata"]:
        return Ending("Evicted", f"somebody deleted the {seen.root_kind} while the experiment needed it")
    return None


def _shared(seen: ObservedExperiment, _: datetime) -> Ending | None:
    """The ending if others may use the engine's accelerators at the same time, and nobody said that they may."""
    if seen.sharing is None or seen.spec.service.accelerator.allow_shared or has_served(seen):
        return None
    where, allow = "service", "service.accelerator"
    if seen.of_task:
        where = allow = "placement"
    return Ending(
        "AcceleratorShared",
        f"the engine's node shares its accelerators among pods ({seen.sharing}), and figures would depend on what the"
        f" others do: choose other nodes with {where}.nodeSelector, or set {allow}.allowShared: true",
    )


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


def _unstartable(seen: ObservedExperiment, _: datetime) -> Ending | None:
    """The ending if the engine's program is not in its image; the kubelet would try for ever."""
    pod = seen.engine
    if pod is None or pod.waiting_reason not in _UNSTARTABLE or not _NO_PROGRAM.search(pod.waiting_message):
        return None
    return _not_started(pod.waiting_message, pod.ended.exit_code if pod.ended else None)


def _disturbed(seen: ObservedExperiment, _: datetime) -> Ending | None:
    """The ending if Kubernetes takes a pod away, or its node is lost; told at first sight, for both may start again."""
    for role, pods in (("engine", seen.engine_pods), ("benchmark", seen.benchmark_pods)):
        for pod in pods:
            if (why := pod.disruption) is not None and kueue.is_eviction(why.reason):
                return _evicted_by_kueue(f"{role}'s pod", why.reason, why.message)
            if why is not None:
                where = f" on {pod.node}" if pod.node else ""
                return Ending(_DISRUPTIONS.get(why.reason, "Evicted"), f"the {role}'s pod{where} was taken away: {why}")
    return None


def _benchmark_deleted(seen: ObservedExperiment, _: datetime) -> Ending | None:
    if seen.job is not None and seen.owns_job and "deletionTimestamp" in seen.job["metadata"]:
        return Ending("Evicted", "somebody deleted the benchmark's Job while the experiment needed it")
    job_pod = seen.benchmark
    if job_pod is not None and job_pod.deleting and job_pod.ended is None and _job_failed(seen) is None:
        return Ending("Evicted", "somebody deleted the benchmark's pod while the experiment needed it")
    return None


def _engine_died(seen: ObservedExperiment, _: datetime) -> Ending | None:
    pod, measured = seen.engine, seen.status.engine_pod
    if measured and (pod is None or pod.uid != measured.uid or pod.deleting) and seen.stopped:
        return _evicted_by_kueue("engine's pod", "", seen.stopped)
    if measured and (pod is None or pod.uid != measured.uid or pod.deleting):
        return Ending("Evicted", "somebody deleted the engine's pod, or another replaced it, while it was measured")
    if pod is None or pod.ended is None or pod.deleting:  # what a deletion ends is no fault; another pod follows
        return None
    ending, tells = diagnose(seen, pod), seen.engine_teller
    if tells is None or tells.rank == 0:
        return ending
    return replace(ending, message=f"worker {tells.rank} of the engine's {tells.group_size} pods: {ending.message}")


def diagnose(seen: ObservedExperiment, pod: PodView) -> Ending:
    """What the end of the engine's container means: its reason, then its log, then its exit code."""
    ended, log = pod.ended, seen.engine_log
    assert ended is not None
    if ended.reason in ("StartError", "ContainerCannotRun"):
        return _not_started(ended.message, ended.exit_code)
    if _FOREIGN_PROGRAM.fullmatch(log or ended.message):
        advice = "the image is for another kind of processor than its node: look at the runtime's image and placement"
        message = f"the engine's container cannot be started: {(log or ended.message).strip()}; {advice}"
        return Ending("EngineCrashed", message, exit_code=ended.exit_code, log_tail=log, never_ran=True)
    found = engines.get(seen.spec.service.engine).diagnose(log or ended.message, ended.exit_code)
    tail = evidence(log or ended.message, found)
    if ended.reason == "OOMKilled":
        message = "the engine used more memory than its container may (OOMKilled)"
        return Ending("OutOfMemory", message, exit_code=ended.exit_code, log_tail=tail)
    if found:
        named = not has_served(seen) and found.certain and found.last is not None
        return Ending(found.reason, _said(seen, found), None, ended.exit_code, tail, found.killed, named)
    last = next((line.strip() for line in reversed(tail.splitlines()) if line.strip()), "nothing")
    message = f"the engine's container ended with exit code {ended.exit_code}; its last line: {last}"
    return Ending("EngineCrashed", message, exit_code=ended.exit_code, log_tail=tail)


def _not_started(words: str, exit_code: int | None) -> Ending:
    """The ending of an engine that never ran: its program is not there, or the node could not make the container."""
    absent = _NO_PROGRAM.search(words) is not None
    advice = "; look at the runtime's command and at its image" if absent else ""
    message = f"the engine's container cannot be started: {words}{advice}"
    return Ending("EngineCrashed", message, exit_code=exit_code, never_ran=absent)


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
    since = reached(seen, now).benchmark_finished
    finished = clock.parse(since) if since else now
    result = _result(seen.benchmark_log, pod.ended.message)
    if result is None:
        # Of a message that is cut, the log has the whole: it may be there only when it is asked for again.
        awaited = pod.ended.message and not seen.benchmark_log and now < finished + ENGINE_DEATH_GRACE
        return None if awaited else _without_result(seen, pod.ended)
    if result.failure == "Terminated":
        told = Ending("Evicted", "somebody stopped the benchmark's pod while the experiment needed it", result)
        return _job_failed(seen) or told
    # An engine that dies fails requests first; its pod ends a moment later, and says why.
    doubtful = not result.ok or (result.levels and result.levels[-1].errors)
    if doubtful and now < finished + ENGINE_DEATH_GRACE and seen.engine is not None:
        return None
    if result.ok:
        return Ending("Completed", _summary(seen, result), result)
    if seen.node is not None and not node_ready(seen.node):
        name = seen.node["metadata"]["name"]
        words = f"the engine's node {name} is not Ready, and the benchmark failed: {result.message}"
        return Ending("NodeLost", words, result)
    reason = _FAILURES.get(result.failure or "Internal", "BenchmarkFailed")
    log = without_result(seen.benchmark_log) if reason == "BenchmarkFailed" else seen.engine_log
    return Ending(reason, result.message, result, exit_code=pod.ended.exit_code, log_tail=log[-LOG_TAIL:])


def _result(log: str, message: str) -> Result | None:
    """The result in the termination message, or in the log where the kubelet has cut that; None if in neither."""
    for read, text in ((decode, message), (decode_log, log)):
        with contextlib.suppress(ValueError):
            return read(text)
    return None


def _without_result(seen: ObservedExperiment, ended: Terminated) -> Ending:
    log = without_result(seen.benchmark_log)
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "nothing")
    cut = ""
    if ended.message:
        cut = (
            f"; its termination message, {len(ended.message)} bytes, is none: pods with many containers have theirs cut"
        )
    message = f"the benchmark ended with exit code {ended.exit_code} and no result{cut}; its last line: {last}"
    return Ending("BenchmarkFailed", message, exit_code=ended.exit_code, log_tail=log[-LOG_TAIL:])


def _summary(seen: ObservedExperiment, result: Result) -> str:
    levels = f"{len(result.levels)} level{'s' if len(result.levels) != 1 else ''} measured"
    starved = short_of_cpu(seen.job) if seen.job is not None and seen.owns_job else ""
    notes = [result.message, starved, *result.warnings]
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
    _namespace_deleted,
    _rejected,
    _references,
    _root_gone,
    _queue_missing,
    _disturbed,
    _queued_again,
    _benchmark_deleted,
    _job_refused,
    _doomed,
    _shared,
    _pull_failed,
    _folder_missing,
    _unstartable,
    _engine_died,
    _benchmarked,
)
