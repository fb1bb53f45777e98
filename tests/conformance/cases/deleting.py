"""Deleting objects: preconditions, finalizers, and pods that need time."""

from __future__ import annotations

from datetime import datetime

from autotuner.kube import CONFIG_MAP, POD, TASK
from tests.conformance.cases.objects import config_map, pod, version
from tests.conformance.server import UID, RefusedError, Server, invalid, refused
from tests.support.objects import edited, make_task

MISSING = RefusedError(404, "NotFound")
CONFLICT = RefusedError(409, "Conflict")
HOLD = "tests.autotuner.io/hold"
OTHER = "tests.autotuner.io/other"


def _held(*finalizers: str) -> dict[str, object]:
    return {"metadata.finalizers": list(finalizers)}


async def what_nobody_holds_is_gone_at_once(server: Server) -> None:
    for propagation in ("", "Background"):
        await server.create(TASK, make_task())
        await server.delete(TASK, "chat", propagation=propagation)
        assert await refused(server.get(TASK, "chat")) == MISSING


async def only_the_object_that_is_meant_is_deleted(server: Server) -> None:
    made = await server.create(TASK, make_task())

    assert await refused(server.delete(TASK, "chat", uid=UID)) == CONFLICT
    assert await refused(server.delete(TASK, "chat", version="1")) == CONFLICT
    await server.delete(TASK, "chat", uid=made["metadata"]["uid"], version=version(made))
    assert await refused(server.delete(TASK, "chat")) == MISSING


async def a_finalizer_holds_an_object(server: Server) -> None:
    made = await server.create(TASK, edited(make_task(), _held(HOLD)))
    await server.delete(TASK, "chat")
    held = await server.get(TASK, "chat")

    meta = held["metadata"]
    assert (meta["finalizers"], meta["deletionGracePeriodSeconds"]) == ([HOLD], 0)
    assert meta["deletionTimestamp"] >= meta["creationTimestamp"]
    assert meta["generation"] == made["metadata"]["generation"] + 1
    assert version(held) != version(made)


async def a_second_deletion_changes_nothing(server: Server) -> None:
    await server.create(TASK, edited(make_task(), _held(HOLD)))
    await server.delete(TASK, "chat")
    first = await server.get(TASK, "chat")
    await server.delete(TASK, "chat")

    assert version(await server.get(TASK, "chat")) == version(first)


async def an_object_goes_with_its_last_finalizer(server: Server) -> None:
    await server.create(TASK, edited(make_task(), _held(HOLD, OTHER)))
    await server.delete(TASK, "chat")
    left = await server.merge(TASK, "chat", {"metadata": {"finalizers": [OTHER]}})
    last = await server.merge(TASK, "chat", {"metadata": {"finalizers": None}})

    assert left["metadata"]["finalizers"] == [OTHER]
    assert "finalizers" not in last["metadata"]
    assert await refused(server.get(TASK, "chat")) == MISSING


async def what_is_being_deleted_can_still_be_written(server: Server) -> None:
    await server.create(TASK, edited(make_task(), _held(HOLD)))
    await server.delete(TASK, "chat")
    await server.merge(TASK, "chat", {"status": {"phase": "Failed"}}, subresource="status")
    merged = await server.merge(TASK, "chat", {"spec": {"suspend": True}, "metadata": {"deletionTimestamp": None}})

    assert (merged["status"]["phase"], merged["spec"]["suspend"]) == ("Failed", True)
    assert "deletionTimestamp" in merged["metadata"]


async def what_is_being_deleted_gets_no_new_finalizer(server: Server) -> None:
    await server.create(TASK, edited(make_task(), _held(HOLD)))
    await server.delete(TASK, "chat")

    answer = await refused(server.merge(TASK, "chat", {"metadata": {"finalizers": [HOLD, OTHER]}}))
    assert answer == invalid(*[("FieldValueForbidden", "metadata.finalizers")] * 2)


async def a_foreground_deletion_waits_for_the_garbage_collector(server: Server) -> None:
    await server.create(CONFIG_MAP, config_map(finalizers=[HOLD]))
    await server.delete(CONFIG_MAP, "notes", propagation="Foreground")

    async def only_ours() -> bool:
        found = await server.get(CONFIG_MAP, "notes")
        return bool(found["metadata"]["finalizers"] == [HOLD])

    assert "deletionTimestamp" in (await server.get(CONFIG_MAP, "notes"))["metadata"]
    await server.settled(only_ours)
    await server.merge(CONFIG_MAP, "notes", {"metadata": {"finalizers": None}})
    assert await refused(server.get(CONFIG_MAP, "notes")) == MISSING


async def a_pod_without_a_node_is_gone_at_once(server: Server) -> None:
    await server.create(POD, pod())
    await server.delete(POD, "engine")

    assert await refused(server.get(POD, "engine")) == MISSING


async def a_pod_on_a_node_gets_time(server: Server) -> None:
    await server.create(POD, pod(node="nowhere"))
    before = await server.get(POD, "engine")
    await server.delete(POD, "engine")
    leaving = await server.get(POD, "engine")

    meta = leaving["metadata"]
    assert meta["deletionGracePeriodSeconds"] == 30
    start, end = (datetime.fromisoformat(meta[key]) for key in ("creationTimestamp", "deletionTimestamp"))
    assert 30 <= (end - start).total_seconds() <= 35
    assert meta["generation"] == before["metadata"]["generation"] + 1
    await server.delete(POD, "engine")
    assert version(await server.get(POD, "engine")) == version(leaving)


async def a_pod_says_itself_how_long_it_needs(server: Server) -> None:
    await server.create(POD, edited(pod(node="nowhere"), {"spec.terminationGracePeriodSeconds": 77}))
    await server.delete(POD, "engine")
    assert (await server.get(POD, "engine"))["metadata"]["deletionGracePeriodSeconds"] == 77

    long = await server.get(POD, "engine")
    await server.delete(POD, "engine", grace_seconds=5)
    short = await server.get(POD, "engine")
    ends = [datetime.fromisoformat(one["metadata"]["deletionTimestamp"]) for one in (short, long)]
    assert (short["metadata"]["deletionGracePeriodSeconds"], (ends[1] - ends[0]).total_seconds()) == (5, 72)
    await server.delete(POD, "engine", grace_seconds=60)
    assert version(await server.get(POD, "engine")) == version(short)
    await server.delete(POD, "engine", grace_seconds=0)
    assert await refused(server.get(POD, "engine")) == MISSING


async def a_pod_that_has_ended_is_gone_at_once(server: Server) -> None:
    await server.create(POD, pod(node="nowhere"))
    await server.merge(POD, "engine", {"status": {"phase": "Failed"}}, subresource="status")
    await server.delete(POD, "engine")

    assert await refused(server.get(POD, "engine")) == MISSING


async def a_finalizer_holds_a_pod_that_was_given_no_time(server: Server) -> None:
    await server.create(POD, pod(node="nowhere", finalizers=[HOLD]))
    await server.delete(POD, "engine", grace_seconds=0)
    assert (await server.get(POD, "engine"))["metadata"]["deletionGracePeriodSeconds"] == 0

    await server.merge(POD, "engine", {"metadata": {"finalizers": None}})
    assert await refused(server.get(POD, "engine")) == MISSING
