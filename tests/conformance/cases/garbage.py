"""Owners and dependents: what the garbage collector deletes, and in which order."""

from __future__ import annotations

from typing import Any

from autotuner.kube import CONFIG_MAP, EXPERIMENT, POD, TASK
from autotuner.kubernetes_object import Object, Resource
from tests.conformance.cases.objects import config_map, pod, reference
from tests.conformance.server import UID, RefusedError, Server, refused
from tests.support.objects import edited, make_experiment, make_task

HOLD = "tests.autotuner.io/hold"
MISSING = RefusedError(404, "NotFound")


async def _owned(server: Server, owner: Object, name: str = "notes", **metadata: Any) -> Object:
    """A dependent that the garbage collector has seen: it looks a moment later, and until then knows of nothing."""
    references = metadata.pop("ownerReferences", None) or [reference(owner)]
    lost = reference(owner, name="lost", uid=UID, controller=False)
    await server.create(CONFIG_MAP, config_map(name, ownerReferences=[*references, lost], **metadata))

    async def seen() -> bool:
        return lost not in (await server.get(CONFIG_MAP, name))["metadata"]["ownerReferences"]

    await server.settled(seen)
    return await server.get(CONFIG_MAP, name)


async def _is_gone(server: Server, resource: Resource, name: str) -> bool:
    try:
        await server.get(resource, name)
    except RefusedError as problem:
        assert problem == MISSING
        return True
    return False


async def _gone(server: Server, resource: Resource, name: str) -> None:
    await server.settled(lambda: _is_gone(server, resource, name))


async def _leaving(server: Server, resource: Resource, name: str) -> None:
    async def is_leaving() -> bool:
        return "deletionTimestamp" in (await server.get(resource, name))["metadata"]

    await server.settled(is_leaving)


async def dependents_follow_their_owner(server: Server) -> None:
    owner = await server.create(TASK, make_task())
    await _owned(server, owner)
    await server.delete(TASK, "chat", propagation="Background")

    assert await refused(server.get(TASK, "chat")) == MISSING
    await _gone(server, CONFIG_MAP, "notes")


async def dependents_of_dependents_follow_too(server: Server) -> None:
    task = await server.create(TASK, make_task())
    owners = {"metadata.ownerReferences": [reference(task)]}
    experiment = await server.create(EXPERIMENT, edited(make_experiment(), owners))
    await _owned(server, experiment)
    await server.delete(TASK, "chat", propagation="Background")

    await _gone(server, CONFIG_MAP, "notes")
    await _gone(server, EXPERIMENT, "chat-1")


async def in_the_foreground_dependents_go_first(server: Server) -> None:
    owner = await server.create(TASK, make_task())
    await _owned(server, owner, finalizers=[HOLD])
    await server.delete(TASK, "chat", propagation="Foreground")
    await _leaving(server, CONFIG_MAP, "notes")

    assert (await server.get(TASK, "chat"))["metadata"]["finalizers"] == ["foregroundDeletion"]
    await server.merge(CONFIG_MAP, "notes", {"metadata": {"finalizers": None}})
    await _gone(server, TASK, "chat")


async def in_the_foreground_each_waits_for_its_own(server: Server) -> None:
    task = await server.create(TASK, make_task())
    owners = {"metadata.ownerReferences": [reference(task)]}
    experiment = await server.create(EXPERIMENT, edited(make_experiment(), owners))
    await _owned(server, experiment, finalizers=[HOLD])
    await server.delete(TASK, "chat", propagation="Foreground")
    await _leaving(server, CONFIG_MAP, "notes")

    assert (await server.get(EXPERIMENT, "chat-1"))["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert (await server.get(TASK, "chat"))["metadata"]["finalizers"] == ["foregroundDeletion"]
    await server.merge(CONFIG_MAP, "notes", {"metadata": {"finalizers": None}})
    await _gone(server, TASK, "chat")
    assert await _is_gone(server, EXPERIMENT, "chat-1")


async def who_does_not_block_is_not_waited_for(server: Server) -> None:
    owner = await server.create(TASK, make_task())
    await _owned(server, owner, ownerReferences=[reference(owner, blocking=False)], finalizers=[HOLD])
    await server.delete(TASK, "chat", propagation="Foreground")

    await _gone(server, TASK, "chat")
    await _leaving(server, CONFIG_MAP, "notes")
    await server.merge(CONFIG_MAP, "notes", {"metadata": {"finalizers": None}})


async def a_pod_is_waited_for_until_it_has_ended(server: Server) -> None:
    owner = await server.create(TASK, make_task())
    await server.create(POD, pod(node="nowhere", ownerReferences=[reference(owner)]))
    await server.delete(TASK, "chat", propagation="Foreground")
    await _leaving(server, POD, "engine")

    assert "deletionTimestamp" in (await server.get(TASK, "chat"))["metadata"]
    await server.delete(POD, "engine", grace_seconds=0)
    await _gone(server, TASK, "chat")


async def a_foreground_deletion_of_what_owns_nothing(server: Server) -> None:
    await server.create(TASK, make_task())
    await server.delete(TASK, "chat", propagation="Foreground")

    await _gone(server, TASK, "chat")


async def orphans_stay(server: Server) -> None:
    owner = await server.create(TASK, make_task())
    await _owned(server, owner)
    await server.delete(TASK, "chat", propagation="Orphan")
    await _gone(server, TASK, "chat")

    assert "ownerReferences" not in (await server.get(CONFIG_MAP, "notes"))["metadata"]


async def of_two_owners_one_is_enough(server: Server) -> None:
    first = await server.create(TASK, make_task("first"))
    second = await server.create(TASK, make_task("second"))
    both = [reference(first), reference(second, controller=False)]
    await _owned(server, first, ownerReferences=both)
    await server.delete(TASK, "first", propagation="Background")

    async def one_is_left() -> bool:
        found = (await server.get(CONFIG_MAP, "notes"))["metadata"]["ownerReferences"]
        return [one["name"] for one in found] == ["second"]

    await server.settled(one_is_left)
    await server.delete(TASK, "second", propagation="Background")
    await _gone(server, CONFIG_MAP, "notes")


async def who_was_owned_by_an_object_that_is_no_more_goes(server: Server) -> None:
    owner = await server.create(TASK, make_task())
    gone = config_map(ownerReferences=[reference(owner, uid=UID)])
    await server.create(CONFIG_MAP, gone)

    await _gone(server, CONFIG_MAP, "notes")
    await server.get(TASK, "chat")


async def an_owner_has_to_be_what_the_reference_says(server: Server) -> None:
    owner = await server.create(TASK, make_task())
    for name, change in (("a", {"name": "other"}), ("b", {"kind": "TuningExperiment"})):
        await server.create(CONFIG_MAP, config_map(name, ownerReferences=[{**reference(owner), **change}]))
        await _gone(server, CONFIG_MAP, name)


async def finalizers_hold_dependents_too(server: Server) -> None:
    owner = await server.create(TASK, make_task())
    await _owned(server, owner, finalizers=[HOLD])
    await server.delete(TASK, "chat", propagation="Background")
    await _leaving(server, CONFIG_MAP, "notes")

    await server.merge(CONFIG_MAP, "notes", {"metadata": {"finalizers": None}})
    await _gone(server, CONFIG_MAP, "notes")


async def an_owner_that_comes_back_is_another(server: Server) -> None:
    owner = await server.create(TASK, make_task())
    await _owned(server, owner, finalizers=[HOLD])
    await server.delete(TASK, "chat", propagation="Background")
    await server.create(TASK, make_task())

    await _leaving(server, CONFIG_MAP, "notes")
    await server.merge(CONFIG_MAP, "notes", {"metadata": {"finalizers": None}})


async def a_dependent_can_be_given_away(server: Server) -> None:
    first = await server.create(TASK, make_task("first"))
    second = await server.create(TASK, make_task("second"))
    await _owned(server, first)
    await server.merge(CONFIG_MAP, "notes", {"metadata": {"ownerReferences": [reference(second)]}})
    await server.delete(TASK, "first", propagation="Foreground")

    await _gone(server, TASK, "first")
    assert "deletionTimestamp" not in (await server.get(CONFIG_MAP, "notes"))["metadata"]
