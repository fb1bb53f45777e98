"""What is read of a LeaderWorkerSet, and which cannot be copied."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving.backend import UnusableTargetError
from autotuner.serving.target import reading
from tests.unit.serving.lws.sets import (
    ALIKE,
    BACKEND,
    EVERYWHERE,
    MODEL,
    RAY,
    RAY_LEADER,
    RAY_WORKER,
    data_of,
    lws,
    pod,
)


@pytest.mark.parametrize(
    ("found", "flags", "runs_engine"),
    [
        (RAY, ["--tensor-parallel-size", "8", "--pipeline-parallel-size", "2"], False),
        (ALIKE, ["--tp", "16", "--nnodes", "2", "--mem-fraction-static=0.85"], True),
        (
            lws(pod({"args": [f"--model={MODEL}", "--pipeline-parallel-size=$(LWS_GROUP_SIZE)"]}), pod(RAY_WORKER)),
            ["--pipeline-parallel-size=2"],
            False,
        ),
        (
            lws(
                None,
                pod({"command": ["sh", "-c", "exec vllm serve m --node-rank $LWS_WORKER_INDEX --a ${LWS_GROUP_SIZE}"]}),
            ),
            ["--a", "2"],
            True,
        ),
    ],
)
def test_the_engine_of_leader_and_workers(found: Object, flags: list[str], runs_engine: bool) -> None:
    data = data_of(found)
    template = BACKEND.engine_template(data)

    assert template.args == flags
    assert (template.pods, data["workers"]["runs_engine"]) == (2, runs_engine)


def test_a_worker_runs_the_engine_that_the_task_names_if_it_starts_the_same_program() -> None:
    own = {"command": ["python", "-m", "ours.server"], "args": ["--tp=2"]}
    for worker, same in (
        (own, True),
        ({"command": ["sleep", "9"]}, False),
        ({"command": ["python", "-m", "x"]}, False),
    ):
        data = data_of(lws(pod(own), pod(worker, name="w")), engine="SGLang")
        assert data["workers"]["runs_engine"] == same


def test_a_group_of_one_has_no_workers() -> None:
    data = data_of(lws(None, pod(EVERYWHERE), size=1))
    assert "workers" not in data
    assert BACKEND.engine_template(data).pods == 1


def with_env(container: Object, value: str) -> Object:
    return {**container, "env": [{"name": "HOST", "value": value}]}


def meta(**fields: Any) -> Object:
    found = copy.deepcopy(RAY)
    found["metadata"] |= fields
    return found


UNREADABLE = {"command": ["sh", "-c", "if true; then vllm serve m; fi"]}
CLAIMS = copy.deepcopy(RAY)
CLAIMS["spec"]["leaderWorkerTemplate"]["volumeClaimTemplates"] = [{"metadata": {"name": "c"}}]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "LeaderWorkerSet chat does not exist"),
        (lws(pod(RAY_LEADER), pod(RAY_WORKER), replicas=0), "has no replicas"),
        (meta(deletionTimestamp="x"), "is being deleted"),
        (meta(ownerReferences=[{"controller": True, "kind": "Other", "name": "o"}]), "is made by Other o"),
        (CLAIMS, "volumeClaimTemplates"),
        (
            lws(pod(RAY_LEADER), pod(UNREADABLE)),
            "workerTemplate: container 'engine': the engine's flags cannot be read",
        ),
        (lws(pod(RAY_LEADER, 4), pod(RAY_WORKER, 8)), "not as many accelerators in each pod"),
        (lws(pod(RAY_LEADER), pod(RAY_WORKER, None)), "workers: none"),
        (
            lws(pod(RAY_LEADER), pod(with_env(RAY_WORKER, "tcp://chat-0.chat:6379"))),
            r"leaderWorkerTemplate.workerTemplate.spec.containers\[engine\].env\[HOST\] names chat-0.chat, a host",
        ),
        (lws(pod(with_env(RAY_LEADER, "chat.team.svc")), pod(RAY_WORKER)), "leaderTemplate.* names chat.team"),
        (lws(pod(with_env(RAY_LEADER, "chat:80")), pod(RAY_WORKER)), "names chat:80"),
    ],
)
def test_what_cannot_be_copied_is_refused(found: Object | None, why: str) -> None:
    with pytest.raises(UnusableTargetError, match=why):
        data_of(found)


@pytest.mark.parametrize("harmless", ["chat", "chat-3-8b", "/templates/chat.jinja", "my-chat-0.chat", "chat-0"])
def test_the_name_itself_is_no_host(harmless: str) -> None:
    assert data_of(lws(pod(with_env(RAY_LEADER, harmless)), pod(RAY_WORKER)))


def test_another_size_or_other_workers_are_a_change_and_replicas_are_none() -> None:
    first = data_of(RAY)
    assert reading.same(first, data_of(lws(pod(RAY_LEADER), pod(RAY_WORKER, name="ray"), replicas=5)))
    assert not reading.same(first, data_of(lws(pod(RAY_LEADER), pod(RAY_WORKER, name="ray"), size=4)))
    assert not reading.same(first, data_of(lws(pod(RAY_LEADER), pod(with_env(RAY_WORKER, "x"), name="ray"))))


def test_what_a_copy_does_without_is_told() -> None:
    assert reading.NOTES not in data_of(RAY)
    found = meta(annotations={"leaderworkerset.sigs.k8s.io/exclusive-topology": "rack"})
    found["spec"]["leaderWorkerTemplate"]["subGroupPolicy"] = {"subGroupSize": 2}
    data = data_of(found)
    assert [note.partition(",")[0] for note in data[reading.NOTES]] == [
        "copies have no subGroupPolicy",
        "copies are not placed exclusively (leaderworkerset.sigs.k8s.io/exclusive-topology)",
    ]
    assert reading.same(data, data_of(RAY))


def test_the_claims_of_workers_are_known_too() -> None:
    volumes = [{"name": "w", "persistentVolumeClaim": {"claimName": "weights"}}]
    assert reading.claims(data_of(lws(pod(RAY_LEADER), pod(RAY_WORKER, volumes=volumes)))) == ["weights"]
