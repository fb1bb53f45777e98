"""The experiment controller: observe one TuningExperiment, let the policy decide, act."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from autotuner import clock, metrics, ownership
from autotuner.api.common import EXPERIMENT_UID_LABEL, FINISHED_LABEL, TASK_LABEL
from autotuner.api.experiment import ExperimentSpec, ExperimentStatus, ModelRef, RuntimeRef
from autotuner.benchmark.contract.result import is_result
from autotuner.benchmark.job import CONTAINER, JobSurroundings, benchmark_job, measures
from autotuner.controllers import events, read_kueue, release, repeated_failures
from autotuner.controllers.benchmark_admission import BenchmarkAdmission
from autotuner.controllers.own_writes import OwnWrites
from autotuner.controllers.read_volume_claims import read_storage
from autotuner.controllers.recent_reads import RecentReads
from autotuner.controllers.turn_keeper import Asking, TurnKeeper, of_task
from autotuner.controllers.workqueue import ObjectKey
from autotuner.kube import (
    EVENT,
    EXPERIMENT,
    JOB,
    NODE,
    POD,
    AlreadyExistsError,
    Kube,
    KubeError,
    RejectedError,
)
from autotuner.kubernetes_object import Object, content
from autotuner.policy import trouble
from autotuner.policy.experiment import deadlines, reasons, silent_nodes
from autotuner.policy.experiment.decide import Plan, decide, finished
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.policy.volume_claims import wanted_claim
from autotuner.serving import pods, refusals
from autotuner.serving.backend import Backend, Backends, Endpoint, read_events
from autotuner.serving.pods import PodView
from autotuner.serving.refusals import Refusal
from autotuner.settings import Settings

log = logging.getLogger(__name__)

# The port is known once there is a pod; before, the Job is only tried out.
_NO_ENGINE_YET = Endpoint("http", "engine", 80)


class ExperimentController:
    """Deploys, waits, benchmarks and releases; knows nothing of search."""

    def __init__(
        self, kube: Kube, backends: Backends, settings: Settings, recent: RecentReads, turns: TurnKeeper
    ) -> None:
        self._kube, self._backends, self._settings, self._turns = kube, backends, settings, turns
        self._admission, self._recent = BenchmarkAdmission(kube), recent
        self.own_writes = OwnWrites()

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Reconcile one experiment; see `workqueue.Reconcile`."""
        with self._turns.asking(EXPERIMENT.kind, key) as turn:
            return await self._reconcile(key, turn)

    async def _reconcile(self, key: ObjectKey, turn: Asking) -> float | None:
        experiment = await self._kube.get(EXPERIMENT, key.namespace, key.name)
        if experiment is None or "deletionTimestamp" in experiment["metadata"]:
            return None  # the garbage collector follows the owner references
        now = clock.now()
        seen = await self._observe(experiment, now)
        plan = decide(seen, now)
        turn.since = experiment["metadata"]["creationTimestamp"]
        corrected = await self._create(seen, plan, turn)
        if corrected is not None:
            plan = decide(corrected, now)
        if await self._only_goes_with_its_namespace(seen, plan):
            plan = decide(replace(seen, namespace_goes=True), now)
        await self._record(seen, plan)
        if plan.release:
            await release.delete(self._kube, seen)
        if trouble.words(plan.status.conditions):
            await repeated_failures.forget(self._kube, EXPERIMENT, experiment)
        if finished(plan.status):
            return None
        return self._settings.look_again_in(plan.look_again)

    async def _only_goes_with_its_namespace(self, seen: ObservedExperiment, plan: Plan) -> bool:
        """Whether the experiment would end for a cause that is none: all of its namespace is being deleted."""
        reason = plan.status.reason
        if not reason or seen.status.reason or not reasons.doubtful_in_a_namespace_that_goes(reason):
            return False
        return await events.namespace_goes(self._kube, seen.object)

    async def _observe(self, experiment: Object, now: datetime) -> ObservedExperiment:
        spec = ExperimentSpec.model_validate(experiment["spec"])
        status = ExperimentStatus.model_validate(experiment.get("status") or {})
        seen = ObservedExperiment(
            experiment,
            spec,
            status,
            self._backends[spec.service.backend],
            model=None,
            runtime=None,
            serving_seconds=self._settings.serving_seconds,
        )
        if finished(status):
            return seen
        if status.reason:
            return await release.observe(self._kube, self._recent, seen, now)
        namespace, name = experiment["metadata"]["namespace"], experiment["metadata"]["name"]
        uid = experiment["metadata"]["uid"]
        begun = status.times is not None and status.times.created is not None
        root, job, (engine_pods, benchmark_pods), model, runtime = await asyncio.gather(
            self._kube.get(seen.backend.capabilities.root, namespace, seen.root_name),
            self._kube.get(JOB, namespace, name),
            self._pods(seen),
            self._referenced(seen.backend, spec.service.model, namespace, recent=begun),
            self._referenced(seen.backend, spec.service.runtime, namespace, recent=begun),
        )
        if spec.service.model is None and runtime is not None:
            model = {"metadata": {}, "spec": (content(runtime) or {}).get("model") or {}}
        seen = replace(
            seen,
            model=model,
            runtime=runtime,
            root=root,
            owns_root=root is not None and ownership.controlled_by(root, uid),
            job=job,
            owns_job=job is not None and ownership.controlled_by(job, uid),
            engine_pods=engine_pods,
            benchmark_pods=benchmark_pods,
        )
        if root is None:
            own = seen.backend.weights((model or {}).get("spec") or {}).claim
            claim = wanted_claim(spec.service.volume, own, namespace)
            seen = replace(seen, storage=await read_storage(self._kube, namespace, claim, labels=False))
            seen = replace(seen, queue=await read_kueue.read_queue(self._kube, namespace, spec.service))
        return await self._look_closer(seen, now)

    async def _pods(self, seen: ObservedExperiment) -> tuple[tuple[PodView, ...], tuple[PodView, ...]]:
        """The pods of the engine and of the benchmark."""
        meta, service = seen.object["metadata"], seen.spec.service
        found = await self._kube.list(POD, meta["namespace"], labels=f"{EXPERIMENT_UID_LABEL}={meta['uid']}")
        return (
            tuple(seen.backend.view(service, pod) for pod in found if not measures(pod)),
            tuple(pods.view(pod, CONTAINER) for pod in found if measures(pod)),
        )

    async def _referenced(
        self, backend: Backend, reference: ModelRef | RuntimeRef | None, namespace: str, *, recent: bool
    ) -> Object | None:
        if reference is None:
            return None
        resource = backend.capabilities.references[reference.kind]
        return await self._recent.get(resource, namespace, reference.name, recent=recent)

    async def _look_closer(self, seen: ObservedExperiment, now: datetime) -> ObservedExperiment:
        """Read what matters only in some states: why there is no pod, the engine's node, logs of what ended."""
        if seen.root is None:
            seen = await self._with_benchmark_tried(seen)
        elif seen.owns_root and seen.engine is None:
            seen = await self._with_silence_explained(seen, seen.root, now)
        if deadlines.job_silent(seen, now):
            seen = await self._with_job_explained(seen)
        seen = await read_kueue.with_admission(self._kube, seen)
        namespace = seen.object["metadata"]["namespace"]
        pod = seen.engine
        measured = seen.benchmark.ended if seen.benchmark else None
        failed = measured is not None and measured.exit_code != 0
        cut = measured is not None and not is_result(measured.message)
        if pod and pod.node and (failed or pod.node != seen.status.node):
            seen = replace(seen, node=await self._kube.get(NODE, None, pod.node))
        if suspects := silent_nodes.suspects(seen, now):
            seen = replace(seen, silent_nodes=await self._silent(suspects))
        if pod and (pod.ended or measured or deadlines.startup_overdue(seen, now)):
            told_by = seen.engine_teller or pod
            previous = told_by.running and told_by.ended is not None
            log_text = await self._kube.logs(namespace, told_by.name, told_by.container, previous=previous)
            seen = replace(seen, engine_log=log_text)
        pod = seen.benchmark
        if pod and (failed or cut or (pod.started and deadlines.benchmark_overdue(seen, now))):
            log_text = await self._kube.logs(namespace, pod.name, CONTAINER, previous=False)
            seen = replace(seen, benchmark_log=log_text)
        return seen

    async def _silent(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the nodes that are gone or NotReady."""
        found = {name: await self._kube.get(NODE, None, name) for name in names}
        return frozenset(name for name, node in found.items() if node is None or not pods.node_ready(node))

    async def _with_benchmark_tried(self, seen: ObservedExperiment) -> ObservedExperiment:
        """Look whether the benchmark could be made, before an accelerator waits for it."""
        namespace = seen.object["metadata"]["namespace"]
        begun = seen.status.times is not None and seen.status.times.created is not None
        if begun or seen.job is not None or seen.model_state.phase != "Ready" or seen.runtime is None:
            return seen
        try:
            job = self._job(seen, await self._admission.limit_ranges(namespace))
        except ValueError as problem:
            return replace(seen, job_refusal=Refusal("Policy", f"its Job cannot be written: {problem}"))
        tolerated = seen.queue.tolerations(job["spec"]["template"]["spec"]) if seen.queue is not None else []
        refusal, no_place = await self._admission.try_out(seen.object, job, tolerated)
        return replace(seen, job_refusal=refusal, no_place=no_place)

    async def _with_job_explained(self, seen: ObservedExperiment) -> ObservedExperiment:
        """Read why the benchmark's Job makes no pod."""
        assert seen.job is not None
        namespace, uid = seen.object["metadata"]["namespace"], seen.job["metadata"]["uid"]
        found = read_events(await self._kube.list(EVENT, namespace, fields=f"involvedObject.uid={uid}"))
        failed = [event for event in found if event.reason == "FailedCreate"]
        if not failed:
            return seen
        self._admission.forget(namespace)
        return replace(seen, job_refusal=refusals.read(failed[-1].message))

    async def _with_silence_explained(
        self, seen: ObservedExperiment, root: Object, now: datetime
    ) -> ObservedExperiment:
        namespace = seen.object["metadata"]["namespace"]
        named = seen.backend.related(seen.object)
        found, related = await asyncio.gather(
            self._events(namespace, root),
            asyncio.gather(*(self._kube.get(one.resource, namespace, one.name) for one in named)),
        )
        speaking = [body for one, body in zip(named, related, strict=True) if body is not None and one.events]
        more = await asyncio.gather(*(self._events(namespace, body) for body in speaking))
        told = read_events([*found, *(event for events in more for event in events)])
        seen = replace(seen, events=tuple(told), related=tuple(body for body in related if body))
        if not deadlines.silence_overdue(seen, now):
            return seen
        # A quota that has just become free takes its words back only after there is a pod: look at the pods again.
        engine_pods, _ = await self._pods(seen)
        return replace(seen, engine_pods=engine_pods)

    async def _events(self, namespace: str, about: Object) -> list[Object]:
        return await self._kube.list(EVENT, namespace, fields=f"involvedObject.uid={about['metadata']['uid']}")

    async def _create(self, seen: ObservedExperiment, plan: Plan, turn: Asking) -> ObservedExperiment | None:
        """Create what the plan wants; returns what was learned if that was not done."""
        namespace, what = seen.object["metadata"]["namespace"], "root"
        # A task has claimed the turn of its own experiments before it made them.
        if plan.create_root and not of_task(seen.object) and (words := turn.claim(seen.object)):
            return replace(seen, turn=words)
        try:
            if plan.create_root:
                assert seen.runtime is not None, "checked before"
                body = seen.backend.render(seen.object, seen.spec.service, seen.runtime)
                await self._kube.create(seen.backend.capabilities.root, namespace, body)
            if plan.create_job:
                what = "job"
                if taken := await self._create_companions(seen):
                    return replace(seen, job_refusal=Refusal("Policy", taken))
                limits = await self._admission.limit_ranges(namespace)
                await self._kube.create(JOB, namespace, self._job(seen, limits))
        except AlreadyExistsError:
            return None  # it appeared since it was looked for: the next reconcile observes whose it is
        except RejectedError as problem:
            if what == "root":
                if not of_task(seen.object):
                    turn.give_back(seen.object)
                return replace(seen, rejection=problem.message)
            self._admission.forget(namespace)
            return replace(seen, job_refusal=refusals.of_an_answer(problem.message))
        except KubeError as problem:
            if not problem.server_failed:
                raise
            return replace(seen, unanswered=problem.message)
        return None

    async def _create_companions(self, seen: ObservedExperiment) -> str:
        """Create what the engine needs besides its root; returns why that is impossible, empty if it is there."""
        assert seen.root is not None, "there is an engine"
        for resource, body in seen.backend.companions(seen.object, seen.spec.service, seen.root):
            namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
            try:
                await self._kube.create(resource, namespace, body)
            except AlreadyExistsError:
                found = await self._kube.get(resource, namespace, name)
                if found is not None and not ownership.controlled_by(found, seen.root["metadata"]["uid"]):
                    return f"a {resource.kind} {name} exists already and belongs to somebody else; remove or rename it"
        return ""

    def _job(self, seen: ObservedExperiment, limit_ranges: Sequence[Object]) -> Object:
        engine = seen.backend.endpoint(seen.object, seen.engine) if seen.engine else _NO_ENGINE_YET
        around = JobSurroundings(
            engine=engine,
            limit_ranges=tuple(limit_ranges),
            image=self._settings.benchmark_image,
            weights=seen.backend.weights((seen.model or {}).get("spec") or {}),
            model_node_label=seen.backend.node_label(seen.spec.service.model, seen.object["metadata"]["namespace"])
            if seen.spec.service.model
            else "",
            hub_endpoint=self._settings.hub_endpoint,
        )
        return benchmark_job(seen.object, seen.spec, around)

    async def _record(self, seen: ObservedExperiment, plan: Plan) -> None:
        """Write the status if it changed; only then the label and the events."""
        experiment, status = seen.object, plan.status.dump()
        if status != (experiment.get("status") or {}):
            experiment = await self._kube.apply_status(EXPERIMENT, experiment, status)
            self.own_writes.note(experiment)
            self._log(experiment, plan)
            if finished(plan.status) and not finished(seen.status):
                meta = experiment["metadata"]
                metrics.count_experiment(meta["namespace"], meta.get("labels", {}).get(TASK_LABEL, ""), status)
        if plan.mark_finished:
            label = {"metadata": {"labels": {FINISHED_LABEL: "true"}}}
            meta = experiment["metadata"]
            # It leaves the watch with this write: there is no later event that would have it forgotten.
            await self._kube.merge(EXPERIMENT, meta["namespace"], meta["name"], label)
        await events.send(self._kube, experiment, plan.events)

    def _log(self, experiment: Object, plan: Plan) -> None:
        meta = experiment["metadata"]
        for event in plan.events:
            level = logging.WARNING if event.kind == "Warning" else logging.INFO
            context = {
                "task": meta.get("labels", {}).get(TASK_LABEL, ""),
                "experiment": meta["name"],
                "namespace": meta["namespace"],
                "phase": plan.status.phase,
            }
            log.log(level, "%s: %s", event.reason, event.message, extra=context)
