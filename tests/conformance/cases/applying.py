"""Server-side apply: who manages a field, and what becomes of it when nobody says it any more."""

from __future__ import annotations

from typing import Any

from autotuner.kube import CONFIG_MAP, EXPERIMENT, TASK
from autotuner.kubernetes_object import Object
from tests.conformance.cases.objects import UNSEEN, at, config_map, version
from tests.conformance.server import RefusedError, Server, refused
from tests.support.objects import make_experiment, make_task

CONFLICT = RefusedError(409, "Conflict")


def _condition(kind: str, status: str = "True", **more: Any) -> Object:
    stamp = "2026-01-01T00:00:00Z"
    return {"type": kind, "status": status, "reason": "So", "lastTransitionTime": stamp, **more}


async def _status(server: Server, status: Object, seen: Object | None = None, **options: Any) -> Object:
    body = at(TASK, "chat", version(seen) if seen else "", status=status)
    return await server.apply(TASK, body, subresource="status", **options)


async def a_status_is_what_was_applied_last(server: Server) -> None:
    await server.create(TASK, make_task())
    usage = {"gpuHours": 1.5, "remainingGPUHours": 2}
    first = await _status(server, {"phase": "Running", "message": "so", "usage": usage})
    second = await _status(server, {"phase": "Running", "usage": {"gpuHours": 1.5}})
    third = await _status(server, {"phase": "Running"})

    assert first["status"]["usage"] == usage
    assert second["status"] == {**UNSEEN, "phase": "Running", "usage": {"gpuHours": 1.5}}
    assert third["status"] == {**UNSEEN, "phase": "Running"}
    assert int(version(first)) < int(version(second)) < int(version(third))
    assert third["metadata"]["generation"] == 1


async def applying_the_same_again_changes_nothing(server: Server) -> None:
    await server.create(TASK, make_task())
    first = await _status(server, {"phase": "Running", "conditions": [_condition("Valid")]})

    assert version(await _status(server, {"phase": "Running", "conditions": [_condition("Valid")]})) == version(first)


async def a_stale_status_is_a_conflict_even_by_force(server: Server) -> None:
    read = await server.create(TASK, make_task())
    await server.merge(TASK, "chat", {"spec": {"suspend": True}})

    assert await refused(_status(server, {"phase": "Running"}, read)) == CONFLICT
    assert (await server.get(TASK, "chat"))["status"] == UNSEEN
    await _status(server, {"phase": "Running"}, await server.get(TASK, "chat"))


async def a_status_of_what_is_not_there(server: Server) -> None:
    assert await refused(_status(server, {"phase": "Running"})) == RefusedError(404, "NotFound")


async def a_status_cannot_bring_anything_else(server: Server) -> None:
    await server.create(TASK, make_task())
    body = at(TASK, "chat", status={"phase": "Running"}, spec={"suspend": True})
    body["metadata"]["labels"] = {"a": "b"}

    applied = await server.apply(TASK, body, subresource="status")

    assert (applied["spec"]["suspend"], applied["metadata"].get("labels")) == (False, None)
    assert applied["status"] == {**UNSEEN, "phase": "Running"}


async def conditions_are_told_apart_by_their_type(server: Server) -> None:
    await server.create(TASK, make_task())
    await _status(
        server, {"conditions": [_condition("Valid"), _condition("ModelReady"), _condition("Finished", "False")]}
    )
    applied = await _status(server, {"conditions": [_condition("Finished"), _condition("Valid", "False")]})

    found = [(one["type"], one["status"]) for one in applied["status"]["conditions"]]
    assert found == [("Finished", "True"), ("Valid", "False")]


async def defaults_in_a_status_are_filled_in(server: Server) -> None:
    await server.create(EXPERIMENT, make_experiment())
    body = at(EXPERIMENT, "chat-1", status={"conditions": [_condition("Finished")], "evidence": {"exitCode": 1}})

    status = (await server.apply(EXPERIMENT, body, subresource="status"))["status"]

    assert (status["conditions"][0]["message"], status["conditions"][0]["observedGeneration"]) == ("", 0)
    assert status["evidence"] == {"exitCode": 1, "logTail": ""}


async def what_was_filled_in_goes_with_what_it_was_filled_into(server: Server) -> None:
    await server.create(EXPERIMENT, make_experiment())
    for status in ({"phase": "Failed", "evidence": {"exitCode": 1}}, {"phase": "Failed"}):
        applied = await server.apply(EXPERIMENT, at(EXPERIMENT, "chat-1", status=status), subresource="status")

    assert applied["status"] == {**UNSEEN, "phase": "Failed"}


async def a_status_that_is_applied_empty_is_its_default(server: Server) -> None:
    await server.create(TASK, make_task())
    await _status(server, {"phase": "Running", "message": "so"})

    assert (await _status(server, {}))["status"] == UNSEEN


async def what_another_manager_says_stays(server: Server) -> None:
    await server.create(TASK, make_task())
    await _status(server, {"phase": "Running", "message": "ours"})
    await _status(server, {"search": {"expectedGain": "1%"}}, manager="other")
    applied = await _status(server, {"phase": "Running"})

    assert applied["status"] == {**UNSEEN, "phase": "Running", "search": {"expectedGain": "1%"}}


async def what_another_manager_says_is_a_conflict_without_force(server: Server) -> None:
    await server.create(TASK, make_task())
    await _status(server, {"phase": "Running"}, manager="other")

    assert await refused(_status(server, {"phase": "Failed"}, force=False)) == CONFLICT
    assert (await _status(server, {"phase": "Running", "message": "so"}, force=False))["status"]["message"] == "so"


async def by_force_a_field_changes_hands(server: Server) -> None:
    await server.create(TASK, make_task())
    await _status(server, {"phase": "Running", "message": "theirs"}, manager="other")
    await _status(server, {"phase": "Failed"})
    left = await _status(server, {"message": "theirs"}, manager="other")
    gone = await _status(server, {"message": "ours"})

    assert left["status"] == {**UNSEEN, "phase": "Failed", "message": "theirs"}
    assert gone["status"] == {**UNSEEN, "message": "ours"}


async def two_managers_may_say_the_same(server: Server) -> None:
    await server.create(TASK, make_task())
    await _status(server, {"phase": "Running", "message": "so"})
    await _status(server, {"phase": "Running"}, manager="other", force=False)
    kept = await _status(server, {"message": "so"})
    gone = await _status(server, {"search": {"expectedGain": "1%"}}, manager="other")

    assert kept["status"] == {**UNSEEN, "phase": "Running", "message": "so"}
    assert gone["status"]["message"] == "so"
    assert "phase" not in gone["status"]


async def what_somebody_changed_by_hand_is_no_longer_ours_to_drop(server: Server) -> None:
    await server.create(TASK, make_task())
    await _status(server, {"phase": "Running", "message": "ours"})
    await server.merge(TASK, "chat", {"status": {"message": "theirs"}}, subresource="status", manager="kubectl-edit")
    kept = await _status(server, {"phase": "Failed"})
    taken = await _status(server, {"phase": "Failed", "message": "ours"})
    gone = await _status(server, {"phase": "Failed"})

    assert [one["status"].get("message") for one in (kept, taken, gone)] == ["theirs", "ours", None]


async def what_somebody_took_away_comes_back(server: Server) -> None:
    await server.create(TASK, make_task())
    await _status(server, {"phase": "Running", "message": "ours"})
    await server.merge(TASK, "chat", {"status": None}, subresource="status", manager="kubectl-edit")

    assert (await _status(server, {"phase": "Running", "message": "ours"}))["status"]["message"] == "ours"


async def a_config_map_is_made_and_followed(server: Server) -> None:
    made = await server.apply(CONFIG_MAP, config_map(data={"a": "1", "b": "2"}, labels={"x": "1", "y": "2"}))
    again = await server.apply(CONFIG_MAP, config_map(data={"a": "1", "b": "2"}, labels={"x": "1", "y": "2"}))
    less = await server.apply(CONFIG_MAP, config_map(data={"b": "3"}, labels={"y": "2"}))

    assert made["data"] == {"a": "1", "b": "2"}
    assert version(again) == version(made)
    assert (less["data"], less["metadata"]["labels"]) == ({"b": "3"}, {"y": "2"})
    assert less["metadata"]["uid"] == made["metadata"]["uid"]


async def keys_of_others_stay_in_a_config_map(server: Server) -> None:
    await server.apply(CONFIG_MAP, config_map(data={"a": "1"}, labels={"x": "1"}))
    await server.merge(CONFIG_MAP, "notes", {"data": {"b": "2"}, "metadata": {"labels": {"y": "2"}}}, manager="kubectl")
    applied = await server.apply(CONFIG_MAP, config_map(data={"c": "3"}, labels={"z": "3"}))

    assert applied["data"] == {"b": "2", "c": "3"}
    assert applied["metadata"]["labels"] == {"y": "2", "z": "3"}


async def what_was_created_otherwise_is_not_dropped_by_an_apply(server: Server) -> None:
    await server.create(CONFIG_MAP, config_map(data={"a": "1"}))
    applied = await server.apply(CONFIG_MAP, config_map(data={"b": "2"}))

    assert applied["data"] == {"a": "1", "b": "2"}


async def an_empty_config_map(server: Server) -> None:
    await server.apply(CONFIG_MAP, config_map(data={"a": "1"}))
    applied = await server.apply(CONFIG_MAP, config_map())

    assert not applied.get("data")


async def owners_are_told_apart_by_their_uid(server: Server) -> None:
    task = await server.create(TASK, make_task())
    meta = task["metadata"]
    owner = {"apiVersion": TASK.api_version, "kind": "TuningTask", "name": "chat", "uid": meta["uid"]}
    await server.apply(CONFIG_MAP, config_map(ownerReferences=[owner]))
    applied = await server.apply(CONFIG_MAP, config_map(ownerReferences=[{**owner, "controller": True}]))

    assert applied["metadata"]["ownerReferences"] == [{**owner, "controller": True}]


async def a_version_in_an_apply(server: Server) -> None:
    made = await server.apply(CONFIG_MAP, config_map(data={"a": "1"}))
    await server.apply(CONFIG_MAP, config_map(data={"a": "2"}, resourceVersion=version(made)))

    stale = config_map(data={"a": "3"}, resourceVersion=version(made))
    assert await refused(server.apply(CONFIG_MAP, stale)) == CONFLICT
    # Of an object that is not there, any version will do.
    await server.apply(CONFIG_MAP, config_map("other", resourceVersion="1"))


async def a_whole_task_can_be_applied(server: Server) -> None:
    made = await server.apply(TASK, make_task(), manager="argocd")
    less = make_task()
    del less["spec"]["slos"], less["spec"]["parameters"][3]
    applied = await server.apply(TASK, less, manager="argocd")

    assert made["spec"]["suspend"] is False
    assert "slos" not in applied["spec"]
    assert [one["name"] for one in applied["spec"]["parameters"]] == [
        "tp-size",
        "schedule-conservativeness",
        "schedule-policy",
    ]
    assert applied["metadata"]["generation"] == 2
