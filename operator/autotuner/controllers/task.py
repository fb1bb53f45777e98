"""The task controller: observe one TuningTask, let the policy decide, act. Never touches an InferenceService."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from autotuner import clock
from autotuner.api.common import TASK_LABEL
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import TaskStatus
from autotuner.controllers import events
from autotuner.controllers.workqueue import Key
from autotuner.kube import (
    BASE_MODEL,
    CLUSTER_BASE_MODEL,
    CLUSTER_SERVING_RUNTIME,
    EXPERIMENT,
    MODELS,
    RUNTIMES,
    SERVING_RUNTIME,
    TASK,
    AlreadyExistsError,
    Kube,
    RejectedError,
)
from autotuner.policy import blueprint
from autotuner.policy.draft import TaskPlan
from autotuner.policy.observed_task import ObservedTask
from autotuner.policy.records import WITHDRAWN_ANNOTATION
from autotuner.policy.task import decide, finished, refuse
from autotuner.presets import Presets, model_object, runtime_object
from autotuner.serving import models
from autotuner.serving.ome import controlled_by
from autotuner.settings import Settings

log = logging.getLogger(__name__)
Object = dict[str, Any]


class TaskController:
    """Proposes and selects."""

    def __init__(self, kube: Kube, presets: Presets, settings: Settings) -> None:
        self._kube, self._presets, self._settings = kube, presets, settings

    async def reconcile(self, key: Key) -> float | None:
        """One pass; see `workqueue.Reconcile`."""
        task = await self._kube.get(TASK, key.namespace, key.name)
        if task is None or "deletionTimestamp" in task["metadata"]:
            return None  # the garbage collector follows the owner references
        now = clock.now()
        try:
            seen = await self._observe(task)
        except ValidationError as problem:
            return await self._refuse(task, problem, now)
        plan = decide(seen, now)
        corrected = await self._create(seen, plan)
        if corrected is not None:
            seen, plan = corrected, decide(corrected, now)
        await self._record(seen, plan)
        for name in plan.withdraw:
            await self._withdraw(key.namespace, name)
        if finished(plan.status):
            return None
        return self._settings.look_again_in(plan.look_again)

    async def _refuse(self, task: Object, problem: ValidationError, now: datetime) -> float | None:
        if "startTime" in (task.get("status") or {}):
            raise problem  # it was valid when it started: keep what is known and try again
        first = problem.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        plan = refuse(task, f"{where}: {first['msg']}; the installed CRDs are not those of this operator", now)
        before = [c["message"] for c in (task.get("status") or {}).get("conditions", [])]
        if plan.status.message not in before:
            await self._kube.apply_status(TASK, task, plan.status.dump())
        return None

    async def _observe(self, task: Object) -> ObservedTask:
        spec = TaskSpec.model_validate(task["spec"])
        status = TaskStatus.model_validate(task.get("status") or {})
        seen = ObservedTask(
            task,
            spec,
            status,
            self._presets,
            may_create=self._settings.cluster_objects,
            benchmark_image=self._settings.benchmark_image,
        )
        if finished(status):
            return seen
        namespace, uid = task["metadata"]["namespace"], task["metadata"]["uid"]
        children, model = await asyncio.gather(
            self._kube.list(EXPERIMENT, namespace, labels=f"{TASK_LABEL}={task['metadata']['name']}"),
            self._model(spec, namespace),
        )
        own = tuple(child for child in children if controlled_by(child, uid))
        seen = replace(seen, experiments=own, model=model)
        preset = spec.model.preset
        if preset and preset in self._presets.models:
            body = model_object(preset, self._presets.models[preset])
            seen = replace(seen, wanted_model=blueprint.mark_created_for(body, task))
        return await self._with_runtime(seen)

    async def _model(self, spec: TaskSpec, namespace: str) -> Object | None:
        if spec.model.preset:
            return await self._kube.get(CLUSTER_BASE_MODEL, None, spec.model.preset)
        resource = MODELS[spec.model.kind]
        return await self._kube.get(resource, namespace if resource is BASE_MODEL else None, spec.model.name or "")

    async def _with_runtime(self, seen: ObservedTask) -> ObservedTask:
        """The live runtime, and the one that the preset amounts to for the live model."""
        spec, namespace = seen.spec.runtime, seen.object["metadata"]["namespace"]
        preset = self._presets.runtimes.get(spec.preset or "")
        if preset and seen.model is not None and models.state(seen.model) == "Ready":
            body = runtime_object(preset, seen.model)
            seen = replace(seen, wanted_runtime=blueprint.mark_created_for(body, seen.object))
        resource = CLUSTER_SERVING_RUNTIME if spec.preset else RUNTIMES[spec.kind]
        name = spec.name
        if spec.preset:
            # The name is fixed once resolved: an upgrade that changes a preset must not split a task.
            resolved, wanted = seen.status.resolved, seen.wanted_runtime
            name = resolved.runtime if resolved else wanted["metadata"]["name"] if wanted else None
        if name:
            runtime = await self._kube.get(resource, namespace if resource is SERVING_RUNTIME else None, name)
            seen = replace(seen, runtime=runtime)
        return replace(seen, shadow=await self._shadow(seen, namespace, name))

    async def _shadow(self, seen: ObservedTask, namespace: str, runtime: str | None) -> str:
        """Namespaced objects come first for OME, whatever kind was asked for."""
        model = seen.spec.model
        if model.preset or model.kind == "ClusterBaseModel":
            name = model.preset or model.name or ""
            if await self._kube.get(BASE_MODEL, namespace, name):
                field = "model.preset" if model.preset else "model.name"
                return (
                    f"{field}: BaseModel {name} in namespace {namespace} hides the ClusterBaseModel from OME; remove it"
                )
        clusterwide = seen.spec.runtime.preset or seen.spec.runtime.kind == "ClusterServingRuntime"
        if runtime and clusterwide and await self._kube.get(SERVING_RUNTIME, namespace, runtime):
            field = "runtime.preset" if seen.spec.runtime.preset else "runtime.name"
            return (
                f"{field}: ServingRuntime {runtime} in namespace {namespace} hides the ClusterServingRuntime"
                " from OME; remove it"
            )
        return ""

    async def _create(self, seen: ObservedTask, plan: TaskPlan) -> ObservedTask | None:
        """Create what the plan wants; returns what was learned if that did not go as planned."""
        wanted = (
            (CLUSTER_BASE_MODEL, None, plan.create_model),
            (CLUSTER_SERVING_RUNTIME, None, plan.create_runtime),
            (EXPERIMENT, seen.object["metadata"]["namespace"], plan.create_experiment),
        )
        for resource, namespace, body in wanted:
            if body is None:
                continue
            try:
                await self._kube.create(resource, namespace, body)
            except AlreadyExistsError:
                if resource is EXPERIMENT:
                    return replace(seen, obstacle=await self._holder(namespace or "", body["metadata"]["name"]))
            except RejectedError as problem:
                return replace(seen, rejection=(resource.kind, problem.message))
        return None

    async def _holder(self, namespace: str, name: str) -> str:
        found = await self._kube.get(EXPERIMENT, namespace, name)
        if found is None:
            return f"TuningExperiment {name} of another task has just gone"
        owners = [owner for owner in found["metadata"].get("ownerReferences", []) if owner.get("controller")]
        whose = f"{owners[0]['kind']} {owners[0]['name']} (uid {owners[0]['uid']})" if owners else "nobody"
        leaving = "deletionTimestamp" in found["metadata"]
        return f"a TuningExperiment of this name belongs to {whose}" + ("; it is being deleted" if leaving else "")

    async def _record(self, seen: ObservedTask, plan: TaskPlan) -> None:
        task, status = seen.object, plan.status.dump()
        if status != (task.get("status") or {}):
            task = await self._kube.apply_status(TASK, task, status)
        meta = task["metadata"]
        for happening in plan.happenings:
            level = logging.WARNING if happening.kind == "Warning" else logging.INFO
            context = {"task": meta["name"], "namespace": meta["namespace"], "phase": plan.status.phase}
            log.log(level, "%s: %s", happening.reason, happening.message, extra=context)
        await events.send(self._kube, task, plan.happenings)

    async def _withdraw(self, namespace: str, name: str) -> None:
        """Cancel an experiment of ours, marked so that its configuration is proposed again later."""
        body = {"metadata": {"annotations": {WITHDRAWN_ANNOTATION: "true"}}, "spec": {"cancel": True}}
        try:
            await self._kube.merge(EXPERIMENT, namespace, name, body)
        except RejectedError as problem:
            if problem.status != 404:
                raise
