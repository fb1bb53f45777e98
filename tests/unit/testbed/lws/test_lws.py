"""LWS's stand-in: what it makes of a LeaderWorkerSet, when it makes a group anew, and what it says of it."""

from __future__ import annotations

import copy

import pytest

from autotuner.kubernetes_object import Object
from testbed.lws.groups import missing_labels, status, to_recreate
from testbed.lws.install import definitions
from testbed.lws.render import PREFIX, leaders, revision, service, workers

POD = {
    "metadata": {"labels": {"own": "1"}},
    "spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "1"}]}]},
}


def lws(
    policy: str = "RecreateGroupOnPodRestart", size: int = 2, leader: Object | None = None, **spec: object
) -> Object:
    group = {"size": size, "restartPolicy": policy, "workerTemplate": copy.deepcopy(POD)}
    group |= {"leaderTemplate": leader} if leader else {}
    meta = {"name": "a", "namespace": "n", "uid": "u", "generation": 1, "labels": {"of-set": "1"}}
    return {"metadata": meta, "spec": {"replicas": 1, "leaderWorkerTemplate": group, **spec}}


def pod(name: str, *, ready: bool = True, restarts: int = 0, deleting: bool = False, rank: str = "") -> Object:
    meta: Object = {"name": name, "namespace": "n", "uid": f"uid-{name}", "labels": {}}
    if rank:
        meta["labels"][f"{PREFIX}worker-index"] = rank
    if deleting:
        meta["deletionTimestamp"] = "now"
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": meta, "status": {"conditions": conditions, "containerStatuses": [{"restartCount": restarts}]}}


LEADER = pod("a-0", rank="0")


def test_the_leader_is_made_of_the_workers_template_where_it_has_none() -> None:
    found = leaders(lws())
    template = found["spec"]["template"]
    assert found["metadata"]["name"] == "a"
    assert template["metadata"]["labels"].items() >= {"own": "1", f"{PREFIX}worker-index": "0"}.items()
    assert "of-set" not in template["metadata"]["labels"]
    assert found["metadata"]["labels"]["of-set"] == "1"
    assert [one["name"] for one in template["spec"]["containers"][0]["env"]][1:] == [
        *("LWS_LEADER_ADDRESS", "LWS_GROUP_SIZE", "LWS_WORKER_INDEX", "A"),
    ]


def test_workers_belong_to_their_leaders_pod() -> None:
    found = workers(lws(size=3), LEADER)
    assert (found["metadata"]["name"], found["spec"]["replicas"], found["spec"]["ordinals"]) == ("a-0", 2, {"start": 1})
    assert found["metadata"]["ownerReferences"][0]["uid"] == "uid-a-0"
    address = found["spec"]["template"]["spec"]["containers"][0]["env"][0]
    assert address == {"name": "LWS_LEADER_ADDRESS", "value": "a-0.a.n"}


def test_the_service_has_no_port() -> None:
    assert service(lws())["spec"] == {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {f"{PREFIX}name": "a"},
    }


@pytest.mark.parametrize(
    ("policy", "leader", "worker", "failed"),
    [
        ("RecreateGroupOnPodRestart", LEADER, pod("a-0-1"), None),
        ("RecreateGroupOnPodRestart", LEADER, pod("a-0-1", restarts=1), "a-0-1"),
        ("RecreateGroupOnPodRestart", LEADER, pod("a-0-1", deleting=True), "a-0-1"),
        ("RecreateGroupOnPodRestart", pod("a-0", restarts=1), pod("a-0-1"), "a-0"),
        ("RecreateGroupOnPodRestart", pod("a-0", deleting=True), pod("a-0-1", restarts=1), None),
        ("None", pod("a-0", restarts=1), pod("a-0-1", restarts=1), None),
    ],
)
def test_a_restart_makes_the_group_anew_unless_the_policy_is_none(
    policy: str, leader: Object, worker: Object, failed: str | None
) -> None:
    found = to_recreate(lws(policy), leader, [worker])
    assert (found["metadata"]["name"] if found else None) == failed


def conditions(found: Object) -> dict[str, str]:
    return {one["type"]: one["status"] for one in found["conditions"]}


def test_available_appears_with_the_first_success_and_ignores_terminating_pods() -> None:
    body = lws()
    first = status(body, [(LEADER, [pod("a-0-1", ready=False)])], "t1")
    assert (conditions(first), first.get("readyReplicas")) == ({"Progressing": "True"}, None)
    body["status"] = first
    second = status(body, [(LEADER, [pod("a-0-1")])], "t2")
    assert conditions(second) == {"Progressing": "False", "Available": "True"}
    body["status"] = second
    assert conditions(status(body, [(pod("a-0", deleting=True), [pod("a-0-1", deleting=True)])], "t3")) == conditions(
        second
    )


def test_no_replicas_are_available_at_once() -> None:
    assert conditions(status(lws(replicas=0), [], "t1"))["Available"] == "True"


def test_either_template_makes_another_revision() -> None:
    assert len({revision(lws()), revision(lws(size=3)), revision(lws(leader=POD))}) == 3


@pytest.mark.parametrize(
    ("found", "labels"),
    [
        (pod("a-0", rank="0"), {f"{PREFIX}group-index": "0"}),
        (pod("a-0-1"), {}),
    ],
)
def test_labels_that_a_webhook_would_give(found: Object, labels: dict[str, str]) -> None:
    assert missing_labels(found) == labels


def test_the_kind_has_the_defaults_that_lws_stores() -> None:
    (crd,) = definitions()
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert spec["replicas"]["default"] == 1
    assert spec["leaderWorkerTemplate"]["properties"]["restartPolicy"]["default"] == "RecreateGroupOnPodRestart"
