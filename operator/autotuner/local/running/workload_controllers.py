"""What a cluster's own controllers do here: a pod for each Deployment and Job, ends of Jobs, garbage collection."""

from __future__ import annotations

import asyncio
import socket

from autotuner import clock
from autotuner.kube import DEPLOYMENT, JOB, POD
from autotuner.kubernetes_object import Object, Resource
from autotuner.local.pod_workload import ADDRESS
from autotuner.local.template_ports import with_port
from autotuner.memory_api import garbage
from autotuner.memory_api.history import Change
from autotuner.memory_api.store import Store

_MANAGER = "kube-controller-manager"
_JOB_LABEL = "batch.kubernetes.io/job-name"
_ENDED = ("Succeeded", "Failed")
_CONTROLLED = {"Deployment": DEPLOYMENT, "Job": JOB}


class WorkloadControllers:
    """Keeps what owns pods and its pods in step, whenever one of them changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ports: set[int] = set()
        self._looking = False
        self._deadlines: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """Look at all there is, and at what changes from now on."""
        self._store.listen(self._changed)
        self._soon()

    def stop(self) -> None:
        """Wait for no deadline any more."""
        for handle in self._deadlines.values():
            handle.cancel()

    def _changed(self, resource: Resource, change: Change) -> None:
        gone = change.new is None or "deletionTimestamp" in change.new["metadata"]
        if gone or resource in (DEPLOYMENT, JOB, POD):
            self._soon()

    def _soon(self) -> None:
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._looking = False
        garbage.collect(self._store)
        for owner in self._objects(DEPLOYMENT):
            self._deploy(owner)
        for owner in self._objects(JOB):
            self._run_job(owner)

    def _objects(self, resource: Resource) -> list[Object]:
        return [one for one in self._store.list(resource, None) if "deletionTimestamp" not in one["metadata"]]

    def _pods(self, owner: Object) -> list[Object]:
        """The pods of an object, those that are being deleted among them."""
        uid, namespace = owner["metadata"]["uid"], owner["metadata"]["namespace"]
        return [
            pod
            for pod in self._store.list(POD, namespace)
            if any(one["uid"] == uid and one.get("controller") for one in pod["metadata"].get("ownerReferences", ()))
        ]

    def _deploy(self, owner: Object) -> None:
        """One pod at a time: a pod that is replaced makes room first."""
        if not self._pods(owner):
            self._create(owner, {})

    def _run_job(self, job: Object) -> None:
        if (job.get("status") or {}).get("conditions"):
            return
        found, uid = self._pods(job), job["metadata"]["uid"]
        if not found and "startTime" not in (job.get("status") or {}):
            self._create(job, {_JOB_LABEL: job["metadata"]["name"]})
            self._write(job, {"startTime": clock.second_stamp(clock.now()), "active": 1})
        elif not found or found[0]["status"].get("phase") in _ENDED:
            succeeded = bool(found) and found[0]["status"]["phase"] == "Succeeded"
            self._end(job, {"succeeded": 1} if succeeded else {"failed": 1}, *_ended(succeeded=succeeded))
        if uid not in self._deadlines and (seconds := job["spec"].get("activeDeadlineSeconds")):
            started = (self._store.find(JOB, *_place(job)) or job)["status"]["startTime"]
            left = seconds - (clock.now() - clock.parse(started)).total_seconds()
            loop = asyncio.get_running_loop()
            self._deadlines[uid] = loop.call_later(max(0.0, left), self._expire, *_place(job), uid)

    def _expire(self, namespace: str, name: str, uid: str) -> None:
        self._deadlines.pop(uid, None)
        job = self._store.find(JOB, namespace, name)
        if job is None or job["metadata"]["uid"] != uid or (job.get("status") or {}).get("conditions"):
            return
        for pod in self._pods(job):
            self._store.delete(POD, *_place(pod), uid=pod["metadata"]["uid"])
        self._end(job, {"failed": 1}, "Failed", "DeadlineExceeded", "Job was active longer than specified deadline")

    def _end(self, job: Object, counts: Object, kind: str, reason: str, message: str) -> None:
        if handle := self._deadlines.pop(job["metadata"]["uid"], None):
            handle.cancel()
        moment = clock.second_stamp(clock.now())
        words = {key: value for key, value in (("reason", reason), ("message", message)) if value}
        condition = {"type": kind, "status": "True", "lastTransitionTime": moment, **words}
        self._write(job, {**counts, "active": None, "conditions": [condition]})

    def _write(self, job: Object, status: Object) -> None:
        self._store.merge(JOB, *_place(job), {"status": status}, subresource="status", manager=_MANAGER)

    def _create(self, owner: Object, labels: dict[str, str]) -> None:
        """Make the pod of a template, with a port of its own."""
        meta, template = owner["metadata"], with_port(owner["spec"]["template"], self._free_port())
        own = template.get("metadata") or {}
        reference = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": meta["name"],
            "uid": meta["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        metadata: Object = {
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": {**(own.get("labels") or {}), **labels},
            "ownerReferences": [reference],
            **({"annotations": own["annotations"]} if own.get("annotations") else {}),
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        made = self._store.create(POD, meta["namespace"], pod, manager=_MANAGER)
        status = {"status": {"phase": "Pending"}}
        self._store.merge(POD, *_place(made), status, subresource="status", manager=_MANAGER)

    def _free_port(self) -> int:
        """A port on which nothing listens, and which no earlier pod was given."""
        while True:
            with socket.socket() as found:
                found.bind((ADDRESS, 0))
                port = int(found.getsockname()[1])
            if port not in self._ports:
                self._ports.add(port)
                return port


def _ended(*, succeeded: bool) -> tuple[str, str, str]:
    if succeeded:
        return "Complete", "", ""
    return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"


def _place(body: Object) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]
