"""A live object is compared with what the API server would make of the words of a task."""

from __future__ import annotations

from autotuner.controllers.filled_in import FilledIn
from autotuner.kube import KubeError, RejectedError
from autotuner.kubernetes_object import Object, Resource
from autotuner.policy.model_and_runtime import difference
from autotuner.serving.ome.resource_kinds import CLUSTER_SERVING_RUNTIME as KIND
from tests.unit.builders import make_runtime
from tests.unit.fake_kube import FakeKube


class Defaulting(FakeKube):
    """A webhook writes an environment variable without a value out as an empty one."""

    async def dry_run(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        found = await super().dry_run(resource, namespace, body)
        assert namespace is None
        assert body["metadata"]["name"] == "engine-runtime-as-wanted"
        for variable in found["spec"]["engineConfig"]["runner"]["env"]:
            variable.setdefault("value", "")
            variable["name"] = variable["name"].upper()
        return found


def runtime(name: str) -> Object:
    body = make_runtime()
    body["spec"]["engineConfig"]["runner"]["env"] = [{"name": name, "value": ""}]
    return body


async def test_what_the_api_server_changes_is_no_difference() -> None:
    kube = Defaulting()
    filled_in, wanted, live = FilledIn(kube.as_kube()), runtime("debug"), runtime("DEBUG")

    assert difference(live["spec"], wanted["spec"])
    for _ in range(2):
        found = await filled_in.beside(live, KIND, "team", wanted)
        assert difference(live["spec"], found["spec"]) == []
        assert found["metadata"] == wanted["metadata"]
    assert kube.calls == [("dry run", KIND.kind)], "once for the same words"


async def test_nobody_is_asked_where_nothing_differs() -> None:
    kube = Defaulting()
    filled_in = FilledIn(kube.as_kube())

    assert await filled_in.beside(runtime("a"), KIND, "team", runtime("a")) == runtime("a")
    assert await filled_in.beside(None, KIND, "team", runtime("a")) == runtime("a")
    assert kube.calls == []


async def test_an_api_server_that_will_not_say_is_asked_again_only_if_it_may_answer_later() -> None:
    kube = Defaulting()
    filled_in = FilledIn(kube.as_kube())
    for status, kind, asked in ((500, KubeError, 1), (403, RejectedError, 2), (403, RejectedError, 2)):
        kube.refuse["dry run", KIND.kind] = kind(status, "", "no")
        assert await filled_in.beside(runtime("DEBUG"), KIND, "team", runtime("debug")) == runtime("debug")
        assert len(kube.calls) == asked
