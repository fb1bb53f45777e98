"""What an experiment waits for, in words, while something of it has no place: quota, admission, a node.

All of it runs on one clock, `timeouts.queueSeconds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.serving import kueue, refusals
from autotuner.serving.backend import NotCreated
from autotuner.serving.pods import PodView

_WHERE = "where it may go is in benchmark.pod (nodeSelector, tolerations, resources) and benchmark.placement"


def before_creation(seen: ObservedExperiment) -> str:
    """What keeps the operator from creating the root; empty for nothing. Model and name are looked at before."""
    if seen.turn:
        return seen.turn
    if out_of_quota(seen):
        return f"waiting for quota: {seen.rejection}"
    if seen.job_refusal:
        return f"waiting for quota for the benchmark: {seen.job_refusal.words}"
    if seen.queue is not None and seen.queue.inactive:
        return f"waiting for its queue: {seen.queue.inactive}; whoever owns the queue can start it"
    return f"waiting for a node for the benchmark: {seen.no_place}; {_WHERE}" if seen.no_place else ""


def out_of_quota(seen: ObservedExperiment) -> bool:
    """Whether the API server refused the root just now only because a quota is used up."""
    return bool(seen.rejection) and refusals.read(seen.rejection).kind == "Quota"


def engine(seen: ObservedExperiment) -> str:
    """What the engine waits for; empty once its pod has a node, or if the backend says nothing of its pod."""
    pod = seen.engine
    if pod is not None:
        return "" if pod.node else f"waiting for {_place(seen, pod)}"
    state = seen.serving
    if isinstance(state, NotCreated) and state.refusal and state.refusal.kind == "Quota":
        return f"waiting for quota: {state.refusal.words}"
    if isinstance(state, NotCreated) and state.refusal and state.refusal.webhook:
        return f"waiting for a webhook: {state.refusal.words}"
    return ""


def benchmark(seen: ObservedExperiment) -> str:
    """What the benchmark's pod waits for; empty once it has a node, and while it is not its turn."""
    known, pod = seen.status.times, seen.benchmark
    if seen.engine is None or seen.engine.node is None:
        return ""
    if (known and known.benchmark_scheduled) or (pod is not None and pod.node):
        return ""
    if taken := job_obstacle(seen):
        return f"its Job's name: {taken}"
    if seen.job_refusal:
        what = "quota: " if seen.job_refusal.kind == "Quota" else ""
        return f"{what}{seen.job_refusal.words}"
    if pod is not None:
        return _place(seen, pod)
    if not for_the_jobs_pod(seen):
        if seen.job_workload is not None and seen.job_workload.waits:
            return f"Kueue to admit its Job: {kueue.with_advice(seen.job_workload.waits)}"
        return "somebody to resume its Job, which is suspended (Kueue does so until it admits it)"
    return "its Job to make a pod"


def for_the_jobs_pod(seen: ObservedExperiment) -> bool:
    """Whether the benchmark's Job is about to make its pod, or the Job itself has yet to be made."""
    if seen.engine is None or seen.engine.node is None:
        return False
    known = seen.status.times
    suspended = seen.job is not None and seen.job["spec"].get("suspend")
    return not (seen.benchmark_pods or suspended or (known and known.benchmark_scheduled))


def _place(seen: ObservedExperiment, pod: PodView) -> str:
    workload = seen.workloads.get(pod.uid)
    if pod.queued and workload is not None and workload.waits:
        return f"Kueue to admit it: {kueue.with_advice(workload.waits)}"
    if pod.gates:
        return f"admission (scheduling gates {', '.join(pod.gates)})"
    return f"a node: {pod.unschedulable or 'not looked at by the scheduler yet'}"


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
