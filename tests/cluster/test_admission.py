"""The admission policy: what users bring of their own takes their own right to create such an object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, ApiError
from tests.support.chart import objects, render
from tests.support.objects import edited, experiments, make_experiment, make_task, tasks
from tests.support.waiting import wait_for

RIGHTS = "/apis/rbac.authorization.k8s.io/v1"
POLICIES = "/apis/admissionregistration.k8s.io/v1"
RELEASE, HOME = "policy", "default"  # another name than any that runs, so that nobody is taken for its operator
OPERATOR = f"{RELEASE}-autotuner"
# The API server removes fields that the schema does not have before policies see them. So that the policy's rules for
# fields to come are tested too, the same policy is made once more for kinds of this group, whose spec takes anything.
OPEN = "open.autotuner.test"
OME_CLUSTER_KINDS = ["clusterbasemodels", "clusterservingruntimes"]
OME_KINDS = ["basemodels", "servingruntimes"]


def rule(group: str, resources: list[str], *verbs: str) -> Object:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs) or ["create"]}


TUNING = rule("autotuner.io", ["tuningtasks", "tuningexperiments"], "create", "patch", "get")
OPEN_TUNING = {**TUNING, "apiGroups": [OPEN]}
# User -> what he may do in the whole cluster, beside creating and editing tasks and experiments.
USERS: dict[str, list[Object]] = {
    "platform": [
        rule("ome.io", OME_CLUSTER_KINDS + OME_KINDS),
        rule("batch", ["jobs"]),
        rule("apps", ["deployments"], "create", "get"),
        rule("leaderworkerset.x-k8s.io", ["leaderworkersets"], "create", "get"),
    ],
    "reader": [rule("apps", ["deployments"], "get")],
    "writer": [rule("apps", ["deployments"], "create")],
    "namespace-owner": [rule("ome.io", OME_KINDS), rule("batch", ["jobs"])],
    "tuner": [],
    OPERATOR: [],
}


@pytest.fixture(scope="module")
def tokens(bed: Testbed) -> Iterator[dict[str, str]]:
    """The policies are in force, and service accounts stand for users: name -> token."""
    made: list[str] = []

    async def install() -> dict[str, str]:
        found = {}
        async with Api(bed.kubeconfig, agent="test") as api:
            policies = [i for i in objects(render({}, HOME, RELEASE)) if i["kind"].startswith("ValidatingAdmission")]
            await api.apply_all([open_kind()], "test")
            for item in [*policies, *map(opened, policies)]:
                made.append(f"{await api.collection(item)}/{item['metadata']['name']}")
                await api.apply(made[-1], item, "test")
            for name, rules in USERS.items():
                made.extend(await make_user(api, name, [TUNING, OPEN_TUNING, *rules]))
                account = f"/api/v1/namespaces/{HOME}/serviceaccounts/{name}"
                request = await api.create(f"{account}/token", {"spec": {"expirationSeconds": 3600}})
                found[name] = request["status"]["token"]
        return found

    async def remove() -> None:
        async with Api(bed.kubeconfig, agent="test") as api:
            for path in [*made, f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tuningtasks.{OPEN}"]:
                await api.delete(path)

    yield asyncio.run(install())
    asyncio.run(remove())


def open_kind() -> Object:
    """TuningTasks of a group of the test's own, whose spec takes anything."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything}}}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "tuningtasks", "singular": "tuningtask", "kind": "TuningTask", "listKind": "TuningTaskList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"tuningtasks.{OPEN}"},
        "spec": {"group": OPEN, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def opened(item: Object) -> Object:
    """A policy or binding for the test's own group."""
    name = f"open-{item['metadata']['name']}"
    if "policyName" in item["spec"]:
        return edited(item, {"metadata.name": name, "spec.policyName": f"open-{item['spec']['policyName']}"})
    return edited(item, {"metadata.name": name, "spec.matchConstraints.resourceRules.0.apiGroups": [OPEN]})


async def make_user(api: Api, name: str, rules: list[Object]) -> list[str]:
    """A service account with rights in the whole cluster; returns the paths of what was made."""
    full = f"admission-{name}"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": full}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": HOME}
    accounts = f"/api/v1/namespaces/{HOME}/serviceaccounts"
    await api.create(accounts, {"metadata": {"name": name}})
    await api.create(f"{RIGHTS}/clusterroles", {"metadata": {"name": full}, "rules": rules})
    binding = {"metadata": {"name": full}, "roleRef": role, "subjects": [subject]}
    await api.create(f"{RIGHTS}/clusterrolebindings", binding)
    return [f"{accounts}/{name}", f"{RIGHTS}/clusterroles/{full}", f"{RIGHTS}/clusterrolebindings/{full}"]


def open_tasks(namespace: str) -> str:
    return f"/apis/{OPEN}/v1alpha1/namespaces/{namespace}/tuningtasks"


def open_task(edits: Mapping[str, Any]) -> Object:
    return make_task(edits={"apiVersion": f"{OPEN}/v1alpha1", **edits})


class Users:
    """Connections of users, made when asked for."""

    def __init__(self, bed: Testbed, tokens: dict[str, str], folder: Path) -> None:
        self._bed, self._tokens, self._folder = bed, tokens, folder
        self._open: dict[str, Api] = {}

    async def __call__(self, name: str) -> Api:
        if name not in self._open:
            config = yaml.safe_load(self._bed.kubeconfig.read_text())
            config["users"][0]["user"] = {"token": self._tokens[name]}
            path = self._folder / f"{name}.yaml"
            path.write_text(yaml.safe_dump(config))
            self._open[name] = await Api(path, agent=name).__aenter__()
        return self._open[name]

    async def close(self) -> None:
        for api in self._open.values():
            await api.__aexit__(None, None, None)


@pytest.fixture
async def users(bed: Testbed, tokens: dict[str, str], tmp_path: Path, namespace: str) -> AsyncIterator[Users]:
    """The policies already answer: they do so some moments after they were written."""
    found = Users(bed, tokens, tmp_path)
    tuner = await found("tuner")
    own_image = make_experiment(edits={"spec.service.image": "registry.example/engine:1"})

    own_model = make_task(edits={"spec.model": OWN_MODEL})
    own_benchmark = open_task({"spec.benchmark.pod.image": "registry.example/bench:1"})

    async def enforced() -> bool:
        refused = [
            await refusal(tuner, experiments(namespace), own_image),
            await refusal(tuner, tasks(namespace), own_model),
            await refusal(tuner, open_tasks(namespace), own_benchmark),
        ]
        return all(refused)

    await wait_for(enforced, "admission policy in force")
    yield found
    await found.close()


async def refusal(api: Api, path: str, body: Object) -> str:
    """What the API server says against creating it; empty if nothing. Nothing is kept."""
    try:
        await api.create(path, body, dryRun="All")
    except ApiError as error:
        assert error.status == 403, error
        return error.message
    return ""


OWN: list[tuple[dict[str, Any], str]] = [
    ({"spec.service.image": "registry.example/engine:1"}, "spec.service: image takes the right to create clusterserv"),
    ({"spec.service.env": [{"name": "A", "value": "1"}]}, "spec.service: env takes the right to create clusterserv"),
    ({"spec.benchmark.pod.image": "registry.example/bench:1"}, "spec.benchmark.pod: image takes the right to create"),
    ({"spec.benchmark.pod.env": [{"name": "A", "value": "1"}]}, "spec.benchmark.pod: env takes the right to create jo"),
]
PLAIN = {"spec.service.env": None}
SNAPSHOT = {"kind": "ControllerRevision", "name": "web-5d4f"}
OWN.append(
    (
        {"spec.service.backend": "Deployment", "spec.service.container": "web", "spec.service.runtime": SNAPSHOT},
        "spec.service.runtime: a ControllerRevision takes the right to create deployments.apps",
    )
)


@pytest.mark.parametrize(("edits", "complaint"), OWN)
async def test_one_who_may_not_is_refused_and_told_why(
    users: Users, namespace: str, edits: Mapping[str, Any], complaint: str
) -> None:
    body = make_experiment(edits={**PLAIN, **edits})

    told = await refusal(await users("tuner"), experiments(namespace), body)

    assert complaint in told
    assert f"system:serviceaccount:{HOME}:tuner does not have" in told


@pytest.mark.parametrize(("edits", "complaint"), OWN)
async def test_one_who_may_is_not_refused(
    users: Users, namespace: str, edits: Mapping[str, Any], complaint: str
) -> None:
    body = make_experiment(edits={**PLAIN, **edits})

    assert await refusal(await users("platform"), experiments(namespace), body) == ""


@pytest.mark.parametrize("user", USERS)
async def test_what_brings_nothing_of_its_own_is_everybodys(users: Users, namespace: str, user: str) -> None:
    api = await users(user)

    assert await refusal(api, tasks(namespace), make_task()) == ""
    assert await refusal(api, experiments(namespace), make_experiment(edits=PLAIN)) == ""


async def test_a_namespaced_runtime_takes_the_namespaced_right(users: Users, namespace: str) -> None:
    clusterwide = make_experiment()
    namespaced = edited(clusterwide, {"spec.service.runtime.kind": "ServingRuntime"})
    owner = await users("namespace-owner")

    assert "create clusterservingruntimes.ome.io" in await refusal(owner, experiments(namespace), clusterwide)
    assert await refusal(owner, experiments(namespace), namespaced) == ""
    assert "create servingruntimes.ome.io" in await refusal(await users("tuner"), experiments(namespace), namespaced)


async def test_the_operator_makes_experiments_of_tasks_whose_users_were_asked(users: Users, namespace: str) -> None:
    body = make_experiment(edits={"spec.service.image": "registry.example/engine:1"})

    assert await refusal(await users(OPERATOR), experiments(namespace), body) == ""


async def test_one_who_may_not_may_cancel_what_another_brought(users: Users, namespace: str) -> None:
    body = make_experiment(edits={"spec.service.image": "registry.example/engine:1"})
    await (await users("platform")).create(experiments(namespace), body)
    path = f"{experiments(namespace)}/{body['metadata']['name']}"

    after = await (await users("tuner")).patch(path, {"spec": {"cancel": True}})

    assert after["spec"]["cancel"] is True
    assert after["spec"]["service"]["image"] == "registry.example/engine:1"


MODEL_SPEC: Object = {"storage": {"storageUri": "hf://org/name", "path": "/etc"}}
OWN_MODEL: Object = {"custom": {"name": "mine", "spec": MODEL_SPEC}}
OWN_RUNTIME: Object = {"custom": {"name": "mine", "spec": {"engineConfig": {}}}, "engine": "SGLang"}
NAMED_RUNTIME: Object = {"name": "mine", "kind": "ServingRuntime", "engine": "SGLang", "image": "registry.example/e:1"}
VARIANTS: list[Object] = [
    {"name": "tp-size", "values": [1, 2]},
    {
        "name": "allocator",
        "variants": [{"name": "own"}, {"name": "other", "env": [{"name": "LD_PRELOAD", "value": "x"}]}],
    },
]
OF_TASKS: list[tuple[dict[str, Any], str]] = [
    ({"spec.model": OWN_MODEL}, "spec.model: custom takes the right to create clusterbasemodels.ome.io"),
    # A host path of one's own is an override.
    (
        {"spec.model.overrides": {"storage": {"path": "/"}}},
        "spec.model: overrides takes the right to create clusterbasemodels.ome.io",
    ),
    (
        {"spec.backend": "Deployment", "spec.model.overrides": {"storage": {"path": "/"}}},
        "spec.model: overrides takes the right to create deployments.apps",
    ),
    (
        {"spec.backend": "Deployment", "spec.runtime.image": "registry.example/engine:1"},
        "spec.runtime: image takes the right to create deployments.apps",
    ),
    ({"spec.runtime": OWN_RUNTIME}, "spec.runtime: custom takes the right to create clusterservingruntimes.ome.io"),
    (
        {"spec.runtime.overrides": {"disabled": False}, "spec.runtime.env": [{"name": "A"}]},
        "spec.runtime: overrides, env takes the right to create clusterservingruntimes.ome.io",
    ),
    ({"spec.runtime.image": "registry.example/engine:1"}, "spec.runtime: image takes the right to create clusterserv"),
    ({"spec.runtime": NAMED_RUNTIME}, "spec.runtime: image takes the right to create servingruntimes.ome.io"),
    (
        {"spec.parameters": VARIANTS},
        "spec.parameters[allocator]: env of variants takes the right to create clusterservingruntimes.ome.io",
    ),
]


@pytest.mark.parametrize(("edits", "complaint"), OF_TASKS)
async def test_what_a_task_brings_of_its_own_takes_the_right(
    users: Users, namespace: str, edits: Mapping[str, Any], complaint: str
) -> None:
    body = make_task(edits=edits)

    told = await refusal(await users("tuner"), tasks(namespace), body)
    assert complaint in told
    assert f"system:serviceaccount:{HOME}:tuner does not have" in told
    assert await refusal(await users("platform"), tasks(namespace), body) == ""


def of_target(api_version: str = "apps/v1", kind: str = "Deployment", **target: Any) -> Mapping[str, Any]:
    """What makes a task of a model and a runtime one of a target."""
    named = {"apiVersion": api_version, "kind": kind, "name": "chat", **target}
    return {"spec.target": named, "spec.model": None, "spec.runtime": None}


@pytest.mark.parametrize("user", ["tuner", "reader", "writer"])
async def test_a_target_takes_the_rights_to_read_and_to_make_its_kind(users: Users, namespace: str, user: str) -> None:
    body = make_task(edits=of_target())

    told = await refusal(await users(user), tasks(namespace), body)
    assert "spec.target: takes the rights to get and to create deployments.apps in this namespace" in told
    assert f"system:serviceaccount:{HOME}:{user} does not have" in told
    assert await refusal(await users("platform"), tasks(namespace), body) == ""


async def test_rights_in_another_namespace_do_not_count_for_a_target(api: Api, users: Users, namespace: str) -> None:
    path = f"{RIGHTS}/namespaces/{namespace}"
    subject = {"kind": "ServiceAccount", "name": "tuner", "namespace": HOME}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "own"}
    own = {"metadata": {"name": "own"}, "rules": [rule("apps", ["deployments"], "create", "get")]}
    await api.create(f"{path}/roles", own)
    await api.create(f"{path}/rolebindings", {"metadata": {"name": "own"}, "roleRef": role, "subjects": [subject]})
    tuner, body = await users("tuner"), make_task(edits=of_target())

    async def allowed() -> bool:
        return await refusal(tuner, tasks(namespace), body) == ""

    await wait_for(allowed, "his rights in his own namespace count")
    assert "spec.target: takes the rights" in await refusal(tuner, tasks(HOME), body)


async def test_each_kind_of_target_takes_rights_to_that_kind(users: Users, namespace: str) -> None:
    body = open_task(of_target("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"))

    told = await refusal(await users("reader"), open_tasks(namespace), body)
    assert "get and to create leaderworkersets.leaderworkerset.x-k8s.io in this namespace" in told
    assert await refusal(await users("platform"), open_tasks(namespace), body) == ""


async def test_who_may_not_make_a_target_may_stop_its_task_and_no_more(users: Users, namespace: str) -> None:
    body = make_task(edits=of_target(env=[{"name": "A", "value": "1"}]))
    await (await users("platform")).create(tasks(namespace), body)
    path, tuner = f"{tasks(namespace)}/{body['metadata']['name']}", await users("tuner")

    await tuner.patch(path, {"spec": {"suspend": True}})
    with pytest.raises(ApiError, match=r"spec\.target: takes the rights"):
        await tuner.patch(path, {"spec": {"target": {"name": "other"}}})
    with pytest.raises(ApiError, match=r"spec\.target: takes the rights"):
        await tuner.patch(path, {"spec": {"parameters": VARIANTS}})


async def test_fields_to_come_are_asked_about(users: Users, namespace: str) -> None:
    body = open_task({"spec.benchmark.pod.image": "registry.example/bench:1"})

    told = await refusal(await users("tuner"), open_tasks(namespace), body)
    assert "spec.benchmark.pod: image takes the right to create jobs.batch" in told
    assert await refusal(await users("platform"), open_tasks(namespace), body) == ""


@pytest.mark.parametrize(
    ("part", "own", "kind"), [("model", OWN_MODEL, "basemodels"), ("runtime", OWN_RUNTIME, "servingruntimes")]
)
async def test_namespaced_objects_of_ones_own_take_the_namespaced_right(
    users: Users, namespace: str, part: str, own: Object, kind: str
) -> None:
    clusterwide = make_task(edits={f"spec.{part}": own})
    namespaced = edited(clusterwide, {f"spec.{part}.scope": "Namespaced"})
    owner = await users("namespace-owner")

    assert f"create cluster{kind}.ome.io" in await refusal(owner, tasks(namespace), clusterwide)
    assert await refusal(owner, tasks(namespace), namespaced) == ""
    assert f"create {kind}.ome.io" in await refusal(await users("tuner"), tasks(namespace), namespaced)


async def test_what_changes_nothing_of_a_preset_is_everybodys(users: Users, namespace: str) -> None:
    empty = {"spec.runtime.image": "", "spec.runtime.env": [], "spec.runtime.overrides": {}, "spec.model.overrides": {}}
    claim = {"spec.model.volume": {"claimName": "weights"}, "spec.runtime.extraArgs": ["--max-running-requests=8"]}
    plain = {"spec.parameters": [VARIANTS[0], {"name": "x", "variants": [{"name": "own", "args": ["--a"]}]}]}
    tuner = await users("tuner")

    for edits in (empty, claim, plain):
        assert await refusal(tuner, tasks(namespace), make_task(edits=edits)) == ""


async def test_an_edit_is_asked_about_only_where_it_touches_what_was_brought(users: Users, namespace: str) -> None:
    body = make_task(edits={"spec.model.overrides": {"storage": {"path": "/models"}}, "spec.parameters": VARIANTS})
    await (await users("platform")).create(tasks(namespace), body)
    path = f"{tasks(namespace)}/{body['metadata']['name']}"
    tuner = await users("tuner")

    await tuner.patch(path, {"spec": {"suspend": True}})
    for other in ({"preset": "another"}, {"scope": "Namespaced"}, {"overrides": {"storage": {"path": "/"}}}):
        with pytest.raises(ApiError, match=r"spec\.model: overrides takes the right to create"):
            await tuner.patch(path, {"spec": {"model": other}})
    with pytest.raises(ApiError, match=r"spec\.parameters\[allocator\]: env of variants takes the right to create"):
        await tuner.patch(path, {"spec": {"parameters": [VARIANTS[1]]}})


async def test_the_policies_fit_the_schemas(api: Api, users: Users) -> None:
    for policy in (f"{OPERATOR}-tasks", f"{OPERATOR}-experiments"):
        path = f"{POLICIES}/validatingadmissionpolicies/{policy}"

        async def checked(path: str = path) -> Object | None:
            status = (await api.get(path)).get("status", {})
            return status if "typeChecking" in status else None

        assert (await wait_for(checked, f"{policy} checked"))["typeChecking"] == {}
