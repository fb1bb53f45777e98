"""Watches: order of events, selectors, bookmarks, gaps."""

from __future__ import annotations

from autotuner.kube import CONFIG_MAP, POD, TASK
from tests.conformance.cases.objects import UNSEEN, config_map, create_seen, pod, version
from tests.conformance.server import RefusedError, Server, Told, refused
from tests.support.objects import edited, make_task

HOLD = "tests.autotuner.io/hold"


def _told(events: list[Told]) -> list[tuple[str, str]]:
    return [(event.type, event.object["metadata"]["name"]) for event in events]


async def a_watch_tells_in_order_what_happened_since_a_version(server: Server) -> None:
    first = await server.create(TASK, make_task("a"))
    await server.create(TASK, make_task("b"))
    await server.merge(TASK, "a", {"spec": {"suspend": True}})
    await server.merge(TASK, "a", {"status": {"phase": "Running"}}, subresource="status")
    await server.delete(TASK, "b")

    events = await server.watched(TASK, version(first), 4)
    assert _told(events) == [("ADDED", "b"), ("MODIFIED", "a"), ("MODIFIED", "a"), ("DELETED", "b")]
    versions = [int(version(event.object)) for event in events]
    assert versions == sorted(set(versions))
    assert [event.object.get("status") for event in events[1:3]] == [UNSEEN, {**UNSEEN, "phase": "Running"}]
    assert (events[0].object["kind"], events[0].object["apiVersion"]) == ("TuningTask", TASK.api_version)


async def a_watch_goes_on_where_another_ended(server: Server) -> None:
    first = await server.create(TASK, make_task("a"))
    await server.create(TASK, make_task("b"))
    await server.create(TASK, make_task("c"))
    (event,) = await server.watched(TASK, version(first), 1)

    assert _told(await server.watched(TASK, version(event.object), 1)) == [("ADDED", "c")]


async def a_watch_after_a_list_misses_nothing(server: Server) -> None:
    await server.create(TASK, make_task("a"))
    listed = await server.list(TASK)
    await server.create(TASK, make_task("b"))

    assert _told(await server.watched(TASK, listed.version, 1)) == [("ADDED", "b")]


async def a_watch_is_about_its_kind_alone(server: Server) -> None:
    first = await server.create(TASK, make_task("a"))
    await server.create(CONFIG_MAP, config_map("b"))
    await server.create(TASK, make_task("c"))

    assert _told(await server.watched(TASK, version(first), 1)) == [("ADDED", "c")]


async def a_write_that_changes_nothing_is_not_told(server: Server) -> None:
    first = await create_seen(server, "a")
    await server.replace(TASK, first)
    await server.merge(TASK, "a", {"spec": {"suspend": False}})
    await server.create(TASK, make_task("b"), dry_run=True)
    await server.create(TASK, make_task("c"))

    assert _told(await server.watched(TASK, version(first), 1)) == [("ADDED", "c")]


async def a_deletion_has_a_version_of_its_own(server: Server) -> None:
    first = await server.create(TASK, make_task("a"))
    await server.delete(TASK, "a")
    await server.create(TASK, make_task("b"))

    gone, made = await server.watched(TASK, version(first), 2)
    assert (gone.type, int(version(first)) < int(version(gone.object)) < int(version(made.object))) == ("DELETED", True)
    assert gone.object["spec"] == first["spec"]


async def a_deletion_that_waits_is_told_twice(server: Server) -> None:
    first = await server.create(TASK, edited(make_task("a"), {"metadata.finalizers": [HOLD]}))
    await server.delete(TASK, "a")
    await server.merge(TASK, "a", {"metadata": {"finalizers": None}})
    await server.create(TASK, make_task("b"))

    marked, gone, made = await server.watched(TASK, version(first), 3)
    assert _told([marked, gone, made]) == [("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b")]
    assert "deletionTimestamp" in marked.object["metadata"]
    assert "deletionTimestamp" in gone.object["metadata"]


async def a_pod_that_was_given_time_and_then_none_is_told_three_times(server: Server) -> None:
    first = await server.create(POD, pod(node="nowhere"))
    await server.delete(POD, "engine")
    await server.delete(POD, "engine", grace_seconds=0)

    events = await server.watched(POD, version(first), 3)
    assert _told(events) == [("MODIFIED", "engine"), ("MODIFIED", "engine"), ("DELETED", "engine")]
    assert [event.object["metadata"]["deletionGracePeriodSeconds"] for event in events] == [30, 0, 0]


async def a_pod_is_marked_before_it_goes_even_at_once(server: Server) -> None:
    for node in ("nowhere", ""):
        first = await server.create(POD, pod(node=node))
        await server.delete(POD, "engine", grace_seconds=0)

        marked, gone = await server.watched(POD, version(first), 2)
        assert _told([marked, gone]) == [("MODIFIED", "engine"), ("DELETED", "engine")]
        assert marked.object["metadata"]["deletionGracePeriodSeconds"] == 0


async def what_no_longer_matches_is_deleted_for_a_watch(server: Server) -> None:
    first = await server.create(TASK, edited(make_task("a"), {"metadata.labels": {"x": "1"}}))
    await server.create(TASK, make_task("b"))
    await server.merge(TASK, "a", {"spec": {"suspend": True}})
    changed = await server.merge(TASK, "a", {"metadata": {"labels": {"x": "2"}}})
    await server.merge(TASK, "a", {"spec": {"suspend": False}})
    await server.merge(TASK, "b", {"metadata": {"labels": {"x": "1"}}})
    await server.delete(TASK, "a")
    await server.delete(TASK, "b")

    events = await server.watched(TASK, version(first), 4, labels="x=1")
    assert _told(events) == [("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b"), ("DELETED", "b")]
    assert version(events[1].object) == version(changed)
    assert events[1].object["metadata"]["labels"] == {"x": "1"}


async def a_watch_for_what_lacks_a_label(server: Server) -> None:
    first = await server.create(TASK, make_task("a"))
    await server.merge(TASK, "a", {"status": {"phase": "Succeeded"}}, subresource="status")
    await server.merge(TASK, "a", {"metadata": {"labels": {"finished": "true"}}})
    await server.create(TASK, make_task("b"))

    events = await server.watched(TASK, version(first), 3, labels="!finished")
    assert _told(events) == [("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b")]


async def a_watch_without_a_version_begins_with_what_is_there(server: Server) -> None:
    for start in ("", "0"):
        for name in ("b", "a"):
            await server.create(TASK, make_task(f"{name}{start}"))
        events = await server.watched(TASK, start, 2)
        assert {kind for kind, _ in _told(events)} == {"ADDED"}
        await server.delete(TASK, f"a{start}")
        await server.delete(TASK, f"b{start}")


async def a_bookmark_ends_what_was_there_first(server: Server) -> None:
    for name in ("b", "a"):
        await server.create(TASK, make_task(name))
    listed = await server.list(TASK)

    *events, mark = await server.watched(TASK, "", 3, initial=True)
    assert sorted(_told(events)) == [("ADDED", "a"), ("ADDED", "b")]
    assert mark.type == "BOOKMARK"
    assert mark.object["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(version(mark.object)) >= int(listed.version)
    await server.create(TASK, make_task("c"))
    assert _told(await server.watched(TASK, version(mark.object), 1)) == [("ADDED", "c")]


async def a_watch_that_ends_says_up_to_where_it_told_everything(server: Server) -> None:
    first = await server.create(TASK, make_task("a"))
    await server.create(CONFIG_MAP, config_map())

    mark = await server.last_words(TASK, version(first))
    assert (mark.type, mark.object["kind"]) == ("BOOKMARK", "TuningTask")
    assert int(version(mark.object)) >= int(version(first))
    assert set(mark.object["metadata"]) <= {"resourceVersion", "creationTimestamp"}


async def a_watch_of_what_is_forgotten(server: Server) -> None:
    await server.create(TASK, make_task("a"))
    old = server.forget()

    answer = await refused(server.watched(TASK, old, 1))
    assert (answer.status, answer.reason) == (410, "Expired")


async def a_watch_of_a_version_that_is_none(server: Server) -> None:
    assert await refused(server.watched(TASK, "yesterday", 1)) == RefusedError(500, "")
