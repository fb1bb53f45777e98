"""What a reconcile of a task reads: its experiments, model, runtime, and the nodes they may use."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from autotuner.api.common import FINISHED_LABEL, TASK_LABEL
from autotuner.api.task import TaskSpec
from autotuner.api.task_defaults import TaskDefaults
from autotuner.api.task_status import TaskStatus
from autotuner.controllers import monotonic_clock, read_target
from autotuner.controllers.filled_in import FilledIn
from autotuner.controllers.read_kueue import read_queue
from autotuner.controllers.read_probe import read_probe
from autotuner.controllers.read_volume_claims import read_storage
from autotuner.controllers.recent_reads import RecentReads
from autotuner.kube import (
    CONFIG_MAP,
    EXPERIMENT,
    NODE,
    Kube,
)
from autotuner.kubernetes_object import Object
from autotuner.ownership import controlled_by
from autotuner.policy import spec_completion
from autotuner.policy.evidence import experiment_spec
from autotuner.policy.evidence.measurements import Readings
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.model_and_runtime import Reference, chosen_backend
from autotuner.policy.target_spec import with_target
from autotuner.policy.task import preview
from autotuner.policy.task.decide import finished
from autotuner.policy.volume_claims import wanted_claim
from autotuner.presets import Presets
from autotuner.serving.backend import Backends
from autotuner.settings import Settings
from autotuner.validation_messages import Finding, Kind

_REMEMBERED_TASKS = 16  # of a hundred experiments each they take some megabytes
_NODES_SECONDS = 60.0  # nodes are large and many, and what they could hold seldom changes


class Observer:
    """Reads the cluster around one task after the other."""

    def __init__(
        self,
        kube: Kube,
        backends: Backends,
        settings: Settings,
        recent: RecentReads,
        now: Callable[[], float] = monotonic_clock.seconds,
    ) -> None:
        self._kube, self._backends, self._settings, self._now = kube, backends, settings, now
        self._recent, self._filled_in = recent, FilledIn(kube)
        self._readings: OrderedDict[str, Readings] = OrderedDict()
        self._nodes: list[Object] = []
        self._nodes_read = -_NODES_SECONDS

    async def observe(self, task: Object, known: Presets) -> ObservedTask:
        """Read everything around a task.

        Raises:
            ValidationError: its spec cannot be read.
        """
        seen = self._read(task, known)
        status = seen.status
        if finished(status):
            return seen
        found = await read_target.read(
            self._kube, self._recent, self._backends, seen.spec, status, seen.namespace, known
        )
        spec = found.spec
        seen = replace(seen, spec=spec, target_fault=found.fault, target_changed=found.changed)
        namespace, meta = seen.namespace, task["metadata"]
        children, nodes = await asyncio.gather(
            self._kube.list(EXPERIMENT, namespace, labels=f"{TASK_LABEL}={meta['name']}"), self._all_nodes()
        )
        owned = tuple(child for child in children if controlled_by(child, meta["uid"]))
        # What an experiment is measured with matters before and after it.
        following = any(not is_over(child) for child in owned)
        seen = replace(seen, experiments=owned, nodes=tuple(nodes))
        seen = await self._with_model(seen, recent=following)
        model = seen.model
        seen = await self._with_runtime(seen, recent=following)
        if spec.search.reuse is not None and seen.settled is not None:
            finished_ones = await self._kube.list(EXPERIMENT, namespace, labels=f"{FINISHED_LABEL}=true")
            seen = replace(seen, foreign=tuple(finished_ones))
        own = seen.backend.weights((model or {}).get("spec") or {}).claim
        claim = wanted_claim(spec.model.volume, own, namespace)
        storage = await read_storage(self._kube, namespace, claim, labels=status.start_time is None)
        seen = replace(seen, storage=storage)
        if status.start_time is None:
            seen = replace(seen, queue=await read_queue(self._kube, namespace, spec.placement))
        told = status.probe
        if spec.runtime.probe and status.start_time is not None and not (told and told.failure):
            seen = replace(seen, probe=await read_probe(self._kube, task, told.digest if told else None))
        if preview.is_wanted(seen):
            seen = replace(seen, preview=await self._kube.get(CONFIG_MAP, namespace, preview.name(task)))
        return seen

    def _read(self, task: Object, known: Presets) -> ObservedTask:
        """The task itself, with the operator's settings.

        Raises:
            ValidationError: its spec cannot be read.
        """
        own, status = TaskSpec.model_validate(task["spec"]), TaskStatus.model_validate(task.get("status") or {})
        spec, defaults, problem = spec_completion.completed(own, self._defaults(status))
        if spec.target is not None:
            spec = with_target(spec, None)  # until it is read
        return ObservedTask(
            task,
            spec,
            status,
            known,
            self._backends[chosen_backend(spec, status, self._backends)],
            absent=dict(self._backends.absent),
            may_create=self._settings.cluster_objects,
            most_accelerators=self._settings.max_gpus,
            benchmark_image=self._settings.benchmark_image,
            defaults=defaults,
            defaults_problem=problem,
            readings=self._readings_of(task["metadata"]["uid"]),
        )

    def _defaults(self, status: TaskStatus) -> TaskDefaults:
        """The operator's for a task that has not started; those that it took for one that has."""
        if status.start_time is None:
            return self._settings.task_defaults
        return TaskDefaults.model_validate(status.defaults or {})

    def _readings_of(self, uid: str) -> Readings:
        """What was read of a task's experiments; of the tasks that were looked at last."""
        readings = self._readings.setdefault(uid, Readings())
        self._readings.move_to_end(uid)
        if len(self._readings) > _REMEMBERED_TASKS:
            self._readings.popitem(last=False)
        return readings

    async def _get(self, seen: ObservedTask, reference: Reference | None, *, recent: bool) -> Object | None:
        if reference is None:
            return None
        namespace = seen.namespace
        resource = seen.backend.capabilities.references[reference.kind]
        found = await self._recent.get(resource, namespace, reference.name, recent=recent)
        if found is None and recent:  # what was missing a moment ago may have been made since, by this very task
            found = await self._recent.get(resource, namespace, reference.name, recent=False)
        return found

    async def _with_model(self, seen: ObservedTask, *, recent: bool) -> ObservedTask:
        """Add the live model, and the one that the task wants; what no object stands for is as it is wanted."""
        wanted = seen.backend.wanted_model(seen.spec.model, seen.presets, seen.namespace)
        if not seen.backend.capabilities.models:
            return replace(seen, model=wanted)
        model = await self._get(seen, seen.model_reference, recent=recent)
        if seen.spec.target is not None:  # what it names is there already, and never made
            return replace(seen, model=model)
        marked = experiment_spec.mark_created_for(wanted, seen.object) if wanted is not None else None
        if marked is not None:
            marked = await self._as_created(seen, model, seen.model_reference, marked)
        return replace(seen, model=model, wanted_model=marked)

    async def _as_created(
        self, seen: ObservedTask, live: Object | None, reference: Reference | None, wanted: Object
    ) -> Object:
        """The wanted object as it would be if this operator created it, to be compared with the live one."""
        if reference is None or not seen.may_make(reference):
            return wanted
        resource = seen.backend.capabilities.references[reference.kind]
        return await self._filled_in.beside(live, resource, seen.namespace, wanted)

    async def _with_runtime(self, seen: ObservedTask, *, recent: bool) -> ObservedTask:
        """Add the live runtime, and the one that is wanted for the live model."""
        namespace = seen.namespace
        if seen.model is not None and seen.model_state.phase == "Ready":
            wanted = seen.backend.wanted_runtime(seen.spec, seen.presets, seen.model, namespace)
            if wanted is not None:
                own = (
                    experiment_spec.own_snapshot
                    if seen.backend.capabilities.snapshots
                    else experiment_spec.mark_created_for
                )
                seen = replace(seen, wanted_runtime=own(wanted, seen.object))
        reference = seen.runtime_reference
        runtime = await self._get(seen, reference, recent=recent)
        # Others are named after their content.
        if seen.wanted_runtime is not None and seen.spec.runtime.custom and not seen.backend.capabilities.snapshots:
            wanted = await self._as_created(seen, runtime, reference, seen.wanted_runtime)
            seen = replace(seen, wanted_runtime=wanted)
        return replace(seen, runtime=runtime, shadow=await self._shadow(seen, reference))

    async def _shadow(self, seen: ObservedTask, runtime: Reference | None) -> Finding | None:
        """What hides a chosen object: namespaced ones come first, whatever kind was meant; None for nothing."""
        known = seen.backend.capabilities
        for reference, kinds in ((seen.model_reference, known.models), (runtime, known.runtimes)):
            if reference is None or not reference.clusterwide:
                continue
            namespaced = kinds.get("Namespaced")
            started = seen.status.start_time is not None
            if namespaced and await self._recent.get(namespaced, seen.namespace, reference.name, recent=started):
                details = {
                    "hiding": f"{namespaced.kind} {reference.name}",
                    "namespace": seen.namespace,
                    "hidden": reference.kind,
                    "product": known.name,
                }
                return Finding(reference.field, Kind.OBJECT_SHADOWED, details)
        return None

    async def _all_nodes(self) -> list[Object]:
        if self._now() - self._nodes_read >= _NODES_SECONDS:
            self._nodes, self._nodes_read = await self._kube.list(NODE, None), self._now()
        return self._nodes


def is_over(item: Mapping[str, Any]) -> bool:
    """Whether a task or experiment as the API server has it is finished."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Finished" and one["status"] == "True" for one in conditions)
