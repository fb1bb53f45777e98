"""The LeaderWorkerSet of an experiment, and the patch of the user's own."""

from __future__ import annotations

import copy
import re

import jsonpatch
import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving.lws.leader_worker_group import root_name
from tests.unit.serving.lws.sets import (
    ALIKE,
    BACKEND,
    EVERYWHERE,
    GPU,
    MODEL,
    RAY,
    RAY_WORKER,
    data_of,
    experiment_of,
    lws,
    pod,
    rendered,
)

WON = ["--tensor-parallel-size=4", "--pipeline-parallel-size=2"]


@pytest.mark.parametrize("name", ["chat-7", "c" * 40 + "-9999", "c" * 50, "c" * 48 + "-1"])
def test_the_name_of_a_set_is_none_of_a_group_and_fits(name: str) -> None:
    found = root_name(name)
    assert len(found) <= 50
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", found)
    assert not re.search(r"-\d+$", found), "it would be that of a group of another set"
    assert found.startswith(name[:37])


def test_long_names_stay_apart() -> None:
    assert root_name("c" * 50) != root_name("c" * 49)


def test_an_experiment_is_one_group_whose_crashes_are_seen() -> None:
    root = rendered(data_of(RAY), WON, 8)
    group = root["spec"]["leaderWorkerTemplate"]

    assert root["metadata"]["name"] == "chat-1-lws"
    assert root["spec"]["replicas"] == 1
    assert (group["size"], group["restartPolicy"]) == (2, "None")
    assert root["metadata"]["ownerReferences"][0]["kind"] == "TuningExperiment"


@pytest.mark.parametrize("role", ["leaderTemplate", "workerTemplate"])
def test_only_our_labels_are_on_both_kinds_of_pods(role: str) -> None:
    root = rendered(data_of(RAY), WON, 8, labels={"cost": "7"}, queueName="gpus")
    template = root["spec"]["leaderWorkerTemplate"][role]

    assert template["metadata"]["labels"] == {
        "cost": "7",
        "autotuner.io/experiment": "chat-1",
        "autotuner.io/experiment-uid": "uid-chat-1",
        "autotuner.io/backend": "LeaderWorkerSet",
    }
    assert root["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus", "a group queues as one"
    assert template["spec"]["containers"][0]["resources"]["limits"][GPU] == "4", "its share of eight"


def words(template: Object) -> list[str]:
    container = template["spec"]["containers"][0]
    return [*container.get("command", ()), *container.get("args", ())]


def test_workers_that_run_no_engine_keep_their_words() -> None:
    group = rendered(data_of(RAY), WON, 8)["spec"]["leaderWorkerTemplate"]
    assert words(group["workerTemplate"]) == [*RAY_WORKER["command"], *RAY_WORKER["args"]]
    (script,) = words(group["leaderTemplate"])[2:]
    assert script.startswith("bash /vllm-workspace/multi-node-serving.sh leader --ray_cluster_size=2;")
    assert script.endswith(f"vllm serve {MODEL} --port 8080 {' '.join(WON)}")


def test_workers_that_run_the_engine_follow_the_leader() -> None:
    group = rendered(data_of(ALIKE), ["--tp=8", "--pp-size=2", "--nnodes=2"])["spec"]["leaderWorkerTemplate"]
    address = ["--dist-init-addr", "$(LWS_LEADER_ADDRESS):20000", "--node-rank", "$(LWS_WORKER_INDEX)"]
    for role in ("leaderTemplate", "workerTemplate"):
        assert words(group[role])[5:] == [*address, "--tp=8", "--pp-size=2", "--nnodes=2"]


def test_what_only_one_of_them_has_stays_its_own() -> None:
    leader = {"command": ["vllm", "serve", "m"], "args": ["--tp=2", "--data-parallel-rank=0", "--api-server-count=4"]}
    worker = {"command": ["vllm", "serve", "m"], "args": ["--tp=2", "--data-parallel-rank=1", "--headless"]}
    data = data_of(lws(pod(leader), pod(worker)))
    tuned = ["--tp=4", "--data-parallel-rank=0", "--api-server-count=4", "--max-num-seqs=8"]
    group = rendered(data, tuned)["spec"]["leaderWorkerTemplate"]

    assert words(group["leaderTemplate"])[3:] == tuned
    assert sorted(words(group["workerTemplate"])[3:]) == sorted(
        ["--tp=4", "--max-num-seqs=8", "--data-parallel-rank=1", "--headless"]
    )


def test_a_service_leads_to_the_leader_alone() -> None:
    data = data_of(RAY)
    body, service = experiment_of(data, WON, 8)
    root = BACKEND.render(body, service, {"data": data})
    root["metadata"]["uid"] = "uid-root"
    ((resource, found),) = BACKEND.companions(body, service, root)

    assert (resource.kind, found["metadata"]["name"]) == ("Service", "chat-1-lws-engine")
    assert found["spec"]["selector"] == {
        "autotuner.io/experiment-uid": "uid-chat-1",
        "autotuner.io/backend": "LeaderWorkerSet",
        "leaderworkerset.sigs.k8s.io/worker-index": "0",
    }
    assert found["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": 8080}]


@pytest.mark.parametrize(("found", "gpus"), [(RAY, 8), (ALIKE, 16), (lws(None, pod(EVERYWHERE), size=1), 4)])
def test_the_patch_makes_the_users_set_what_was_measured(found: Object, gpus: int) -> None:
    data = data_of(found)
    args = WON if found is RAY else ["--tp=4"]
    body, service = experiment_of(data, args, gpus)
    won = BACKEND.winner(body, service, {"data": data}, "any")
    assert won.patch_of is not None
    assert (won.patch_of.resource.kind, won.patch_of.name, won.patch_of.type) == ("LeaderWorkerSet", "chat", "json")
    assert isinstance(won.body, list)
    patched = jsonpatch.apply_patch(copy.deepcopy(found), won.body)
    again = data_of(patched)

    assert BACKEND.engine_template(again).args == args
    share = str(gpus // data["size"])
    assert [one["spec"]["containers"][0]["resources"]["limits"][GPU] for one in both(patched)] == [share, share]
    assert ("leaderTemplate" in patched["spec"]["leaderWorkerTemplate"]) == (found is RAY)
    assert [one["metadata"] for one in both(patched)] == [one["metadata"] for one in both(found)]


def both(found: Object) -> list[Object]:
    group = found["spec"]["leaderWorkerTemplate"]
    return [group.get("leaderTemplate", group["workerTemplate"]), group["workerTemplate"]]


def test_a_set_whose_containers_were_moved_is_not_patched() -> None:
    data = data_of(RAY)
    body, service = experiment_of(data, WON, 8)
    won = BACKEND.winner(body, service, {"data": data}, "any")
    moved = copy.deepcopy(RAY)
    moved["spec"]["leaderWorkerTemplate"]["leaderTemplate"]["spec"]["containers"].insert(0, {"name": "other"})
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(moved, won.body)
