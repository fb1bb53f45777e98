"""The real node of this machine does what nodes do: the good path, and every way in which a pod fails."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from tests.realnode.cluster import Cluster

pytestmark = pytest.mark.full

IMAGE = "localhost/python:1"
SECONDS = 90.0
GREEDY = ["python3", "-c", "x=[]\nfor i in range(400): x.append(bytearray(b'1'*2**20))"]
LITTLE = {"limits": {"memory": "64Mi"}}
SERVER = "mkdir /tmp/w; echo real answer >/tmp/w/index.html; exec python3 -m http.server 8080 --directory /tmp/w"
CLIENT = (
    "for i in $(seq 60); do curl -sf -o /tmp/a http://web.proof.svc.cluster.local:8080/ && break; sleep 0.5; done; "
    "cat /tmp/a >/dev/termination-log"
)


def pod(name: str, restart: str = "Never", **container: Any) -> Object:
    container = {"name": "c", "image": IMAGE, "imagePullPolicy": "Never", **container}
    spec = {"restartPolicy": restart, "terminationGracePeriodSeconds": 1, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def job(name: str, limits: Object, *command: str) -> Object:
    spec = {**limits, "template": {"spec": pod("x", command=list(command))["spec"]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


# A pod, and the states of its container that count as seen: (state or lastState, what, reason).
STATES: list[tuple[Object, set[tuple[str, str, str]]]] = [
    (pod("oom", command=GREEDY, resources=LITTLE), {("state", "terminated", "OOMKilled")}),
    (pod("oom-loop", "Always", command=GREEDY, resources=LITTLE), {("lastState", "terminated", "OOMKilled")}),
    (pod("exit", command=["sh", "-c", "exit 3"]), {("state", "terminated", "Error")}),
    (pod("crash", "Always", command=["sh", "-c", "exit 3"]), {("state", "waiting", "CrashLoopBackOff")}),
    (pod("never", image="localhost/none:1"), {("state", "waiting", "ErrImageNeverPull")}),
    (
        pod("pull", image="nowhere.invalid/none:1", imagePullPolicy="IfNotPresent"),
        {("state", "waiting", "ImagePullBackOff")},
    ),
    (pod("bad-name", image="localhost/Not A Name"), {("state", "waiting", "InvalidImageName")}),
    (pod("no-program", command=["/no/such/program"]), {("state", "terminated", "StartError")}),
    (
        pod("no-config", envFrom=[{"configMapRef": {"name": "none"}}]),
        {("state", "waiting", "CreateContainerConfigError")},
    ),
]
SERVICE: Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 8080}]},
}
OTHERS: list[Object] = [
    pod("web", command=["sh", "-c", SERVER], resources={"limits": {"nvidia.com/gpu": 2}}),
    SERVICE,
    job("client", {"backoffLimit": 0}, "sh", "-ec", CLIENT),
    pod("too-many", command=["sleep", "600"], resources={"limits": {"nvidia.com/gpu": 9}}),
    pod(
        "disk",
        command=["sh", "-c", "dd if=/dev/zero of=/tmp/f bs=1M count=50; sleep 600"],
        resources={"limits": {"ephemeral-storage": "10Mi"}},
    ),
    job("late", {"activeDeadlineSeconds": 3}, "sleep", "600"),
    job("failing", {"backoffLimit": 1}, "sh", "-c", "exit 5"),
]


class Proof:
    """A namespace with pods and jobs of every kind."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def kubectl(self, *words: str, told: str | None = None) -> str:
        return self._cluster.kubectl("--namespace=proof", *words, told=told)

    def get(self, kind: str, name: str) -> Object:
        body: Object = json.loads(self.kubectl("get", kind, name, "-o=json"))
        return body

    def wait(self, look: Callable[[], Any]) -> Any:
        """What is looked for, once it is there."""
        deadline = time.monotonic() + SECONDS
        while not (found := look()):
            assert time.monotonic() < deadline, self.kubectl("get", "pods,jobs", "-o=wide")
            time.sleep(0.3)
        return found

    def conditions(self, kind: str, name: str) -> set[tuple[str, str | None]]:
        return {(one["type"], one.get("reason")) for one in self.get(kind, name)["status"].get("conditions", [])}

    def states(self, name: str) -> set[tuple[str, str, str]]:
        """The states that the pod's container is and was in."""
        (container,) = self.get("pod", name)["status"].get("containerStatuses") or [{}]
        places = ("state", "lastState")
        return {
            (place, what, one.get("reason", "")) for place in places for what, one in container.get(place, {}).items()
        }


@pytest.fixture(scope="module")
def proof(cluster: Cluster) -> Iterator[Proof]:
    """All pods and jobs at once; each test waits for its own."""
    if cluster.node is None:
        pytest.skip("not run: KUBECONFIG names a cluster, whose nodes are not ours to prove")
    made = Proof(cluster)
    cluster.kubectl("create", "namespace", "proof")
    made.wait(lambda: "default" in made.kubectl("get", "serviceaccounts", "-o=name"))
    items = [*(body for body, _ in STATES), *OTHERS]
    made.kubectl("apply", "-f=-", told=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    yield made
    cluster.kubectl("delete", "namespace", "proof")


@pytest.mark.parametrize(("body", "want"), STATES, ids=[body["metadata"]["name"] for body, _ in STATES])
def test_how_a_container_fails_is_told(proof: Proof, body: Object, want: set[tuple[str, str, str]]) -> None:
    assert proof.wait(lambda: want & proof.states(body["metadata"]["name"]))


@pytest.mark.parametrize(
    ("kind", "name", "want"),
    [
        ("pod", "too-many", ("PodScheduled", "Unschedulable")),
        ("job", "late", ("Failed", "DeadlineExceeded")),
        ("job", "failing", ("Failed", "BackoffLimitExceeded")),
    ],
)
def test_what_cannot_go_on_is_told(proof: Proof, kind: str, name: str, want: tuple[str, str]) -> None:
    assert proof.wait(lambda: want in proof.conditions(kind, name))


def test_a_pod_that_fills_the_disk_is_evicted(proof: Proof) -> None:
    assert proof.wait(lambda: proof.get("pod", "disk")["status"].get("reason") == "Evicted")


def test_a_job_reaches_a_server_by_its_dns_name(proof: Proof) -> None:
    proof.wait(lambda: proof.get("job", "client")["status"].get("succeeded"))
    pods = json.loads(proof.kubectl("get", "pods", "-l=job-name=client", "-o=json"))["items"]
    (message,) = {one["status"]["containerStatuses"][0]["state"]["terminated"]["message"] for one in pods}
    assert message == "real answer\n"


def test_a_process_of_the_machine_reaches_it_in_the_node(proof: Proof, cluster: Cluster) -> None:
    assert cluster.node
    proof.wait(lambda: proof.get("pod", "web")["status"]["phase"] == "Running")
    proof.wait(lambda: ("state", "running", "") in proof.states("web"))
    address = "http://web.proof.svc.cluster.local:8080/"
    assert proof.wait(lambda: cluster.node and cluster.node.enter("sh", "-c", f"curl -sf {address} || true"))


def test_a_command_runs_in_a_pod(proof: Proof) -> None:
    proof.wait(lambda: ("state", "running", "") in proof.states("web"))
    assert proof.kubectl("exec", "web", "--", "python3", "-V").startswith("Python 3.")
