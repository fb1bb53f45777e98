"""The calls of controllers: what `Kube` makes of the answers."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from autotuner.kube import (
    CONFIG_MAP,
    EVENT,
    EXPERIMENT,
    LEASE,
    POD,
    TASK,
    AlreadyExistsError,
    ConflictError,
    KubeError,
    RejectedError,
)
from tests.conformance.cases.objects import UNSEEN, config_map, event, lease, pod, reference, version
from tests.conformance.server import UID, Server
from tests.support.objects import edited, make_experiment, make_task


async def _error(request: Awaitable[Any]) -> tuple[type[KubeError], int, str]:
    try:
        await request
    except KubeError as problem:
        # What is told of an invalid object beside its causes is a subclass of its own.
        return (
            next(one for one in type(problem).__mro__ if one.__module__ == "autotuner.kube"),
            problem.status,
            problem.reason,
        )
    raise AssertionError("not refused")


async def what_is_not_there_is_none(server: Server) -> None:
    assert await server.kube.get(TASK, server.namespace, "chat") is None
    assert await server.kube.list(TASK, server.namespace) == []
    assert await server.kube.list_metadata(TASK, server.namespace) == []


async def errors_say_whether_to_try_again(server: Server) -> None:
    kube, place = server.kube, server.namespace
    await kube.create(TASK, place, make_task())

    assert await _error(kube.create(TASK, place, make_task())) == (AlreadyExistsError, 409, "AlreadyExists")
    assert await _error(kube.dry_run(TASK, place, make_task())) == (AlreadyExistsError, 409, "AlreadyExists")
    unknown = edited(make_task("b"), {"spec.foo": 1})
    assert await _error(kube.create(TASK, place, unknown)) == (RejectedError, 400, "BadRequest")
    assert await _error(kube.create(TASK, place, make_task("B"))) == (RejectedError, 422, "Invalid")
    missing = await _error(kube.merge(TASK, place, "b", {"spec": {"suspend": True}}))
    assert missing == (RejectedError, 404, "NotFound")


async def the_words_that_people_are_shown(server: Server) -> None:
    kube, place = server.kube, server.namespace
    await kube.create(EXPERIMENT, place, make_experiment())
    for body, words in (
        (make_experiment(), 'tuningexperiments.autotuner.io "chat-1" already exists'),
        (edited(make_experiment("b"), {"spec.foo": 1}), 'strict decoding error: unknown field "spec.foo"'),
        (make_experiment("a" * 51), "metadata.name: use at most 50 lower-case letters, digits and dashes"),
    ):
        try:
            await kube.create(EXPERIMENT, place, body)
        except KubeError as problem:
            assert words in problem.message
        else:
            raise AssertionError("not refused")


async def items_of_lists_know_their_kind(server: Server) -> None:
    kube, place = server.kube, server.namespace
    await kube.create(TASK, place, edited(make_task(), {"metadata.labels": {"a": "b"}}))
    await kube.create(CONFIG_MAP, place, config_map(labels={"a": "b"}))

    for resource in (TASK, CONFIG_MAP):
        (found,) = await kube.list(resource, place, labels="a=b")
        assert (found["apiVersion"], found["kind"]) == (resource.api_version, resource.kind)
        assert await kube.list(resource, place, labels="a=c") == []
    about = await kube.get(TASK, place, "chat")
    assert about is not None
    await kube.create(EVENT, place, event(about, name="chat.1", namespace=place))
    (told,) = await kube.list(EVENT, place, fields=f"involvedObject.uid={about['metadata']['uid']}")
    assert told["reason"] == "Noted"


async def metadata_alone(server: Server) -> None:
    kube, place = server.kube, server.namespace
    made = await kube.create(TASK, place, edited(make_task(), {"metadata.labels": {"a": "b"}}))

    (meta,) = await kube.list_metadata(TASK, place, "a=b")
    wanted = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "labels")
    assert {key: meta[key] for key in wanted} == {key: made["metadata"][key] for key in wanted}
    assert await kube.list_metadata(TASK, place, "!a") == []
    assert made["metadata"]["uid"] in {one["uid"] for one in await kube.list_metadata(TASK, None, "a=b")}


async def a_status_belongs_to_what_was_seen(server: Server) -> None:
    kube, place = server.kube, server.namespace
    seen = await kube.create(TASK, place, make_task())
    first = await kube.apply_status(TASK, seen, {"phase": "Running", "message": "a"})
    second = await kube.apply_status(TASK, first, {"phase": "Running"})

    assert (first["status"], second["status"]) == (
        {**UNSEEN, "phase": "Running", "message": "a"},
        {**UNSEEN, "phase": "Running"},
    )
    assert await _error(kube.apply_status(TASK, first, {"phase": "Failed"})) == (ConflictError, 409, "Conflict")
    unchanged = await kube.apply_status(TASK, second, {"phase": "Running"})
    assert version(unchanged) == version(second)


async def a_status_of_what_is_gone(server: Server) -> None:
    kube, place = server.kube, server.namespace
    seen = await kube.create(TASK, place, make_task())
    await server.delete(TASK, "chat")
    assert await _error(kube.apply_status(TASK, seen, {"phase": "Running"})) == (RejectedError, 404, "NotFound")

    await kube.create(TASK, place, make_task())
    assert await _error(kube.apply_status(TASK, seen, {"phase": "Running"})) == (ConflictError, 409, "Conflict")


async def an_object_is_applied(server: Server) -> None:
    kube, place = server.kube, server.namespace
    first = await kube.apply(CONFIG_MAP, config_map(data={"a": "1", "b": "2"}, namespace=place))
    second = await kube.apply(CONFIG_MAP, config_map(data={"b": "2"}, namespace=place))

    assert (first["data"], second["data"]) == ({"a": "1", "b": "2"}, {"b": "2"})


async def a_label_is_put_on(server: Server) -> None:
    kube, place = server.kube, server.namespace
    seen = await kube.create(EXPERIMENT, place, make_experiment())
    written = await kube.apply_status(EXPERIMENT, seen, {"phase": "Succeeded"})
    marked = await kube.merge(EXPERIMENT, place, "chat-1", {"metadata": {"labels": {"autotuner.io/finished": "true"}}})
    again = await kube.apply_status(EXPERIMENT, marked, {"phase": "Failed"})

    assert marked["status"] == written["status"]
    assert again["metadata"]["labels"] == {"autotuner.io/finished": "true"}


async def a_lease_is_replaced_as_it_was_read(server: Server) -> None:
    kube, place = server.kube, server.namespace
    read = await kube.create(LEASE, place, lease(holder=""))
    taken = edited(read, {"spec.holderIdentity": "b"})

    assert (await kube.replace(LEASE, taken))["spec"]["holderIdentity"] == "b"
    assert await _error(kube.replace(LEASE, taken)) == (ConflictError, 409, "Conflict")


async def a_deletion_is_exact_and_may_come_late(server: Server) -> None:
    kube, place = server.kube, server.namespace
    made = await kube.create(TASK, place, make_task())
    uid = made["metadata"]["uid"]

    await kube.delete(TASK, place, "chat", UID)
    assert await kube.get(TASK, place, "chat") is not None
    await kube.delete(TASK, place, "chat", uid)
    await kube.delete(TASK, place, "chat", uid)

    async def gone() -> bool:
        return await kube.get(TASK, place, "chat") is None

    await server.settled(gone)
    await kube.delete(TASK, place, "chat", uid)


async def a_deletion_takes_dependents_with_it(server: Server) -> None:
    kube, place = server.kube, server.namespace
    owner = await kube.create(EXPERIMENT, place, make_experiment())
    await kube.create(POD, place, pod(node="nowhere", ownerReferences=[reference(owner)]))
    await kube.delete(EXPERIMENT, place, "chat-1", owner["metadata"]["uid"])
    leaving = await kube.get(EXPERIMENT, place, "chat-1")

    async def pod_is_leaving() -> bool:
        found = await kube.get(POD, place, "engine")
        return found is not None and "deletionTimestamp" in found["metadata"]

    async def gone() -> bool:
        return await kube.get(EXPERIMENT, place, "chat-1") is None

    assert leaving is not None
    assert "deletionTimestamp" in leaving["metadata"]
    await server.settled(pod_is_leaving)
    await server.delete(POD, "engine", grace_seconds=0)
    await server.settled(gone)


async def what_is_read_belongs_to_the_reader(server: Server) -> None:
    kube, place = server.kube, server.namespace
    body = make_task()
    made = await kube.create(TASK, place, body)
    read = await kube.get(TASK, place, "chat")
    assert read is not None
    for one in (body, made, read, (await kube.list(TASK, place))[0]):
        one["spec"]["suspend"] = True
        one["metadata"]["name"] = "other"

    again = await kube.get(TASK, place, "chat")
    assert again is not None
    assert (again["spec"]["suspend"], again["metadata"]["name"]) == (False, "chat")


async def a_container_without_a_log(server: Server) -> None:
    assert await server.kube.logs(server.namespace, "nobody", "main", previous=False) == ""


async def kinds_that_are_served(server: Server) -> None:
    assert await server.kube.obstacle((TASK, EXPERIMENT, POD), [server.namespace]) is None
    assert await server.kube.obstacle((TASK,), []) is None
