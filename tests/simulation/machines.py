"""Nodes and the scheduler: who takes a pod, which node is silent or gone, and what becomes of its pods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from autotuner.kube import NODE, POD
from autotuner.kubernetes_object import Object
from tests.simulation import pods
from tests.simulation.cluster import Cluster

PRODUCT = "NVIDIA-H100-80GB-HBM3"
# How long a cluster does not notice that a node is silent, and until its pods are to go.
_NOTICED, _TAINTED = 40.0, 300.0


@dataclass
class Machine:
    """A node.

    Attributes:
        name: of its Node object.
        gpus: that it has.
        up: whether its kubelet works.
        boot: counts its starts.
        parked: what its kubelet will do once it works again.
    """

    name: str
    gpus: int
    up: bool = True
    boot: int = 0
    parked: list[Callable[[], None]] = field(default_factory=list)


class Machines:
    """All nodes, and the scheduler."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.machines: dict[str, Machine] = {}
        self._looking = False
        # A kubelet learns here that a pod is its own, and that its node has started again.
        self.bound: Callable[[Object], None] = lambda pod: None
        self.booted: Callable[[Machine], None] = lambda machine: None
        for number, gpus in enumerate(cluster.history.gpus):
            self._add(f"node-{number}", gpus)
        cluster.on(POD, self._pod)

    def _add(self, name: str, gpus: int) -> None:
        self.machines[name] = Machine(name, gpus)
        labels = {"nvidia.com/gpu.product": PRODUCT, "nvidia.com/gpu.memory": "81559"}
        status = {
            "allocatable": {pods.GPU: str(gpus), "cpu": "64"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        }
        meta = {"name": name, "labels": labels}
        self._cluster.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": status})

    def of(self, pod: Object) -> Machine | None:
        """The node that runs a pod, as long as it exists."""
        return self.machines.get(pods.node_of(pod))

    def look_soon(self, seconds: float = 0.05) -> None:
        """Have the scheduler look for places."""
        if not self._looking:
            self._looking = True
            self._cluster.after(seconds, self._schedule)

    def _pod(self, kind: str, pod: Object) -> None:
        if kind != "MODIFIED" or pods.is_over(pod):
            self.look_soon(self._cluster.dice.uniform(0.01, 0.3))

    def _schedule(self) -> None:
        self._looking = False
        living = [pod for pod in self._cluster.objects(POD) if not pods.is_over(pod)]
        free = {machine.name: machine.gpus for machine in self.machines.values() if machine.up}
        for pod in living:
            if pods.node_of(pod) in free:
                free[pods.node_of(pod)] -= pods.gpus(pod)
        for pod in living:
            if not pods.node_of(pod) and not pods.going(pod):
                self._place(pod, free)

    def _place(self, pod: Object, free: dict[str, int]) -> None:
        cluster, wanted = self._cluster, pods.gpus(pod)
        found = next((name for name, left in free.items() if left >= wanted), "")
        if found and cluster.lasts("no node", pod, 30, 400):
            found = ""
        if not found:
            fate = cluster.book.of(pods.experiment_of(pod))
            if "no room" not in fate.disturbed:
                fate.disturbed.append("no room")
            if not pod.get("status", {}).get("conditions"):
                words = f"0/{len(self.machines)} nodes are available: Insufficient {pods.GPU}."
                cluster.change_status(
                    POD, pod, lambda it: pods.set_condition(it, "PodScheduled", "False", "Unschedulable", words)
                )
            return
        free[found] -= wanted

        def bind(it: Object) -> None:
            it["spec"]["nodeName"] = found
            pods.set_condition(it, "PodScheduled", "True")

        cluster.tell("scheduler", f"pod {pod['metadata']['name']} -> {found}")
        if (bound := cluster.change(POD, pod, bind)) is not None:
            self.bound(bound)

    def stop(self, machine: Machine, seconds: float) -> None:
        """A node falls silent, and starts again after so many seconds."""
        machine.up = False
        machine.boot += 1
        self._cluster.tell("node", f"{machine.name} is down for {seconds:.0f} s")
        for pod in self._on(machine):
            self._cluster.book.disturb(pods.experiment_of(pod), "node down")
        self._cluster.after(_NOTICED, self._notice, machine, machine.boot)
        self._cluster.after(_NOTICED + _TAINTED, self._taint, machine, machine.boot)
        self._cluster.after(seconds, self.start, machine)

    def start(self, machine: Machine) -> None:
        """A node works again."""
        if machine.up or machine.name not in self.machines:
            return
        machine.up = True
        self._cluster.tell("node", f"{machine.name} is up again")
        self._ready(machine, "True", "KubeletReady")
        self.booted(machine)
        parked, machine.parked = machine.parked, []
        for act in parked:
            act()
        self.look_soon()

    def remove(self, machine: Machine, seconds: float) -> None:
        """A node goes for good, and another one takes its place after so many seconds."""
        if machine.name not in self.machines:
            return
        lost = self._on(machine)
        del self.machines[machine.name]
        machine.up = False
        machine.boot += 1
        self._cluster.tell("node", f"{machine.name} is gone")
        for pod in lost:
            self._cluster.book.disturb(pods.experiment_of(pod), "node gone")
        self._cluster.delete(NODE, machine.name)
        self._cluster.after(self._cluster.dice.uniform(5, 60), self._collect, machine.name)
        self._cluster.after(seconds, self._replace, machine)

    def _replace(self, machine: Machine) -> None:
        self._add(f"{machine.name}-{machine.boot}", machine.gpus)
        self.look_soon()

    def _on(self, machine: Machine) -> list[Object]:
        return [
            pod for pod in self._cluster.objects(POD) if pods.node_of(pod) == machine.name and not pods.is_over(pod)
        ]

    def _ready(self, machine: Machine, status: str, reason: str) -> None:
        node = self._cluster.get(NODE, machine.name)
        if node is not None:
            conditions = [{"type": "Ready", "status": status, "reason": reason}]
            self._cluster.change_status(NODE, node, lambda it: it["status"].update(conditions=conditions))

    def _notice(self, machine: Machine, boot: int) -> None:
        """The cluster sees that the node is silent."""
        if machine.up or machine.boot != boot or machine.name not in self.machines:
            return
        self._ready(machine, "Unknown", "NodeStatusUnknown")
        for pod in self._on(machine):
            self._cluster.change_status(POD, pod, lambda it: pods.set_condition(it, "Ready", "False"))

    def _taint(self, machine: Machine, boot: int) -> None:
        """Pods of a silent node are to go; nobody can stop them."""
        if machine.up or machine.boot != boot or machine.name not in self.machines:
            return
        for pod in self._on(machine):
            self.disrupt(pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")

    def _collect(self, name: str) -> None:
        """Pods of a node that is gone are removed."""
        for pod in self._cluster.objects(POD):
            if pods.node_of(pod) == name:
                self.disrupt(pod, "DeletionByPodGC", "PodGC: node no longer exists")
                self._cluster.stopped(POD, pod)

    def disrupt(self, pod: Object, reason: str, words: str) -> None:
        """Mark a pod as taken away, and delete it."""
        self._cluster.tell("cluster", f"takes pod {pod['metadata']['name']} away: {reason}")
        self._cluster.change_status(
            POD, pod, lambda it: pods.set_condition(it, "DisruptionTarget", "True", reason, words)
        )
        self._cluster.delete(POD, pod["metadata"]["name"])
