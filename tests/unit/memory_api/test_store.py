"""What the API in memory does beside what a real one does: for simulations, and for lack of a network."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from autotuner.kube import CONFIG_MAP, POD, TASK, KubeError
from autotuner.kubernetes_object import Object
from autotuner.memory_api.api import MemoryApi
from autotuner.memory_api.store import Store
from tests.conformance.cases.objects import config_map, pod, reference, version
from tests.support.objects import make_task

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_store(**options: object) -> Store:
    return Store(lambda: NOW, **options)  # type: ignore[arg-type]


def written(store: Store, count: int) -> list[Object]:
    """ConfigMaps, one after the other."""
    return [store.create(CONFIG_MAP, "team", config_map(f"n{number}")) for number in range(count)]


def test_the_same_requests_get_the_same_identities() -> None:
    def identities(seed: int) -> list[tuple[str, str]]:
        store = make_store(seed=seed)
        task = store.create(TASK, "team", make_task())
        made = [task, *(store.create(CONFIG_MAP, "team", {"metadata": {"generateName": "n-"}}) for _ in range(3))]
        return [(one["metadata"]["name"], one["metadata"]["uid"]) for one in made]

    assert identities(1) == identities(1)
    assert {uid for _, uid in identities(1)}.isdisjoint(uid for _, uid in identities(2))


def test_time_is_the_clocks() -> None:
    made = make_store().create(CONFIG_MAP, "team", config_map())

    assert made["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"


def test_whoever_changes_what_he_was_to_read_is_found_out() -> None:
    store = make_store(reads="sealed")
    store.create(CONFIG_MAP, "team", config_map("a"))
    store.create(CONFIG_MAP, "team", config_map("b"))
    store.get(CONFIG_MAP, "team", "a")
    assert store.changed_by_readers() == []

    store.list(CONFIG_MAP, "team")[1]["metadata"]["labels"] = {"mine": "true"}
    assert store.changed_by_readers() == ["ConfigMap team/b"]


def test_what_is_shared_is_what_is_kept() -> None:
    store = make_store(reads="shared")
    made = store.create(CONFIG_MAP, "team", config_map())

    assert store.get(CONFIG_MAP, "team", "notes") is made
    assert store.list(CONFIG_MAP, None)[0] is made


def test_a_body_that_its_writer_changes_later_is_not_what_is_kept() -> None:
    store, body = make_store(reads="shared"), config_map(data={"a": "1"}, labels={"x": "1"})
    store.create(CONFIG_MAP, "team", body)
    body["data"]["a"] = body["metadata"]["labels"]["x"] = "2"

    kept = store.get(CONFIG_MAP, "team", "notes")
    assert (kept["data"], kept["metadata"]["labels"]) == ({"a": "1"}, {"x": "1"})


def test_a_watch_that_falls_behind_is_told_so() -> None:
    store = make_store()
    (first,) = written(store, 1)
    watch = store.watch(CONFIG_MAP, "team", version(first))
    store.create(CONFIG_MAP, "team", config_map("missed"))
    store.compact()

    with pytest.raises(KubeError, match="too old resource version") as caught:
        watch.poll()
    assert (caught.value.status, caught.value.reason) == (410, "Expired")


def test_a_watch_that_missed_nothing_outlives_a_compaction() -> None:
    store = make_store()
    (first,) = written(store, 1)
    watch = store.watch(CONFIG_MAP, "team", version(first))
    store.compact()
    store.create(CONFIG_MAP, "team", config_map("new"))

    assert [event.object["metadata"]["name"] for event in watch.poll()] == ["new"]
    assert watch.poll() == []


def test_only_so_many_changes_are_remembered() -> None:
    store = make_store(remembered=2)
    first, second, *_ = written(store, 4)

    with pytest.raises(KubeError, match="too old"):
        store.watch(CONFIG_MAP, "team", version(first))
    assert len(store.watch(CONFIG_MAP, "team", version(second)).poll()) == 2


def test_a_list_in_parts_that_takes_too_long_is_told_so() -> None:
    store = make_store()
    written(store, 3)
    page = store.list_page(CONFIG_MAP, "team", limit=1)
    store.delete(CONFIG_MAP, "team", "n2")
    store.compact()

    with pytest.raises(KubeError, match="too old") as caught:
        store.list_page(CONFIG_MAP, "team", limit=1, more=page.more)
    assert caught.value.status == 410


def test_a_bookmark_moves_a_watch_past_what_it_was_not_about() -> None:
    store = make_store(remembered=2)
    (first,) = written(store, 1)
    watch = store.watch(CONFIG_MAP, "other", version(first))
    written_since = [store.merge(CONFIG_MAP, "team", "n0", {"data": {"a": str(one)}}) for one in range(2)]
    assert watch.poll() == []

    mark = watch.bookmark().object["metadata"]["resourceVersion"]
    assert mark == version(written_since[-1])
    store.merge(CONFIG_MAP, "team", "n0", {"data": {"a": "last"}})
    assert store.watch(CONFIG_MAP, "other", mark).poll() == []


def test_listeners_hear_of_every_write_in_order() -> None:
    store, heard = make_store(), list[tuple[str, bool]]()
    store.listen(lambda resource, change: heard.append((resource.kind, change.new is not None)))
    written(store, 1)
    store.merge(CONFIG_MAP, "team", "n0", {"data": {"a": "1"}})
    store.merge(CONFIG_MAP, "team", "n0", {"data": {"a": "1"}})
    store.delete(CONFIG_MAP, "team", "n0")

    assert heard == [("ConfigMap", True), ("ConfigMap", True), ("ConfigMap", False)]


def test_garbage_stays_until_it_is_collected() -> None:
    api = MemoryApi(lambda: NOW)
    owner = api.store.create(TASK, "team", make_task())
    for name in "abc":
        api.store.create(CONFIG_MAP, "team", config_map(name, ownerReferences=[reference(owner)]))
    api.store.delete(TASK, "team", "chat", propagation="Foreground")
    assert len(api.store.list(CONFIG_MAP, "team")) == 3

    assert api.collect_garbage() == 4
    assert (api.store.list(CONFIG_MAP, "team"), api.store.find(TASK, "team", "chat")) == ([], None)
    assert api.collect_garbage() == 0


@pytest.mark.parametrize(("subresource", "message"), [("", "ours"), ("status", "39")])
def test_many_writes_between_two_applies_are_not_forgotten(subresource: str, message: str) -> None:
    store = make_store()
    task = store.create(TASK, "team", make_task())
    body = {key: task[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "chat", "namespace": "team"}}
    store.apply(TASK, {**body, "status": {"phase": "Running", "message": "ours"}}, subresource="status")
    for number in range(40):
        patch = {"metadata": {"labels": {"n": str(number)}}, "status": {"message": str(number)}}
        store.merge(TASK, "team", "chat", patch, subresource=subresource)
    applied = store.apply(TASK, {**body, "status": {"phase": "Failed"}}, subresource="status", manager="other")

    assert applied["status"] == {"observedGeneration": 0, "phase": "Failed", "message": message}


async def test_a_watch_hears_of_what_is_written_while_it_waits() -> None:
    api, heard = MemoryApi(lambda: NOW), list[str]()

    async def follow() -> None:
        async for event in api.watch(CONFIG_MAP, "team", seconds=5):
            heard.append(f"{event.type} {event.object['metadata']['name']}")
            if len(heard) == 2:
                return

    async with asyncio.TaskGroup() as group:
        group.create_task(follow())
        await asyncio.sleep(0)
        for name in "ab":
            await api.create(CONFIG_MAP, "team", config_map(name))
            await asyncio.sleep(0)
    assert heard == ["ADDED a", "ADDED b"]


async def test_a_log_goes_with_its_pod() -> None:
    api = MemoryApi(lambda: NOW)
    await api.create(POD, "team", pod())
    api.set_log("team", "engine", "main", "line\n")
    api.set_log("team", "engine", "main", "before\n", previous=True)

    assert await api.logs("team", "engine", "main", previous=False) == "line\n"
    assert await api.logs("team", "engine", "main", previous=True) == "before\n"
    api.store.delete(POD, "team", "engine")
    await api.create(POD, "team", pod())
    assert await api.logs("team", "engine", "main", previous=False) == ""


def test_kinds_that_are_not_known_are_taken_as_they_are() -> None:
    store = make_store()
    made = store.create(POD, "team", {**pod(), "anything": {"goes": [1, None]}})

    assert made["anything"] == {"goes": [1, None]}
