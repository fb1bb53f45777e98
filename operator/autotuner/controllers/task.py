"""The task controller: observe one TuningTask, let the policy decide, act. Never touches what serves an engine."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from autotuner import clock
from autotuner.controllers import events, repeated_failures
from autotuner.controllers.observe import Observer
from autotuner.controllers.own_writes import OwnWrites
from autotuner.controllers.preset_catalogue import Catalogue
from autotuner.controllers.recent_reads import RecentReads
from autotuner.controllers.results import own_config_maps, report_keeper
from autotuner.controllers.turn_keeper import Asking, TurnKeeper
from autotuner.controllers.workqueue import ObjectKey
from autotuner.kube import (
    CONFIG_MAP,
    EXPERIMENT,
    JOB,
    TASK,
    AlreadyExistsError,
    Kube,
    KubeError,
    RejectedError,
)
from autotuner.kubernetes_object import Object
from autotuner.ownership import WITHDRAWN_ANNOTATION
from autotuner.policy import trouble
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task.decide import decide, finished, refuse
from autotuner.policy.task.plan import TaskPlan
from autotuner.serving.backend import Backends
from autotuner.settings import Settings

log = logging.getLogger(__name__)


class TaskController:
    """Proposes experiments and selects the best."""

    def __init__(
        self,
        kube: Kube,
        backends: Backends,
        catalogue: Catalogue,
        settings: Settings,
        recent: RecentReads,
        turns: TurnKeeper,
    ) -> None:
        self._kube, self._catalogue, self._settings, self._turns = kube, catalogue, settings, turns
        self._observer = Observer(kube, backends, settings, recent)
        self.own_writes = OwnWrites()
        self._kinds = {**backends.references, EXPERIMENT.kind: EXPERIMENT, JOB.kind: JOB}

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Reconcile one task; see `workqueue.Reconcile`."""
        with self._turns.asking(TASK.kind, key) as turn:
            return await self._reconcile(key, turn)

    async def _reconcile(self, key: ObjectKey, turn: Asking) -> float | None:
        task = await self._kube.get(TASK, key.namespace, key.name)
        if task is None or "deletionTimestamp" in task["metadata"]:
            return None  # the garbage collector follows the owner references
        now = clock.now()
        try:
            seen = await self._observer.observe(task, await self._catalogue.presets())
        except ValidationError as problem:
            return await self._refuse(task, problem, now)
        turn.since = seen.status.last_progress_time or task["metadata"]["creationTimestamp"]
        seen = replace(seen, turn=turn.closed())
        plan = decide(seen, now)
        corrected = await self._create(seen, plan, turn)
        if corrected is not None:
            seen, plan = corrected, decide(corrected, now)
        if plan.waits_for_turn:
            turn.wait()
        if self._settings.keep_reports:
            plan = await report_keeper.keep(self._kube, seen, plan)
        await self._record(seen, plan)
        for name in plan.withdraw:
            await self._withdraw(key.namespace, name)
        if trouble.words(plan.status.conditions):
            await repeated_failures.forget(self._kube, TASK, task)
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

    async def _create(self, seen: ObservedTask, plan: TaskPlan, turn: Asking) -> ObservedTask | None:
        """Create what the plan wants; returns what was learned if that did not go as planned."""
        made: tuple[Object, ...] = ()
        for body in (plan.create_probe, plan.create_model, plan.create_runtime, *plan.create_experiments):
            if body is None:
                continue
            learned = await self._create_one(seen, body, turn)
            if isinstance(learned, ObservedTask):
                return replace(learned, experiments=(*seen.experiments, *made))
            made += (learned,) if body["kind"] == EXPERIMENT.kind else ()
        if plan.write_probe is not None:
            try:
                await self._kube.apply(CONFIG_MAP, plan.write_probe)
            except RejectedError as problem:
                return replace(seen, rejection=(CONFIG_MAP.kind, problem.message))
        if plan.write_preview is not None:
            await self._kube.apply(CONFIG_MAP, plan.write_preview)
        if plan.write_recommendation is not None and (
            obstacle := await own_config_maps.write(self._kube, plan.write_recommendation, "recommendation")
        ):
            return replace(seen, recommendation_obstacle=obstacle)
        return None

    async def _create_one(self, seen: ObservedTask, body: Object, turn: Asking) -> Object | ObservedTask:
        """Create an object; returns it, or what was learned if it was not created."""
        resource, name = self._kinds[body["kind"]], body["metadata"]["name"]
        is_experiment = resource is EXPERIMENT
        if is_experiment and (words := turn.claim(body)):
            return replace(seen, turn=words)
        try:
            return await self._kube.create(resource, body["metadata"].get("namespace"), body)
        except AlreadyExistsError:
            if not is_experiment:
                return body
            turn.give_back(body)
            return replace(seen, obstacle=await self._holder(seen.namespace, name))
        except RejectedError as problem:
            if is_experiment:
                turn.give_back(body)
            return replace(seen, rejection=(resource.kind, problem.message))
        except KubeError as problem:
            # It may have been created all the same: the turn is kept until a list says that it is not there.
            if not problem.server_failed:
                raise
            return replace(seen, unanswered=(resource.kind, problem.message))

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
            self.own_writes.note(task)
        meta = task["metadata"]
        for event in plan.events:
            level = logging.WARNING if event.kind == "Warning" else logging.INFO
            context = {"task": meta["name"], "namespace": meta["namespace"], "phase": plan.status.phase}
            log.log(level, "%s: %s", event.reason, event.message, extra=context)
        await events.send(self._kube, task, plan.events)

    async def _withdraw(self, namespace: str, name: str) -> None:
        """Cancel an experiment of ours, marked so that its configuration is proposed again later."""
        body = {"metadata": {"annotations": {WITHDRAWN_ANNOTATION: "true"}}, "spec": {"cancel": True}}
        try:
            await self._kube.merge(EXPERIMENT, namespace, name, body)
        except RejectedError as problem:
            if problem.status != 404:
                raise
