"""The probe of a task's image: it runs after the start and before anything that costs, and its flags decide."""

from __future__ import annotations

from datetime import datetime, timedelta

from autotuner import clock, engines, ownership
from autotuner.api.benchmark import BenchmarkPod
from autotuner.api.common import TASK_LABEL
from autotuner.api.task_status import Probe
from autotuner.benchmark.job import USER
from autotuner.engines import probed_flags
from autotuner.engines.probed_flags import ProbedFlags
from autotuner.kubernetes_object import Object
from autotuner.policy import preflight, probe_job
from autotuner.policy.conditions import shorten
from autotuner.policy.events import Event
from autotuner.policy.evidence import probe
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.evidence.probe import ObservedProbe
from autotuner.policy.task import valid_condition
from autotuner.policy.task.plan import PlanBuilder, TaskPlan
from autotuner.serving import kueue
from autotuner.serving.pods import PodView
from autotuner.validation_messages import Finding, Kind

_POLL = timedelta(seconds=2)  # its Job is not watched
# Beyond the Job's own deadline, which a suspended Job does not have.
_SLACK = timedelta(seconds=60)


def step(builder: PlanBuilder) -> TaskPlan | None:
    """The plan that asks the image for its flags, or that ends the task by them; None once the task may go on."""
    seen, known = builder.seen, builder.seen.status.probe
    if not seen.spec.runtime.probe:
        return None
    if seen.probed is None and not (known and known.failure):
        return _ask(builder)
    if seen.probed is not None and not (known and known.config_map):  # the status with it was lost
        builder.changes["probe"] = _naming(seen, known or _wanted(builder), seen.probed)
    return None if seen.experiments else _judge(builder)


def _wanted(builder: PlanBuilder, digest: str | None = None) -> Probe:
    """A probe that begins now."""
    return Probe(image=builder.seen.engine_image, started_at=clock.stamp(builder.now), digest=digest)


def _naming(seen: ObservedTask, known: Probe, told: ProbedFlags) -> Probe:
    """The probe with the place of its answer."""
    update = {
        "config_map": probe.name(seen.object),
        "digest": told.digest,
        "version": told.version or None,
        "flags": told.count,
    }
    return known.model_copy(update=update)


def _ask(builder: PlanBuilder) -> TaskPlan:
    """The plan while the flags are not told."""
    seen = builder.seen
    found = seen.probe or ObservedProbe(seen.object["metadata"]["uid"])
    known = seen.status.probe
    if known is None or known.config_map:  # what was told before and is gone, or was edited, is asked for again
        known = _wanted(builder, known.digest if known else None)
    builder.changes["probe"] = known
    builder.conditions.set("Succeeded", "Unknown", "Running")
    builder.conditions.set("Finished", "False", "Running")
    obstacle = f"{found.in_the_way} belongs to somebody else; delete it" if found.in_the_way else ""
    try:
        told = None if obstacle else _told(seen, found)
    except ValueError as problem:
        return _failed(builder, known, str(problem))
    if told is not None:
        return _record(builder, known, told)
    words = f"Job {probe.name(seen.object)} asks {known.image} for its engine's flags"
    if builder.now >= _overdue(seen, known):
        waited = obstacle or _waits_for(found.pod) or "its Job has no pod"
        return _failed(builder, known, f"not done within {_seconds(seen)} s (timeouts.pullSeconds): {waited}")
    if obstacle:
        return builder.plan(f"{words}: {obstacle}", builder.now + _POLL)
    waiting = _waits_for(found.pod)
    message = f"{words}: {waiting}" if waiting else words
    return builder.plan(message, builder.now + _POLL, create_probe=None if found.job else _job(seen, known.image))


def _told(seen: ObservedTask, found: ObservedProbe) -> ProbedFlags | None:
    """What the image told; None while that may still come.

    Raises:
        ValueError: it never will; says why.
    """
    pod = found.pod
    if seen.rejection and seen.rejection[0] in ("Job", "ConfigMap"):
        raise ValueError(f"the API server refused its {seen.rejection[0]}: {seen.rejection[1]}")
    if pod and pod.cannot_be_pulled:
        raise ValueError(f"{pod.image} cannot be pulled: {pod.waiting_reason}: {pod.waiting_message}")
    if found.job_failure:  # a pod alone may have been evicted, and is replaced then
        raise ValueError(_last_words(found) or found.job_failure)
    if pod and pod.ended and pod.ended.exit_code == 0 and found.log:
        told = probed_flags.in_log(found.log)
        package = engines.get(seen.engine).package
        if told.package != package:
            raise ValueError(f"the flags told are those of {told.package}, not of {package}")
        return told
    return None


def _last_words(found: ObservedProbe) -> str:
    """What the parser died of; empty if it was Kubernetes that ended it."""
    ended = found.pod.ended if found.pod else None
    if ended is None or ended.exit_code == 0 or found.job_failure.startswith("DeadlineExceeded"):
        return ""
    lines = [line.strip() for line in found.log.splitlines() if line.strip()]
    last = f"; its last line: {lines[-1]}" if lines else f" {ended.reason}"
    return f"the parser ended with exit code {ended.exit_code}{last}"


def _waits_for(pod: PodView | None) -> str:
    """What keeps the pod from running; empty if nothing does."""
    if pod is None or pod.running or pod.ended:
        return ""
    return pod.unschedulable or f"{pod.waiting_reason} {pod.waiting_message}".strip()


def _seconds(seen: ObservedTask) -> int:
    return probe_job.deadline_seconds(seen.spec.timeouts.pull_seconds)


def _overdue(seen: ObservedTask, known: Probe) -> datetime:
    return clock.parse(known.started_at) + timedelta(seconds=_seconds(seen)) + _SLACK


def _failed(builder: PlanBuilder, known: Probe, why: str) -> TaskPlan:
    """The plan that remembers why the image could not be asked; the flags that are known judge the task then."""
    builder.changes["probe"] = known.model_copy(update={"failure": shorten(why)})
    builder.events.append(Event("Warning", "ProbeFailed", f"{known.image} could not be asked for its flags: {why}"))
    return builder.plan(f"the probe of {known.image} failed: {why}", builder.now)


def _record(builder: PlanBuilder, known: Probe, told: ProbedFlags) -> TaskPlan:
    """The plan that keeps what was told: the ConfigMap first, then the status that names it."""
    seen = builder.seen
    builder.changes["probe"] = _naming(seen, known, told)
    words = f"{known.image} told {told.count} flags of {told.package} {told.version}".rstrip()
    builder.events.append(Event("Normal", "ImageProbed", words))
    return builder.plan(words, builder.now, write_probe=_config_map(seen, told))


def _judge(builder: PlanBuilder) -> TaskPlan | None:
    """The last plan if the flags refuse the task; None, with the condition Valid renewed, if they do not."""
    seen = builder.seen
    if findings := preflight.refused_flags(seen.spec, seen.presets, seen.surroundings):
        reason, why = findings[0].reason, seen.surroundings.probe_failure
        failed = [Finding("runtime.probe", Kind.PROBE_FAILED, {"why": why})] if why else []
        message = "; ".join(finding.message for finding in (*failed, *findings))
        builder.conditions.set("Valid", "False", reason, message)
        return builder.end(False, reason, message)
    valid_condition.confirm(builder)
    return None


def place(seen: ObservedTask) -> probe_job.Place:
    """Where the probe of a task runs: where its engines will, under what the cluster demands of pods."""
    task, template, placement = seen.object, seen.engine_template, seen.spec.placement
    own = template.pod.get("tolerations") or []
    pod = seen.spec.benchmark.pod or BenchmarkPod()
    pull_secrets = [
        *(template.pod.get("imagePullSecrets") or []),
        *(one.dump() for one in pod.image_pull_secrets or []),
    ]
    return probe_job.Place(
        name=probe.name(task),
        namespace=seen.namespace,
        labels={**(placement.labels or {}), TASK_LABEL: task["metadata"]["name"], **kueue.labels(placement)},
        annotations=placement.annotations,
        owner=ownership.owner_reference(task),
        # Where the engines will run, the image is for their processors and is needed anyway.
        node_selector=placement.node_selector,
        tolerations=[*own, *(one.dump() for one in placement.tolerations or [])],
        pull_secrets=list({one["name"]: one for one in pull_secrets}.values()),
        priority_class=pod.priority_class_name or placement.priority_class_name or "",
        user=None if pod.security_context == "Platform" else USER,
    )


def _job(seen: ObservedTask, image: str) -> Object:
    return probe_job.probe_job(
        place(seen),
        image,
        engines.get(seen.engine).package,
        python=probe_job.python_of(seen.engine_template.command),
        pull_seconds=seen.spec.timeouts.pull_seconds,
    )


def _config_map(seen: ObservedTask, told: ProbedFlags) -> Object:
    task = seen.object
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": probe.name(task),
            "namespace": seen.namespace,
            "labels": {TASK_LABEL: task["metadata"]["name"]},
            "ownerReferences": [ownership.owner_reference(task)],
        },
        "data": {probe.FLAGS: told.text},
    }
