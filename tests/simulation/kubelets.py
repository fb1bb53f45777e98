"""What kubelets do: pull, start, watch, restart and stop the containers of engines and benchmarks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from autotuner.api.experiment import Level
from autotuner.benchmark.contract.result import Failure
from autotuner.kube import POD
from autotuner.kubernetes_object import Object
from tests.simulation import physics, pods
from tests.simulation.cluster import Cluster
from tests.simulation.machines import Machine, Machines

_POLL = 2.0  # how often a benchmark asks whether its engine answers
_NOT_BENCHMARKS: tuple[tuple[Failure, str], ...] = (
    ("ClientOverloaded", "the client was late"),
    ("Acceptance", "too few requests in the steady window"),
    ("Internal", "RuntimeError: broken"),
)


class Kubelets:
    """All kubelets of the cluster."""

    def __init__(self, cluster: Cluster, machines: Machines, engines: physics.Physics) -> None:
        self._cluster, self._machines, self._physics = cluster, machines, engines
        self._stopping: set[str] = set()
        self._ready: defaultdict[str, dict[str, int]] = defaultdict(dict)  # experiment -> engine pod -> restarts
        self._waiting: dict[str, Callable[[], None]] = {}
        machines.bound = self._bound
        machines.booted = self._booted
        cluster.on(POD, self._pod)

    def _pod(self, kind: str, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if kind == "DELETED":
            self._forget(pod)
            self._stopping.discard(uid)
        elif pods.going(pod) and uid not in self._stopping:
            self._stopping.add(uid)
            stuck = 0.0
            if self._cluster.chance("pod stuck"):
                stuck = self._cluster.dice.uniform(10, 200)
                self._cluster.book.happened["pod stuck"] += 1
            self._later(pod, self._cluster.dice.uniform(0.1, 3) + stuck, self._stop)

    def _later(self, pod: Object, seconds: float, act: Callable[[Object], None]) -> None:
        """Do something to a pod after a while, if it is still there and its node works; else when it works again."""
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        machine = self._machines.of(pod)

        def go() -> None:
            if machine is not None and not machine.up:
                machine.parked.append(go)
                return
            live = self._cluster.get(POD, name)
            if live is not None and live["metadata"]["uid"] == uid:
                act(live)

        self._cluster.after(seconds, go)

    def _while_running(self, pod: Object, seconds: float, act: Callable[[Object], None]) -> None:
        """The same, if its container has run without a break since."""
        before = pods.restarts(pod)

        def still(it: Object) -> None:
            if pods.is_running(it) and pods.restarts(it) == before:
                act(it)

        self._later(pod, seconds, still)

    def _bound(self, pod: Object) -> None:
        if self._cluster.chance("image not pulled"):
            self._cluster.book.disturb(pods.experiment_of(pod), "image not pulled")
            self._later(pod, 1.0, self._refuse_image)
            return
        self._later(pod, self._cluster.dice.uniform(0.5, 8), self._start)

    def _refuse_image(self, pod: Object) -> None:
        if pods.going(pod) or pods.is_over(pod):
            return
        self._cluster.tell("kubelet", f"cannot pull for {pod['metadata']['name']}")
        words = "Back-off pulling image: connection refused"
        self._cluster.change_status(POD, pod, lambda it: pods.wait(it, "ImagePullBackOff", words))

    def _start(self, pod: Object) -> None:
        if pods.going(pod) or pods.is_over(pod):
            return
        started = self._cluster.node_stamp(pods.node_of(pod))
        self._cluster.tell("kubelet", f"starts {pod['metadata']['name']}")
        live = self._cluster.change_status(POD, pod, lambda it: pods.run(it, started))
        if live is None:
            return
        if pods.is_engine(pod):
            self._engine(live)
        else:
            self._benchmark(live)

    # engines

    def _engine(self, pod: Object) -> None:
        cluster, uid = self._cluster, pods.experiment_of(pod)
        args = pod["spec"]["containers"][0].get("args") or []
        experiment = cluster.experiment(uid)
        baseline = experiment is not None and "parameters" not in experiment["spec"]
        nature, seconds = self._physics.nature(args, baseline=baseline), self._physics.startup(args)
        if cluster.chance("engine dies at start"):
            self._luck(uid, "engine dies at start")
            self._while_running(pod, cluster.dice.uniform(0.2, seconds), lambda it: self._fall(it, 1, "starting up"))
        elif nature == "never ready" or cluster.chance("engine hangs at start"):
            if nature != "never ready":
                self._luck(uid, "engine hangs at start")
        elif nature == "serves":
            self._while_running(pod, seconds, self._serve)
        else:
            at, log, code = cluster.dice.uniform(0.2, seconds), physics.LOGS[nature], physics.EXIT_CODES[nature]
            self._while_running(pod, at, lambda it: self._fall(it, code, log))

    def _luck(self, uid: str, fault: str) -> None:
        self._cluster.book.happened[fault] += 1
        self._cluster.book.of(uid).luck.append(fault)

    def _serve(self, pod: Object) -> None:
        if pods.going(pod) or pods.is_over(pod):
            return
        self._cluster.tell("kubelet", f"{pod['metadata']['name']} answers")
        live = self._cluster.change_status(POD, pod, lambda it: pods.set_condition(it, "Ready", "True"))
        if live is None:
            return
        self._ready[pods.experiment_of(pod)][pod["metadata"]["uid"]] = pods.restarts(live)
        if self._cluster.chance("engine dies under load"):
            self._luck(pods.experiment_of(pod), "engine dies under load")
            at = self._cluster.dice.uniform(1, 40)
            self._while_running(live, at, lambda it: self._fall(it, 1, "worker died"))

    def _fall(self, pod: Object, code: int, log: str) -> None:
        """The engine's container ends; it is started again after a while."""
        if pods.going(pod) or pods.is_over(pod):
            return
        self._forget(pod)
        self._cluster.logs[pod["metadata"]["name"]] = log
        self._cluster.tell("kubelet", f"{pod['metadata']['name']} ended with {code}")
        finished = self._cluster.node_stamp(pods.node_of(pod))
        live = self._cluster.change_status(POD, pod, lambda it: pods.fall(it, code, "Error", finished))
        if live is not None:
            self._later(live, 10.0 * 2 ** min(pods.restarts(live) - 1, 5), self._start)

    def _forget(self, pod: Object) -> None:
        self._ready[pods.experiment_of(pod)].pop(pod["metadata"]["uid"], None)

    # benchmarks

    def _benchmark(self, pod: Object) -> None:
        if self._cluster.chance("benchmark says nothing"):
            self._cluster.book.disturb(pods.experiment_of(pod), "benchmark says nothing")
            self._later(pod, self._cluster.dice.uniform(1, 60), lambda it: self._end(it, 137, ""))
            return
        timeouts = (self._cluster.experiment(pods.experiment_of(pod)) or {"spec": {}})["spec"].get("timeouts", {})
        limit = timeouts.get("pullSeconds", 300) + timeouts.get("startupSeconds", 300)
        self._ask(pod, self._cluster.time() + limit)

    def _ask(self, pod: Object, until: float) -> None:
        """The benchmark waits for its engine."""
        if pods.going(pod) or pods.is_over(pod):
            return
        uid = pods.experiment_of(pod)
        engines = self._answering(uid)
        if not engines:
            if self._cluster.time() > until:
                self._fail(pod, (), "EngineNotServing", "the engine did not answer in time")
            else:
                self._later(pod, _POLL, lambda it: self._ask(it, until))
            return
        experiment = self._cluster.experiment(uid)
        if experiment is None:
            return
        seconds, levels = self._physics.measured(experiment, len(self._cluster.book.of(uid).luck))
        self._cluster.tell("kubelet", f"{pod['metadata']['name']} measures for {seconds:.0f} s")
        begun = self._cluster.node_stamp(pods.node_of(pod))
        self._later(pod, seconds, lambda it: self._finish(it, begun, levels, engines))

    def _answering(self, uid: str) -> dict[str, int]:
        """Engines of an experiment that answer now, by uid, with their restarts."""
        found = {}
        for engine, restarts in self._ready[uid].items():
            pod = self._cluster.by_uid(POD, engine)
            machine = self._machines.of(pod) if pod is not None else None
            if machine is not None and machine.up:
                found[engine] = restarts
        return found

    def _finish(self, pod: Object, begun: str, levels: tuple[Level, ...], engines: dict[str, int]) -> None:
        if pods.going(pod) or pods.is_over(pod):
            return
        uid = pods.experiment_of(pod)
        if not engines.items() <= self._answering(uid).items():
            self._fail(pod, levels[:-1], "EngineNotServing", "3 of 3 requests failed: connection refused", begun)
        elif self._cluster.chance("benchmark fails"):
            failure, words = self._cluster.dice.choice(_NOT_BENCHMARKS)
            self._cluster.book.disturb(uid, f"benchmark fails: {failure}")
            self._fail(pod, (), failure, words, begun)
        else:
            self._cluster.book.of(uid).levels = levels
            finished = self._cluster.node_stamp(pods.node_of(pod))
            self._end(pod, 0, physics.message(levels, begun, finished))

    def _fail(
        self, pod: Object, levels: tuple[Level, ...], failure: Failure, words: str, begun: str | None = None
    ) -> None:
        finished = self._cluster.node_stamp(pods.node_of(pod))
        self._end(pod, 1, physics.message(levels, begun or finished, finished, failure, words))

    def _end(self, pod: Object, code: int, text: str) -> None:
        if pods.is_over(pod):
            return
        self._cluster.tell("kubelet", f"{pod['metadata']['name']} ended with {code}")
        finished = self._cluster.node_stamp(pods.node_of(pod))
        reason = "Error" if code else "Completed"
        self._cluster.change_status(POD, pod, lambda it: pods.end(it, code, reason, text, finished))

    # ends from outside

    def _stop(self, pod: Object) -> None:
        """A pod that is being deleted is stopped, and gone a moment later."""
        self._forget(pod)
        if not pods.is_engine(pod) and not pods.is_over(pod) and pod["status"]["phase"] == "Running":
            self._fail(pod, (), "Terminated", "told to stop")
        self._cluster.after(0.05, self._cluster.stopped, POD, pod)

    def evict(self, pod: Object) -> None:
        """A kubelet short of memory or disk throws a pod out; its object stays."""
        if pods.going(pod) or pods.is_over(pod):
            return
        self._forget(pod)
        self._cluster.tell("kubelet", f"evicts {pod['metadata']['name']}")

        def failed(it: Object) -> None:
            it["status"]["phase"], it["status"]["reason"] = "Failed", "Evicted"
            it["status"]["message"] = "The node was low on resource: ephemeral-storage."
            pods.set_condition(it, "Ready", "False")

        self._cluster.change_status(POD, pod, failed)

    def _booted(self, machine: Machine) -> None:
        """A node has started again: what ran on it runs no more, unless it was only cut off."""
        if self._cluster.dice.random() < 0.5:
            return
        for pod in self._cluster.objects(POD):
            if pods.node_of(pod) != machine.name or pods.is_over(pod) or pods.going(pod):
                continue
            self._lose(pod)

    def _lose(self, pod: Object) -> None:
        """The node knows no more of a container that it ran."""
        self._forget(pod)
        finished = self._cluster.node_stamp(pods.node_of(pod))
        if not pods.is_engine(pod):
            self._cluster.change_status(POD, pod, lambda it: pods.end(it, 255, "Unknown", "", finished))
        elif pods.is_running(pod):
            self._cluster.change_status(POD, pod, lambda it: pods.fall(it, 137, "ContainerStatusUnknown", finished))
            self._later(pod, 10, self._start)
