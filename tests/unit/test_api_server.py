"""What the API server's answers become, over a connection that is made up."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ServerDisconnectedError
from kubernetes.aio.config import kube_config

from autotuner.api_server import ApiServer, usual_namespace
from autotuner.kube import EXPERIMENT, LEASE, NODE, POD, TASK, ConflictError, KubeError, Obstacle, RejectedError
from autotuner.kubernetes_object import Object
from tests.unit.builders import make_experiment

Answer = tuple[int, Any] | tuple[int, Any, Exception] | Exception


class Response:
    """An answer, read at once or as a stream, which an exception may break off."""

    def __init__(self, status: int, body: Any, breaks: Exception | None = None) -> None:
        self.status, self.response, self.content, self._breaks = status, self, self, breaks
        self._body = body if isinstance(body, str) else json.dumps(body)

    async def read(self) -> bytes:
        return self._body.encode()

    async def iter_any(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 1000):
            yield self._body[start : start + 1000].encode()
        if self._breaks:
            raise self._breaks

    def close(self) -> None:
        self.closed = True


class Client:
    """Plays the generated client: keeps the requests, gives the answers in turn."""

    def __init__(self, *answers: Answer, proxy: str | None = None) -> None:
        self.requests: list[Object] = []
        self.configuration = SimpleNamespace(proxy=proxy)
        self._answers = list(answers)

    async def param_serialize(self, method: str, path: str, **more: Any) -> tuple[Object]:
        return ({"method": method, "path": path, **more},)

    async def call_api(self, request: Object, **_: Any) -> Response:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Response(*answer)


def connected(*answers: Answer) -> tuple[ApiServer, Client]:
    client = Client(*answers)
    return ApiServer(client), client


GONE = (404, {"reason": "NotFound", "message": "gone"})
CONFLICT = (409, {"reason": "Conflict", "message": "changed"})


async def test_a_missing_object_is_none() -> None:
    kube, _ = connected(GONE)

    assert await kube.get(POD, "team", "p") is None


async def test_a_forbidden_object_is_not_missing() -> None:
    kube, _ = connected((403, {"reason": "Forbidden", "message": "no"}))

    with pytest.raises(RejectedError, match="Forbidden: no"):
        await kube.get(POD, "team", "p")


async def test_an_owner_whose_kind_is_too_new_for_the_admission_is_tried_again() -> None:
    words = (
        'experiments "chat-0" is forbidden: cannot set blockOwnerDeletion in this case because cannot find RESTMapping'
        ' for APIVersion autotuner.io/v1alpha1 Kind TuningTask: no matches for kind "TuningTask"'
    )
    kube, _ = connected((403, {"reason": "Forbidden", "message": words}))

    with pytest.raises(KubeError, match="cannot find RESTMapping") as caught:
        await kube.create(EXPERIMENT, "team", make_experiment())
    assert type(caught.value) is KubeError


@pytest.mark.parametrize(
    "problem", [ServerDisconnectedError(), ClientPayloadError("half"), OSError("refused"), TimeoutError()]
)
async def test_no_answer_is_an_error_that_is_tried_again(problem: Exception) -> None:
    kube, _ = connected(problem)

    with pytest.raises(KubeError, match="GET /api/v1/namespaces/team/pods/p") as caught:
        await kube.get(POD, "team", "p")
    assert (caught.value.status, caught.value.reason) == (0, "Unreachable")
    assert type(caught.value) is KubeError


async def test_items_of_a_list_know_their_kind() -> None:
    kube, client = connected((200, {"items": [{"metadata": {"name": "p"}}]}))

    assert await kube.list(POD, "team", labels="a=b", fields="c=d") == [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    ]
    want = [("labelSelector", "a=b"), ("fieldSelector", "c=d"), ("limit", "500")]
    assert client.requests[0]["query_params"] == want


async def test_a_long_list_is_read_in_pages() -> None:
    first = {"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a", "managedFields": [{}]}}]}
    kube, client = connected((200, first), (200, {"metadata": {}, "items": [{"metadata": {"name": "b"}}]}))

    assert [item["metadata"] for item in await kube.list(POD, "team", labels="a=b")] == [{"name": "a"}, {"name": "b"}]
    common = [("labelSelector", "a=b"), ("limit", "500")]
    assert [one["query_params"] for one in client.requests] == [common, [*common, ("continue", "more")]]


def lines(*events: Object) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def event(kind: str, name: str, version: str) -> Object:
    return {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": version}}}


async def test_metadata_is_followed_from_the_list_on() -> None:
    first = {"metadata": {"resourceVersion": "7", "continue": "more"}, "items": [{"metadata": {"name": "a"}}]}
    second = {"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "b"}}]}
    ends = lines(event("MODIFIED", "a", "8"), event("DELETED", "a", "9"), event("BOOKMARK", "", "12"))
    breaks_off = (200, lines(event("ADDED", "c", "13")) + '{"type": "MODIF', ClientPayloadError("broken"))
    too_old = lines({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}})
    kube, client = connected((200, first), (200, second), (200, ends), breaks_off, (200, too_old))

    names: list[str] = []
    with pytest.raises(KubeError, match="Expired: too old"):
        async for meta in kube.follow_metadata(EXPERIMENT, None, "over"):
            names += [meta["name"]]

    assert names == ["a", "b", "a", "c"]
    asked = [dict(one["query_params"]) for one in client.requests]
    assert [one.get("resourceVersion") for one in asked] == [None, None, "7", "12", "13"]
    assert {one["labelSelector"] for one in asked} == {"over"}
    assert {one["limit"] for one in asked[:2]} == {"100"}
    accepted = [one["header_params"]["Accept"].split(";")[1] for one in client.requests]
    assert accepted == ["as=PartialObjectMetadataList"] * 2 + ["as=PartialObjectMetadata"] * 3


async def test_metadata_that_cannot_be_followed_is_an_error() -> None:
    kube, _ = connected((200, {"metadata": {"resourceVersion": "7"}, "items": []}), (403, {"reason": "Forbidden"}))

    with pytest.raises(RejectedError):
        await anext(kube.follow_metadata(EXPERIMENT, "team", "over"))


async def test_a_status_is_applied_to_what_was_seen_only() -> None:
    kube, client = connected((200, {}))
    seen = make_experiment()

    await kube.apply_status(EXPERIMENT, seen, {"phase": "Pending"})

    request = client.requests[0]
    assert request["path"].endswith("/tuningexperiments/chat-1/status")
    assert request["header_params"]["Content-Type"] == "application/apply-patch+yaml"
    assert request["body"] == {
        "apiVersion": "autotuner.io/v1alpha1",
        "kind": "TuningExperiment",
        "metadata": {"name": "chat-1", "resourceVersion": "7"},
        "status": {"phase": "Pending"},
    }


async def test_a_stale_status_is_a_conflict() -> None:
    kube, _ = connected(CONFLICT)

    with pytest.raises(ConflictError):
        await kube.apply_status(EXPERIMENT, make_experiment(), {})


async def test_nothing_is_written_once_another_may_act() -> None:
    client = Client((200, {"metadata": {}}))
    kube = ApiServer(client, may_write=lambda: False)

    with pytest.raises(KubeError, match="another operator may act"):
        await kube.create(POD, "team", {"kind": "Pod"})
    assert client.requests == []
    assert await kube.get(POD, "team", "p") == {"metadata": {}}


async def test_metadata_is_all_that_is_asked_for() -> None:
    kube, client = connected((200, {"items": [{"metadata": {"name": "p"}}]}))

    assert await kube.list_metadata(POD, None, "a=b") == [{"name": "p"}]
    assert "PartialObjectMetadataList" in client.requests[0]["header_params"]["Accept"]
    assert client.requests[0]["query_params"] == [("labelSelector", "a=b"), ("limit", "500")]


async def test_an_object_is_replaced_as_it_was_read() -> None:
    kube, client = connected((200, {"spec": {}}))
    body = {"metadata": {"name": "autotuner", "namespace": "home", "resourceVersion": "7"}}

    await kube.replace(LEASE, body)

    request = client.requests[0]
    assert (request["method"], request["body"]) == ("PUT", body)
    assert request["path"] == "/apis/coordination.k8s.io/v1/namespaces/home/leases/autotuner"


async def test_creation_is_strict() -> None:
    kube, client = connected((201, {"metadata": {"uid": "u"}}))

    assert await kube.create(POD, "team", {"kind": "Pod"}) == {"metadata": {"uid": "u"}}
    assert ("fieldValidation", "Strict") in client.requests[0]["query_params"]


async def test_a_dry_run_is_checked_like_a_creation_and_keeps_nothing() -> None:
    kube, client = connected((201, {"metadata": {"name": "p"}}))

    assert await kube.dry_run(POD, "team", {"kind": "Pod"}) == {"metadata": {"name": "p"}}
    assert {("fieldValidation", "Strict"), ("dryRun", "All")} <= set(client.requests[0]["query_params"])


async def test_exactly_this_object_is_deleted_and_first_what_it_owns() -> None:
    kube, client = connected((200, {}))

    await kube.delete(POD, "team", "p", "uid-1")

    assert client.requests[0]["body"] == {"propagationPolicy": "Foreground", "preconditions": {"uid": "uid-1"}}


@pytest.mark.parametrize("answer", [GONE, CONFLICT], ids=["already gone", "another of its name"])
async def test_deleting_what_is_not_there_is_fine(answer: Answer) -> None:
    kube, _ = connected(answer)

    await kube.delete(POD, "team", "p", "uid-1")


async def test_a_deletion_that_is_refused_is_told() -> None:
    kube, _ = connected((403, {"reason": "Forbidden", "message": "no"}))

    with pytest.raises(RejectedError):
        await kube.delete(POD, "team", "p", "uid-1")


@pytest.mark.parametrize(
    ("answer", "want"),
    [((200, "line 1\nline 2"), "line 1\nline 2"), (GONE, ""), (ServerDisconnectedError(), "")],
    ids=["a log", "no log any more", "no answer"],
)
async def test_logs(answer: Answer, want: str) -> None:
    kube, client = connected(answer)

    assert await kube.logs("team", "p", "main", previous=True) == want
    assert ("previous", "true") in client.requests[0]["query_params"]


async def test_a_log_is_read_whole_and_not_cut_by_the_api_server() -> None:
    kube, client = connected((200, "cause\n" + "noise\n" * 100_000 + "end"))

    text = await kube.logs("team", "p", "main", previous=False)

    assert text.startswith("cause\nnoise\n")
    assert text.endswith("noise\nend")
    assert [name for name, _ in client.requests[0]["query_params"]] == ["container"]


async def test_a_log_that_breaks_off_is_read_again_from_its_end() -> None:
    kube, client = connected((200, "begin\n", TimeoutError()), (200, "end\n"))

    assert await kube.logs("team", "p", "main", previous=False) == "begin\nend\n"
    assert ("tailLines", "1000") in client.requests[1]["query_params"]


EMPTY: Answer = (200, {"items": []})
ABSENT: Answer = (404, "404 page not found")


@pytest.mark.parametrize(
    ("answers", "want"),
    [
        ([(200, "ok"), EMPTY, EMPTY], None),
        (
            [(200, "ok"), EMPTY, ABSENT],
            Obstacle("tuningexperiments.autotuner.io: 404: 404 page not found", absent=True),
        ),
        ([(500, "etcd failed")], Obstacle("the API server: 500: etcd failed", absent=False)),
        (
            [ServerDisconnectedError()],
            Obstacle("the API server: Unreachable: GET /readyz: Server disconnected", absent=False),
        ),
    ],
    ids=["both kinds", "one kind", "not ready", "not there"],
)
async def test_what_keeps_our_kinds_from_being_served(answers: list[Answer], want: Obstacle | None) -> None:
    kube, _ = connected(*answers)

    assert await kube.obstacle((TASK, EXPERIMENT), []) == want


async def test_the_kinds_are_read_where_the_operator_may_read_them() -> None:
    kube, client = connected((200, "ok"), EMPTY, EMPTY, EMPTY, EMPTY, EMPTY)

    assert await kube.obstacle((TASK, EXPERIMENT, NODE), ["a", "b"]) is None
    paths = [request["path"] for request in client.requests[1:]]
    assert [path.split("/")[5] for path in paths[:4]] == ["a", "b", "a", "b"]
    assert paths[4:] == ["/api/v1/nodes"]


async def test_a_proxy_that_was_asked_is_named_without_its_password() -> None:
    kube = ApiServer(Client(OSError("refused"), proxy="http://me:secret@proxy:3128"))

    with pytest.raises(KubeError, match=r"GET /readyz: refused \(asked through the proxy http://proxy:3128\)"):
        await kube.request("GET", "/readyz")


def test_without_a_namespace_that_of_the_context_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def usual(**context: str) -> str:
        named = {"name": "here", "context": {"cluster": "here", "user": "here", **context}}
        parts = {"clusters": [{"name": "here", "cluster": {}}], "users": [{"name": "here", "user": {}}]}
        config = {"current-context": "here", "contexts": [named], **parts}
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        return usual_namespace({})

    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
    assert usual(namespace="team") == "team"
    assert usual() == "default"
    (tmp_path / "kubeconfig").unlink()
    with pytest.raises(RuntimeError, match="set KUBECONFIG or run inside a cluster"):
        usual_namespace({})


async def test_fields_are_written_in_the_name_of_who_writes_them() -> None:
    client = Client((201, {"metadata": {"name": "t"}}))
    await ApiServer(client, manager="somebody").create(TASK, "team", {"metadata": {"name": "t"}})  # type: ignore[arg-type]
    (request,) = client.requests
    assert ("fieldManager", "somebody") in request["query_params"]
