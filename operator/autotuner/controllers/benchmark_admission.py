"""Finds out before an engine takes accelerators whether the API server and some node would take the benchmark.

LimitRanges, quotas and policies act on pods, and a Job's pods are made only once an engine has its node. So the Job and
a pod of its template are tried by a server-side dry run, and what admission makes of the pod is compared with the
nodes. Whoever may create Jobs may run any pod; the right to create pods, which the dry run needs, adds nothing to that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from autotuner import hashing, ownership
from autotuner.controllers import monotonic_clock
from autotuner.kube import JOB, LIMIT_RANGE, NODE, POD, AlreadyExistsError, Kube, KubeError, RejectedError
from autotuner.kubernetes_object import Object
from autotuner.serving import nodes, refusals
from autotuner.serving.refusals import Refusal

# What was found out holds for the experiments of a task, as long as nothing contradicts it.
KNOWN_SECONDS = 900.0


class Trial(NamedTuple):
    """What came of a trial: a refusal of the API server, or why no node could take the pod; neither if all is well."""

    refusal: Refusal | None = None
    no_place: str = ""


@dataclass
class _Namespace:
    """What is known of a namespace since it was asked for."""

    since: float
    limit_ranges: list[Object]
    good: set[str] = field(default_factory=set)  # Jobs that were accepted, by their template


class BenchmarkAdmission:
    """Asks the API server, and remembers good answers for a while; nothing of it is missed after a restart."""

    def __init__(self, kube: Kube, now: Callable[[], float] = monotonic_clock.seconds) -> None:
        self._kube, self._now = kube, now
        self._known: dict[str, _Namespace] = {}

    def forget(self, namespace: str) -> None:
        """Ask anew: the API server refused what had been accepted."""
        self._known.pop(namespace, None)

    async def limit_ranges(self, namespace: str) -> list[Object]:
        """The LimitRanges of a namespace; none where they may not be read."""
        return (await self._namespace(namespace)).limit_ranges

    async def try_out(self, experiment: Object, job: Object, tolerated: Sequence[Object] = ()) -> Trial:
        """Whether the Job of an experiment would be accepted, and its pod find a node.

        Where the API server cannot tell, because a webhook is down or knows no dry run, nothing stands against it.

        Args:
            experiment: the TuningExperiment.
            job: its Job.
            tolerated: tolerations that the pod gets later, from a queue that admits it.
        """
        namespace = experiment["metadata"]["namespace"]
        known, template = await self._namespace(namespace), _template(experiment, job)
        if template in known.good:
            return Trial()
        trial = await self._try(experiment, job, tolerated)
        if trial == Trial():
            known.good.add(template)
        else:
            self.forget(namespace)
        return trial

    async def _namespace(self, namespace: str) -> _Namespace:
        known = self._known.get(namespace)
        if known is None or self._now() - known.since >= KNOWN_SECONDS:
            known = self._known[namespace] = _Namespace(self._now(), await self._read_limit_ranges(namespace))
        return known

    async def _read_limit_ranges(self, namespace: str) -> list[Object]:
        try:
            return await self._kube.list(LIMIT_RANGE, namespace)
        except RejectedError:
            return []  # a role of an older release; the dry run tells what does not fit

    async def _try(self, experiment: Object, job: Object, tolerated: Sequence[Object]) -> Trial:
        namespace, pod = experiment["metadata"]["namespace"], _pod(experiment, job)
        for resource, body in ((JOB, job), (POD, pod)):
            try:
                answer = await self._kube.dry_run(resource, namespace, body)
            except AlreadyExistsError:
                continue
            except RejectedError as problem:
                refusal = refusals.read(problem.message)
                if refusal.kind != "Passing":
                    return Trial(refusal)
                continue
            except KubeError:
                continue
            pod = answer if resource is POD else pod
        spec = {**pod["spec"], "tolerations": [*(pod["spec"].get("tolerations") or ()), *tolerated]}
        return Trial(no_place=nodes.no_place(await self._kube.list(NODE, None), spec))


def _pod(experiment: Object, job: Object) -> Object:
    """A pod as the Job would make it, as far as that can be said before there is a Job."""
    template = job["spec"]["template"]
    metadata: Object = {
        **template["metadata"],
        "generateName": f"{job['metadata']['name']}-",
        "namespace": job["metadata"]["namespace"],
        "ownerReferences": [ownership.owner_reference(experiment)],
    }
    return {"apiVersion": POD.api_version, "kind": POD.kind, "metadata": metadata, "spec": template["spec"]}


def _template(experiment: Object, job: Object) -> str:
    """A name for a Job's template, the same for all experiments whose pods differ only in what they are told."""

    def without_values(item: Any) -> Any:
        if isinstance(item, dict):
            told = "name" in item and "value" in item
            return {key: without_values(value) for key, value in item.items() if not (told and key == "value")}
        return [without_values(one) for one in item] if isinstance(item, list) else item

    meta = experiment["metadata"]
    text = json.dumps(without_values(job["spec"]["template"]))
    return hashing.digest(text.replace(meta["uid"], "").replace(f'"{meta["name"]}"', ""), 32)
