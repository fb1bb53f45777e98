"""Creating and changing objects: versions, generations, conflicts."""

from __future__ import annotations

import copy
import re

from autotuner.kube import CONFIG_MAP, EVENT, EXPERIMENT, LEASE, POD, TASK
from tests.conformance.cases.objects import UNSEEN, config_map, create_seen, event, lease, pod, version
from tests.conformance.server import UID, UNCHECKED, RefusedError, Server, invalid, refused
from tests.support.objects import edited, make_experiment, make_task

CONFLICT = RefusedError(409, "Conflict")
MISSING = RefusedError(404, "NotFound")
TAKEN = RefusedError(409, "AlreadyExists")
NONSENSE = RefusedError(400, "BadRequest")
NO_VERSION = invalid(("FieldValueInvalid", "metadata.resourceVersion"))


async def an_object_gets_identity_version_and_time(server: Server) -> None:
    made = await server.create(TASK, make_task())

    meta = made["metadata"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", meta["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", meta["creationTimestamp"])
    assert (meta["namespace"], meta["generation"], int(meta["resourceVersion"]) > 0) == (server.namespace, 1, True)
    assert (made["apiVersion"], made["kind"]) == (TASK.api_version, TASK.kind)
    got = await server.get(TASK, "chat")
    assert {key: got[key] for key in ("spec", "kind", "apiVersion")} == {
        key: made[key] for key in ("spec", "kind", "apiVersion")
    }
    assert version(got) == version(made)


async def what_the_server_writes_itself_is_not_taken_of_a_request(server: Server) -> None:
    body = edited(make_task(), {"metadata.uid": "mine", "metadata.generation": 7, "status": {"phase": "Running"}})
    body["metadata"]["creationTimestamp"] = "2001-01-01T00:00:00Z"
    body["metadata"]["deletionTimestamp"] = "2001-01-01T00:00:00Z"

    made = await server.create(TASK, body)

    assert made["metadata"]["uid"] != "mine"
    assert made["metadata"]["generation"] == 1
    assert not made["metadata"]["creationTimestamp"].startswith("2001")
    assert "deletionTimestamp" not in made["metadata"]
    assert made["status"] == UNSEEN


async def kinds_without_content_that_counts_have_no_generation(server: Server) -> None:
    for resource, body in ((CONFIG_MAP, config_map()), (LEASE, lease())):
        assert "generation" not in (await server.create(resource, body))["metadata"]
    assert (await server.create(POD, pod()))["metadata"]["generation"] == 1


async def a_name_that_is_taken(server: Server) -> None:
    await server.create(TASK, make_task())

    assert await refused(server.create(TASK, make_task())) == TAKEN
    assert await refused(server.create(TASK, make_task(), dry_run=True)) == TAKEN


async def a_name_that_is_taken_by_an_object_that_is_being_deleted(server: Server) -> None:
    await server.create(TASK, edited(make_task(), {"metadata.finalizers": ["tests.autotuner.io/hold"]}))
    await server.delete(TASK, "chat")

    assert await refused(server.create(TASK, make_task())) == TAKEN
    await server.merge(TASK, "chat", {"metadata": {"finalizers": None}})
    await server.create(TASK, make_task())


async def what_is_invalid_is_told_before_that_the_name_is_taken(server: Server) -> None:
    await server.create(TASK, make_task())

    answer = await refused(server.create(TASK, edited(make_task(), {"spec.search.maxExperiments": 0})))
    assert answer.reason == "Invalid"


async def a_version_in_an_object_to_create(server: Server) -> None:
    answer = await refused(server.create(TASK, edited(make_task(), {"metadata.resourceVersion": "1"})))
    assert (answer.status, answer.reason) == (500, "")


async def an_object_of_another_namespace(server: Server) -> None:
    assert await refused(server.create(TASK, edited(make_task(), {"metadata.namespace": "other"}))) == NONSENSE


async def an_object_of_another_kind(server: Server) -> None:
    answer = await refused(server.create(TASK, {**make_task(), "kind": "TuningExperiment"}))
    assert (answer.status, ("FieldValueInvalid", "kind") in answer.causes) == (422, True)
    assert await refused(server.create(TASK, {**make_task(), "apiVersion": "autotuner.io/v9"})) == NONSENSE
    assert await refused(server.create(CONFIG_MAP, {**config_map(), "kind": "Pod"})) == NONSENSE


async def an_object_without_a_kind(server: Server) -> None:
    body = make_task()
    del body["kind"]
    assert await refused(server.create(TASK, body)) == NONSENSE
    made = await server.create(CONFIG_MAP, {"metadata": {"name": "notes"}})
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")


async def an_object_without_a_name(server: Server) -> None:
    body = make_task()
    del body["metadata"]["name"]
    assert await refused(server.create(TASK, body)) == invalid(("FieldValueRequired", "metadata.name"), UNCHECKED)
    nameless = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert await refused(server.create(CONFIG_MAP, nameless)) == invalid(("FieldValueRequired", "metadata.name"))


async def a_generated_name(server: Server) -> None:
    about = await server.create(TASK, make_task())
    names = [(await server.create(EVENT, event(about, generateName="chat.")))["metadata"]["name"] for _ in range(3)]

    assert all(re.fullmatch(r"chat\.[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)
    assert len(set(names)) == 3


async def a_dry_run_keeps_nothing(server: Server) -> None:
    answer = await server.create(TASK, make_task(), dry_run=True)

    assert answer["metadata"]["uid"]
    assert answer["spec"]["suspend"] is False
    assert "resourceVersion" not in answer["metadata"]
    assert await refused(server.get(TASK, "chat")) == MISSING
    assert (await refused(server.create(TASK, make_task("Chat"), dry_run=True))).reason == "Invalid"


async def what_is_missing(server: Server) -> None:
    assert await refused(server.get(TASK, "chat")) == MISSING
    assert await refused(server.replace(TASK, edited(make_task(), {"metadata.resourceVersion": "1"}))) == MISSING
    assert await refused(server.merge(TASK, "chat", {"spec": {"suspend": True}})) == MISSING
    assert await refused(server.merge(TASK, "chat", {"status": {}}, subresource="status")) == MISSING
    assert await refused(server.delete(TASK, "chat")) == MISSING
    assert await refused(server.get(CONFIG_MAP, "notes")) == MISSING


async def replacing_what_is_no_more_as_it_was_read(server: Server) -> None:
    first = await server.create(TASK, make_task())
    second = await server.replace(TASK, edited(first, {"spec.suspend": True}))

    assert await refused(server.replace(TASK, edited(first, {"spec.suspend": False}))) == CONFLICT
    assert (await server.get(TASK, "chat"))["spec"]["suspend"] is True
    await server.replace(TASK, edited(second, {"spec.suspend": False}))


async def replacing_needs_the_version_that_was_read(server: Server) -> None:
    for resource, body in ((TASK, make_task()), (LEASE, lease())):
        made = await server.create(resource, body)
        del made["metadata"]["resourceVersion"]
        assert await refused(server.replace(resource, made)) == NO_VERSION


async def some_kinds_are_replaced_whatever_they_were(server: Server) -> None:
    await server.create(CONFIG_MAP, config_map(data={"a": "1"}))

    assert (await server.replace(CONFIG_MAP, config_map(data={"b": "2"})))["data"] == {"b": "2"}


async def replacing_another_object_of_the_name(server: Server) -> None:
    first = await server.create(TASK, make_task())
    other = edited(first, {"metadata.uid": UID})

    assert await refused(server.replace(TASK, other)) == CONFLICT


async def a_generation_counts_changes_of_the_spec(server: Server) -> None:
    first = await server.create(TASK, make_task())
    second = await server.replace(TASK, edited(first, {"metadata.labels": {"team": "a"}}))
    third = await server.replace(TASK, edited(second, {"spec.suspend": True}))
    fourth = await server.merge(TASK, "chat", {"status": {"phase": "Running"}}, subresource="status")
    fifth = await server.merge(TASK, "chat", {"spec": {"suspend": False}})

    assert [one["metadata"]["generation"] for one in (first, second, third, fourth, fifth)] == [1, 1, 2, 2, 3]
    assert len({version(one) for one in (first, second, third, fourth, fifth)}) == 5


async def a_write_that_changes_nothing_has_no_new_version(server: Server) -> None:
    first = await create_seen(server)
    written = [
        await server.replace(TASK, first),
        await server.replace(TASK, edited(first, {"metadata.generation": 9})),
        await server.merge(TASK, "chat", {"spec": {"suspend": False}}),
        await server.merge(TASK, "chat", {"metadata": {"labels": None}}),
        await server.merge(TASK, "chat", {"status": {"phase": "Running"}}),
        await server.replace(TASK, edited(first, {"spec.suspend": None})),
    ]

    assert {version(one) for one in written} == {version(first)}


async def a_write_leaves_the_status_alone(server: Server) -> None:
    await server.create(TASK, make_task())
    await server.merge(TASK, "chat", {"status": {"phase": "Running"}}, subresource="status")
    read = await server.get(TASK, "chat")

    replaced = await server.replace(TASK, edited(read, {"spec.suspend": True, "status.phase": "Failed"}))
    merged = await server.merge(TASK, "chat", {"spec": {"suspend": False}, "status": {"phase": "Failed"}})
    without = copy.deepcopy(merged)
    del without["status"]
    stripped = await server.replace(TASK, edited(without, {"spec.suspend": True}))

    assert [one["status"]["phase"] for one in (replaced, merged, stripped)] == ["Running"] * 3


async def a_write_of_the_status_leaves_all_else_alone(server: Server) -> None:
    made = await server.create(TASK, make_task())
    wanted = edited(made, {"spec.suspend": True, "metadata.labels": {"a": "b"}, "status": {"phase": "Running"}})

    replaced = await server.replace(TASK, wanted, subresource="status")
    patch = {"spec": {"suspend": True}, "metadata": {"labels": {"a": "b"}}, "status": {"message": "so"}}
    merged = await server.merge(TASK, "chat", patch, subresource="status")

    assert replaced["status"] == {**UNSEEN, "phase": "Running"}
    assert merged["status"] == {**UNSEEN, "phase": "Running", "message": "so"}
    for one in (replaced, merged):
        assert (one["spec"], one["metadata"].get("labels")) == (made["spec"], None)


async def a_status_can_be_taken_away(server: Server) -> None:
    await server.create(TASK, make_task())
    written = await server.merge(TASK, "chat", {"status": {"phase": "Running"}}, subresource="status")
    del written["status"]

    assert (await server.replace(TASK, written, subresource="status"))["status"] == UNSEEN


async def a_merge_patch_takes_away_what_it_calls_null(server: Server) -> None:
    labels = {"a": "1", "b": "2"}
    await server.create(TASK, edited(make_task(), {"metadata.labels": labels, "spec.gpuHourPrice": "2.50"}))
    patch = {"metadata": {"labels": {"a": None, "c": "3"}}, "spec": {"gpuHourPrice": None, "slos": None}}

    merged = await server.merge(TASK, "chat", patch)

    assert merged["metadata"]["labels"] == {"b": "2", "c": "3"}
    assert "gpuHourPrice" not in merged["spec"]
    assert "slos" not in merged["spec"]


async def a_merge_patch_replaces_lists(server: Server) -> None:
    await server.create(TASK, make_task())

    merged = await server.merge(TASK, "chat", {"spec": {"parameters": [{"name": "dp-size", "values": [1]}]}})

    assert [one["name"] for one in merged["spec"]["parameters"]] == ["dp-size"]


async def a_merge_patch_with_the_version_that_was_read(server: Server) -> None:
    first = await server.create(TASK, make_task())
    patch = {"metadata": {"resourceVersion": version(first)}, "spec": {"suspend": True}}

    await server.merge(TASK, "chat", patch)
    assert await refused(server.merge(TASK, "chat", {**patch, "spec": {"suspend": False}})) == CONFLICT


async def a_patch_for_another_object_of_the_name(server: Server) -> None:
    await server.create(TASK, make_task())
    other = {"metadata": {"uid": UID}, "spec": {"suspend": True}}
    immutable = invalid(("FieldValueInvalid", "metadata.uid"), ("FieldValueInvalid", "metadata.uid"))

    assert await refused(server.merge(TASK, "chat", other)) == immutable
    assert await refused(server.apply(TASK, edited(make_task(), {"metadata.uid": UID}))) == immutable
    assert await refused(server.apply(TASK, edited(make_task("b"), {"metadata.uid": UID}))) == CONFLICT
    # Of a patch of the status, nothing but the status counts.
    status = {"metadata": {"uid": UID}, "status": {"phase": "Running"}}
    assert (await server.merge(TASK, "chat", status, subresource="status"))["status"] == {**UNSEEN, "phase": "Running"}


async def a_patch_cannot_rename_or_move(server: Server) -> None:
    await server.create(TASK, make_task())

    assert await refused(server.merge(TASK, "chat", {"metadata": {"name": "other"}})) == NONSENSE
    assert await refused(server.merge(TASK, "chat", {"metadata": {"namespace": "other"}})) == NONSENSE


async def numbers_without_a_fraction_are_whole(server: Server) -> None:
    made = await server.create(TASK, edited(make_task(), {"spec.parameters.1.values": [1.0, 0.5]}))

    values = made["spec"]["parameters"][1]["values"]
    assert (values, [type(one) for one in values]) == ([1, 0.5], [int, float])


async def a_lease_changes_hands_once(server: Server) -> None:
    read = await server.create(LEASE, lease(holder=""))
    taken = edited(read, {"spec.holderIdentity": "b"})

    assert (await server.replace(LEASE, taken))["spec"]["holderIdentity"] == "b"
    assert await refused(server.replace(LEASE, edited(read, {"spec.holderIdentity": "c"}))) == CONFLICT


async def a_pod_gets_its_status_by_the_subresource_alone(server: Server) -> None:
    await server.create(POD, pod())
    await server.merge(POD, "engine", {"status": {"message": "no"}, "metadata": {"labels": {"a": "b"}}})
    written = await server.merge(
        POD, "engine", {"status": {"phase": "Running", "message": "yes"}}, subresource="status"
    )

    assert (written["status"]["phase"], written["status"]["message"]) == ("Running", "yes")
    assert written["metadata"]["labels"] == {"a": "b"}


async def an_experiment_has_a_version_of_its_own(server: Server) -> None:
    task = await server.create(TASK, make_task())
    experiment = await server.create(EXPERIMENT, make_experiment())
    await server.merge(EXPERIMENT, "chat-1", {"spec": {"cancel": True}})

    assert int(version(experiment)) > int(version(task))
    assert version(await server.get(TASK, "chat")) == version(task)
    assert await refused(server.get(TASK, "chat-1")) == MISSING
