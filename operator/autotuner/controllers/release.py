"""What the release of an experiment reads and deletes; see `policy.experiment.release`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

from autotuner import ownership
from autotuner.api.common import EXPERIMENT_UID_LABEL
from autotuner.benchmark.job import CONTAINER, measures
from autotuner.controllers.recent_reads import RecentReads
from autotuner.kube import JOB, NODE, POD, Kube, KubeError
from autotuner.kubernetes_object import Object
from autotuner.policy.experiment import release
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.serving import pods

# As small as a Job can be that every webhook for Jobs looks at.
_TRIAL: Object = {
    "apiVersion": JOB.api_version,
    "kind": JOB.kind,
    "metadata": {"generateName": "autotuner-trial-"},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "trial", "image": "trial"}]}}},
}


async def observe(kube: Kube, recent: RecentReads, seen: ObservedExperiment, now: datetime) -> ObservedExperiment:
    """Read what is left of an experiment that has ended.

    Root and Job come before the pods: once both are going, no new pod follows those that are listed.
    """
    backend, namespace, uid = seen.backend, seen.object["metadata"]["namespace"], seen.object["metadata"]["uid"]
    root, job = await asyncio.gather(
        kube.get(backend.capabilities.root, namespace, seen.root_name), kube.get(JOB, namespace, seen.name)
    )
    found = await kube.list(POD, namespace, labels=f"{EXPERIMENT_UID_LABEL}={uid}")
    seen = replace(
        seen,
        root=root,
        owns_root=root is not None and ownership.controlled_by(root, uid),
        job=job,
        owns_job=job is not None and ownership.controlled_by(job, uid),
        engine_pods=tuple(backend.view(seen.spec.service, pod) for pod in found if not measures(pod)),
        benchmark_pods=tuple(pods.view(pod, CONTAINER) for pod in found if measures(pod)),
    )
    model = seen.spec.service.model
    if root is not None and model is not None:  # else the model holds up nothing
        resource = backend.capabilities.references[model.kind]
        seen = replace(seen, model=await recent.get(resource, namespace, model.name, recent=True))
    seen = replace(seen, lost_nodes=await _lost_nodes(recent, seen))
    if now >= release.due(seen, now) and (seen.pods or seen.owns_root or seen.owns_job):
        seen = replace(seen, failing_webhook=await _failing_webhook(kube, namespace))
    return seen


async def _failing_webhook(kube: Kube, namespace: str) -> str:
    """The API server's words if a webhook keeps it from writing Jobs, and so from taking their finalizers off."""
    try:
        await kube.dry_run(JOB, namespace, _TRIAL)
    except KubeError as problem:
        return problem.message if problem.server_failed else ""
    return ""


async def _lost_nodes(recent: RecentReads, seen: ObservedExperiment) -> frozenset[str]:
    """Nodes that are gone or NotReady among those of the pods that are still listed."""
    names = {pod.node for pod in seen.pods if pod.node and pod.deleting}
    lost = set()
    for name in names:
        node = await recent.get(NODE, "", name, recent=True)
        if node is None or not pods.node_ready(node):
            lost.add(name)
    return frozenset(lost)


async def delete(kube: Kube, seen: ObservedExperiment) -> None:
    """Delete root and Job in the foreground, as far as they are the experiment's own and not going yet."""
    namespace = seen.object["metadata"]["namespace"]
    children = ((seen.backend.capabilities.root, seen.root, seen.owns_root), (JOB, seen.job, seen.owns_job))
    await asyncio.gather(
        *(
            kube.delete(resource, namespace, child["metadata"]["name"], child["metadata"]["uid"])
            for resource, child, ours in children
            if child is not None and ours and "deletionTimestamp" not in child["metadata"]
        )
    )
