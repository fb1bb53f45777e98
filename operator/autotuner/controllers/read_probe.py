"""Reads what there is of the probe of a task's image."""

from __future__ import annotations

import asyncio

from autotuner.kube import CONFIG_MAP, JOB, POD, Kube
from autotuner.kubernetes_object import Object
from autotuner.ownership import controlled_by
from autotuner.policy import probe_job
from autotuner.policy.evidence import probe
from autotuner.policy.evidence.probe import ObservedProbe
from autotuner.serving import pods


async def read_probe(kube: Kube, task: Object, digest: str | None) -> ObservedProbe:
    """Read the ConfigMap with the flags; where it has them not, the Job, its pod, and the log of one that ended.

    Args:
        kube: the connection.
        task: the TuningTask.
        digest: of the flags that it must have; None for any.
    """
    meta, name = task["metadata"], probe.name(task)
    namespace, uid = meta["namespace"], meta["uid"]
    record = await kube.get(CONFIG_MAP, namespace, name)
    seen = ObservedProbe(uid, record)
    if seen.flags is not None and digest in (None, seen.flags.digest):
        return seen
    job, found = await asyncio.gather(
        kube.get(JOB, namespace, name), kube.list(POD, namespace, labels=f"batch.kubernetes.io/job-name={name}")
    )
    if job is None or not controlled_by(job, uid):
        return ObservedProbe(uid, record, job)
    own = [pod for pod in found if controlled_by(pod, job["metadata"]["uid"])]
    if not own:
        return ObservedProbe(uid, record, job)
    pod = pods.view(max(own, key=lambda one: one["metadata"]["creationTimestamp"]), probe_job.CONTAINER)
    log = await kube.logs(namespace, pod.name, probe_job.CONTAINER, previous=False) if pod.ended else ""
    return ObservedProbe(uid, record, job, pod, log)
