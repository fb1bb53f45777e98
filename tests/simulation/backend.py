"""What OME, the Deployment controller and the Job controller make of the operator's objects."""

from __future__ import annotations

from collections.abc import Callable

from autotuner.kube import DEPLOYMENT, EVENT, JOB, POD
from autotuner.kubernetes_object import Object
from autotuner.serving.ome.inference_service import CONTAINER, FINALIZER
from autotuner.serving.ome.resource_kinds import (
    CLUSTER_BASE_MODEL,
    CLUSTER_SERVING_RUNTIME,
    INFERENCE_SERVICE,
)
from tests.simulation import pods
from tests.simulation.cluster import Cluster
from tests.simulation.drawn_tasks import NAMESPACE

_REFUSED = "Runtime x does not support model y: model format mismatch"


class Ome:
    """OME's controller and model agent."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._going: set[str] = set()
        self.away_until = 0.0
        cluster.on(INFERENCE_SERVICE, self._service)
        cluster.on(CLUSTER_BASE_MODEL, self._model)

    def _act(self, seconds: float, act: Callable[..., object], *args: object) -> None:
        """Do something soon, or when OME is back."""
        self._cluster.after(max(seconds, self.away_until - self._cluster.time() + seconds), act, *args)

    def _model(self, kind: str, model: Object) -> None:
        if kind == "ADDED":
            self._act(self._cluster.dice.uniform(0.5, 10), self._make_ready, model["metadata"]["name"])

    def _make_ready(self, name: str) -> None:
        model = self._cluster.get(CLUSTER_BASE_MODEL, name)
        if model is not None and not pods.going(model):
            ready = {"state": "Ready", "nodesReady": ["node-0"]}
            self._cluster.change_status(CLUSTER_BASE_MODEL, model, lambda it: it.update(status=ready))

    def _service(self, kind: str, service: Object) -> None:
        cluster, meta = self._cluster, service["metadata"]
        if kind == "ADDED":
            self._act(cluster.dice.uniform(0.02, 0.2), self._look, meta["name"], meta["uid"], 1)
        elif kind == "MODIFIED" and pods.going(service) and meta["uid"] not in self._going:
            self._going.add(meta["uid"])
            seconds = cluster.dice.uniform(0.02, 0.5)
            if cluster.chance("finalizer stuck"):
                cluster.book.happened["finalizer stuck"] += 1
                seconds += cluster.dice.uniform(10, 400)
            self._act(seconds, self._let_go, service)

    def _let_go(self, service: Object) -> None:
        """Remove the finalizer, which OME cannot while the model is missing."""
        live = self._cluster.by_uid(INFERENCE_SERVICE, service["metadata"]["uid"])
        if live is None:
            return
        if self._cluster.get(CLUSTER_BASE_MODEL, live["spec"]["model"]["name"]) is None:
            self._act(15.0, self._let_go, service)
        else:
            self._cluster.release(INFERENCE_SERVICE, live, FINALIZER)

    def _look(self, name: str, uid: str, count: int) -> None:
        """Deploy an InferenceService, or say why not."""
        cluster, service = self._cluster, self._cluster.get(INFERENCE_SERVICE, name)
        if service is None or service["metadata"]["uid"] != uid or pods.going(service):
            return
        experiment = pods.experiment_of(service)
        if count == 1:
            held = [*service["metadata"].get("finalizers", ()), FINALIZER]
            changed = cluster.change(INFERENCE_SERVICE, service, lambda it: it["metadata"].update(finalizers=held))
            service = changed or service
            if cluster.chance("backend silent"):
                cluster.book.disturb(experiment, "backend silent")
                return
        refuses = cluster.chance("backend refuses") if count == 1 else count > 1
        missing = cluster.get(CLUSTER_SERVING_RUNTIME, service["spec"]["runtime"]["name"]) is None
        if refuses or missing:
            if count == 1:
                cluster.book.disturb(experiment, "backend refuses")
            self._warn(service, "RuntimeValidationError", _REFUSED, count)
            self._act(2.0 * count, self._look, name, uid, count + 1)
            return
        slow = 0.0
        if cluster.chance("backend slow"):
            slow = cluster.dice.uniform(5, 90)
            cluster.book.disturb(experiment, "backend slow")
        self._act(slow + cluster.dice.uniform(0.05, 0.5), self._deploy, name, uid)

    def _warn(self, about: Object, reason: str, message: str, count: int) -> None:
        meta = about["metadata"]
        name = f"{meta['name']}.{meta['uid']}"
        known = self._cluster.get(EVENT, name)
        if known is not None:
            self._cluster.change(EVENT, known, lambda it: it.update(count=count))
            return
        involved = {"kind": about["kind"], "name": meta["name"], "namespace": NAMESPACE, "uid": meta["uid"]}
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "involvedObject": involved,
            "type": "Warning",
            "reason": reason,
            "message": message,
            "count": count,
            "firstTimestamp": self._cluster.stamp(),
            "lastTimestamp": self._cluster.stamp(),
        }
        self._cluster.create(EVENT, body)

    def _deploy(self, name: str, uid: str) -> None:
        service = self._cluster.get(INFERENCE_SERVICE, name)
        if service is None or service["metadata"]["uid"] != uid or pods.going(service):
            return
        meta, runner = service["metadata"], service["spec"]["engine"]["runner"]
        container = {
            "name": CONTAINER,
            "image": "engine:1",
            "args": list(runner.get("args") or ()),
            "resources": runner.get("resources") or {},
            "ports": [{"containerPort": 8080}],
        }
        owner = {
            "apiVersion": service["apiVersion"],
            "kind": service["kind"],
            "name": name,
            "uid": uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
        body: Object = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": f"{name}-engine",
                "namespace": NAMESPACE,
                "labels": dict(meta["labels"]),
                "ownerReferences": [owner],
            },
            "spec": {"template": {"metadata": {"labels": dict(meta["labels"])}, "spec": {"containers": [container]}}},
            "status": {},
        }
        if self._cluster.get(DEPLOYMENT, body["metadata"]["name"]) is not None:
            self._act(5.0, self._deploy, name, uid)  # of an earlier service of that name, still going
            return
        self._cluster.tell("ome", f"deploys {name}")
        self._cluster.create(DEPLOYMENT, body)


class Deployments:
    """The Deployment controller: one pod each, replaced when it goes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._count = 0
        cluster.on(DEPLOYMENT, self._deployment)
        cluster.on(POD, self._pod)

    def _deployment(self, kind: str, body: Object) -> None:
        if kind == "ADDED":
            self._cluster.after(self._cluster.dice.uniform(0.01, 0.2), self._ensure, body["metadata"]["name"])

    def _pod(self, kind: str, pod: Object) -> None:
        owner = (pod["metadata"].get("ownerReferences") or [{}])[0]
        if owner.get("kind") == "Deployment" and (kind == "DELETED" or pods.going(pod) or pods.is_over(pod)):
            self._cluster.after(self._cluster.dice.uniform(0.02, 1), self._ensure, owner["name"])

    def _ensure(self, name: str) -> None:
        cluster, found = self._cluster, self._cluster.get(DEPLOYMENT, name)
        if found is None or pods.going(found):
            return
        uid = found["metadata"]["uid"]
        for pod in cluster.objects(POD):
            mine = pod["metadata"].get("ownerReferences", [{}])[0].get("uid") == uid
            if mine and not pods.going(pod) and not pods.is_over(pod):
                return
        template = found["spec"]["template"]
        if cluster.lasts("engine's pods refused", found, 20, 200):
            self._fail(found, 'pods "x" is forbidden: exceeded quota: gpus, requested: 1, used: 8, limited: 8')
            cluster.after(10.0, self._ensure, name)
            return
        self._fail(found, "")
        self._count += 1
        container = template["spec"]["containers"][0]
        cluster.create(
            POD, pods.make(f"{name}-{self._count:x}", found, template["metadata"]["labels"], dict(container))
        )

    def _fail(self, deployment: Object, words: str) -> None:
        """Say why there is no pod; take it back with empty words."""
        condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": words}
        status = {"conditions": [condition] if words else []}
        if deployment.get("status") != status:
            self._cluster.change_status(DEPLOYMENT, deployment, lambda it: it.update(status=status))


class Jobs:
    """The Job controller: one pod, never replaced."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        cluster.on(JOB, self._job)
        cluster.on(POD, self._pod)

    def _job(self, kind: str, job: Object) -> None:
        if kind == "ADDED":
            meta = job["metadata"]
            self._cluster.after(self._cluster.dice.uniform(0.05, 0.6), self._begin, meta["name"], meta["uid"])

    def _begin(self, name: str, uid: str) -> None:
        job = self._cluster.get(JOB, name)
        if job is None or job["metadata"]["uid"] != uid or pods.going(job):
            return
        template = job["spec"]["template"]
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
        declared = template["spec"]["containers"][0]
        container = {"name": declared["name"], "image": declared["image"], "resources": declared.get("resources") or {}}
        self._cluster.create(POD, pods.make(f"{name}-{uid[-5:]}", job, labels, container))

    def _pod(self, kind: str, pod: Object) -> None:
        owner = (pod["metadata"].get("ownerReferences") or [{}])[0]
        if owner.get("kind") == "Job" and (kind == "DELETED" or pods.is_over(pod)):
            failed = kind == "DELETED" or pod["status"]["phase"] == "Failed"
            self._cluster.after(self._cluster.dice.uniform(0.05, 0.6), self._count, owner["uid"], failed)

    def _count(self, uid: str, failed: bool) -> None:
        job = self._cluster.by_uid(JOB, uid)
        if job is None or (job.get("status") or {}).get("conditions"):
            return
        condition = {"type": "Complete", "status": "True"}
        if failed:
            words = "Job has reached the specified backoff limit"
            condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": words}
        self._cluster.change_status(JOB, job, lambda it: it.update(status={"conditions": [condition]}))
