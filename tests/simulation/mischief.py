"""What goes wrong around the operator at times of its own, and what people do meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from autotuner.kube import EXPERIMENT, JOB, POD, TASK
from autotuner.kubernetes_object import Object, Resource
from autotuner.serving.ome.resource_kinds import CLUSTER_BASE_MODEL, CLUSTER_SERVING_RUNTIME, INFERENCE_SERVICE
from tests.simulation import pods
from tests.simulation.backend import Ome
from tests.simulation.cluster import Cluster
from tests.simulation.drawn_tasks import NAMESPACE
from tests.simulation.kubelets import Kubelets
from tests.simulation.machines import Machines
from tests.simulation.network import Outages
from tests.simulation.operator_process import Operator

_EVICTION = "Eviction API: evicting"


class Mischief:
    """Draws when each thing happens, and does it."""

    def __init__(
        self,
        cluster: Cluster,
        machines: Machines,
        kubelets: Kubelets,
        ome: Ome,
        outages: Outages,
        operator: Callable[[], Operator | None],
    ) -> None:
        self._cluster, self._machines, self._kubelets, self._ome = cluster, machines, kubelets, ome
        self._outages, self._operator = outages, operator
        self._dice = random.Random(f"{cluster.history.seed}/mischief")
        for fault, act in self._acts().items():
            self._draw(fault, act)
        cluster.on(POD, self._pod)

    def _acts(self) -> Mapping[str, Callable[[], None]]:
        return {
            "watch broken": self._break_watch,
            "api away": self._take_api_away,
            "clock jump": self._jump,
            "node down": self._stop_node,
            "node gone": self._remove_node,
            "quota used up": self._use_quota_up,
            "backend away": self._take_backend_away,
            "root deleted": lambda: self._delete_one(INFERENCE_SERVICE, "root deleted"),
            "job deleted": lambda: self._delete_one(JOB, "job deleted"),
            "pod deleted": lambda: self._delete_one(POD, "pod deleted"),
            "experiment deleted": lambda: self._delete_one(EXPERIMENT, "experiment deleted"),
            "model deleted": lambda: self._delete_one(CLUSTER_BASE_MODEL, "model deleted"),
            "runtime deleted": lambda: self._delete_one(CLUSTER_SERVING_RUNTIME, "runtime deleted"),
            "suspended": self._suspend,
            "experiment cancelled": self._cancel,
            "task made anew": self._make_anew,
            "budget raised": self._raise_budget,
            "limit changed": self._change_limit,
        }

    def _draw(self, fault: str, act: Callable[[], None]) -> None:
        """Let something happen so often in an hour, until the disasters end."""
        rate = self._cluster.history.rate(fault)
        at = 0.0
        while rate > 0:
            at += self._dice.expovariate(rate / 3600)
            if at >= self._cluster.history.ends:
                return
            self._cluster.after(at, act)

    # the surroundings

    def _lasting(self, low: float, high: float) -> float:
        """Seconds that something lasts, at most until the disasters end."""
        return min(self._dice.uniform(low, high), max(1.0, self._cluster.history.ends - self._cluster.time()))

    def _everybody(self, fault: str, seconds: float) -> None:
        self._cluster.book.happened[fault] += 1
        self._cluster.book.disturbed_at.append((self._cluster.time(), fault))
        self._cluster.tell("mischief", f"{fault} for {seconds:.0f} s")

    def _break_watch(self) -> None:
        operator = self._operator()
        if operator is not None and operator.watches is not None:
            kinds = (TASK, EXPERIMENT, POD, JOB, INFERENCE_SERVICE)
            self._cluster.book.happened["watch broken"] += 1
            operator.watches.interrupt(self._dice.choice(kinds), self._lasting(1, 60))

    def _take_api_away(self) -> None:
        seconds = self._lasting(1, 120)
        self._everybody("api away", seconds)
        self._outages.away_until = self._cluster.time() + seconds

    def _use_quota_up(self) -> None:
        seconds = self._lasting(10, 400)
        self._everybody("quota used up", seconds)
        self._outages.quota_until = self._cluster.time() + seconds

    def _take_backend_away(self) -> None:
        seconds = self._lasting(5, 200)
        self._everybody("backend away", seconds)
        self._ome.away_until = self._cluster.time() + seconds

    def _jump(self) -> None:
        seconds = self._dice.choice([-60.0, -5.0, 5.0, 30.0, 60.0])
        self._everybody("clock jump", seconds)
        self._cluster.offset += seconds

    def _stop_node(self) -> None:
        up = [one for one in self._machines.machines.values() if one.up]
        if up:
            self._cluster.book.happened["node down"] += 1
            self._machines.stop(self._dice.choice(up), self._lasting(5, 700))

    def _remove_node(self) -> None:
        there = list(self._machines.machines.values())
        if there:
            self._cluster.book.happened["node gone"] += 1
            self._machines.remove(self._dice.choice(there), self._lasting(30, 600))

    def _pod(self, kind: str, pod: Object) -> None:
        """A pod that was made may be taken away while it is needed."""
        if kind != "ADDED":
            return
        role = "engine" if pods.is_engine(pod) else "benchmark"
        for fault in (f"{role} evicted", f"{role} preempted"):
            if self._cluster.chance(fault):
                self._cluster.after(self._dice.uniform(0.5, 90), self._take, pod["metadata"]["uid"], fault)

    def _take(self, uid: str, fault: str) -> None:
        pod = self._cluster.by_uid(POD, uid)
        if pod is None or pods.going(pod) or pods.is_over(pod) or not pods.node_of(pod):
            return
        self._cluster.book.disturb(pods.experiment_of(pod), fault)
        if fault.endswith("preempted"):
            self._machines.disrupt(pod, "PreemptionByScheduler", "preempting to accommodate a higher priority pod")
        elif self._dice.random() < 0.5:
            self._machines.disrupt(pod, "EvictionByEvictionAPI", _EVICTION)
        else:
            self._kubelets.evict(pod)

    # people

    def _delete_one(self, resource: Resource, fault: str) -> None:
        there = [one for one in self._cluster.objects(resource) if not pods.going(one)]
        if not there:
            return
        one = self._dice.choice(there)
        self._cluster.book.happened[fault] += 1
        if resource in (INFERENCE_SERVICE, JOB, POD):
            self._cluster.book.disturb(pods.experiment_of(one), fault)
        elif resource is EXPERIMENT:
            self._cluster.book.disturb(one["metadata"]["uid"], fault)
        else:
            self._cluster.book.disturbed_at.append((self._cluster.time(), fault))
        self._cluster.tell("somebody", f"deletes {resource.kind} {one['metadata']['name']}")
        self._cluster.delete(resource, one["metadata"]["name"])

    def _one_task(self) -> Object | None:
        there = [one for one in self._cluster.objects(TASK) if not pods.going(one)]
        return self._dice.choice(there) if there else None

    def _suspend(self) -> None:
        if (task := self._one_task()) is None or task["spec"].get("suspend"):
            return
        self._cluster.book.happened["suspended"] += 1
        name = task["metadata"]["name"]
        self._edit(name, {"suspend": True})
        self._cluster.after(self._lasting(1, 600), self._edit, name, {"suspend": False})

    def _edit(self, name: str, spec: Object) -> None:
        if self._cluster.get(TASK, name) is not None:
            self._cluster.tell("user", f"edits {name}: {spec}")
            self._cluster.edit(TASK, name, {"spec": spec})

    def _cancel(self) -> None:
        there = [one for one in self._cluster.objects(EXPERIMENT) if not one["spec"].get("cancel")]
        if there:
            one = self._dice.choice(there)
            self._cluster.book.disturb(one["metadata"]["uid"], "experiment cancelled")
            self._cluster.tell("user", f"cancels {one['metadata']['name']}")
            self._cluster.edit(EXPERIMENT, one["metadata"]["name"], {"spec": {"cancel": True}})

    def _make_anew(self) -> None:
        if (task := self._one_task()) is None:
            return
        name = task["metadata"]["name"]
        self._cluster.book.happened["task made anew"] += 1
        self._cluster.tell("user", f"deletes TuningTask {name}")
        self._cluster.delete(TASK, name)
        body = {
            "apiVersion": task["apiVersion"],
            "kind": task["kind"],
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {**task["spec"], "suspend": False},
        }
        self._cluster.after(self._lasting(0.01, 30), self.apply, body)

    def apply(self, body: Object) -> None:
        """Create a task, as its user does."""
        if self._cluster.get(TASK, body["metadata"]["name"]) is None:
            self._cluster.tell("user", f"applies TuningTask {body['metadata']['name']}")
            self._cluster.create(TASK, body)
            if body["spec"].get("suspend"):
                resume = self._lasting(5, 300)
                self._cluster.after(resume, self._edit, body["metadata"]["name"], {"suspend": False})
        else:
            self._cluster.after(1.0, self.apply, body)

    def _raise_budget(self) -> None:
        task = self._one_task()
        if task is not None and task["spec"].get("budget"):
            self._cluster.book.happened["budget raised"] += 1
            more = {key: value * 2 for key, value in task["spec"]["budget"].items()}
            self._edit(task["metadata"]["name"], {"budget": more})

    def _change_limit(self) -> None:
        if (task := self._one_task()) is not None:
            self._cluster.book.happened["limit changed"] += 1
            self._edit(task["metadata"]["name"], {"search": {"maxExperiments": self._dice.choice([1, 3, 5, 8])}})
