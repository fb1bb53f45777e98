"""The life of a release: helm install, upgrade and uninstall on an API server that knows none of our kinds yet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, ApiError
from tests.support.chart import CHART, helm
from tests.support.objects import make_task, tasks

Helm = Callable[..., str]
NAMESPACE = "tuning"
KINDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tuningtasks.autotuner.io"
NO_HOOKS = "--no-hooks"  # the hook's pod reads its token where a pod of local processes has none


@pytest.fixture(scope="module")
def empty() -> Iterator[Testbed]:
    with Testbed.start(ome=False) as testbed:
        yield testbed


@pytest.fixture
async def api(empty: Testbed) -> AsyncIterator[Api]:
    async with Api(empty.kubeconfig, agent="test") as client:
        yield client


@pytest.fixture
def release(empty: Testbed) -> Iterator[Helm]:
    """Runs helm for the release; it is gone afterwards, its CRDs too."""

    def run(command: str, *words: str, values: Object | None = None) -> str:
        chart = [str(CHART)] if command in ("install", "upgrade") else []
        where = [f"--kubeconfig={empty.kubeconfig}", f"--namespace={NAMESPACE}"]
        return helm(command, "autotuner", *chart, *where, *words, values=values)

    yield run
    installed = helm("list", "--all", "--short", f"--kubeconfig={empty.kubeconfig}", f"--namespace={NAMESPACE}")
    if not installed.strip():
        run("install")
    run("upgrade", values={"crds": {"keep": False}})
    run("uninstall", NO_HOOKS)


async def exists(api: Api, path: str) -> bool:
    try:
        await api.get(path)
    except ApiError as error:
        assert error.status == 404, error
        return False
    return True


async def test_an_installation_says_what_to_do_next(api: Api, release: Helm) -> None:
    notes = release("install", "--create-namespace")

    assert f"kubectl --namespace {NAMESPACE} rollout status deployment/autotuner" in notes
    assert "OME is not installed in this cluster" in notes
    assert f"kubectl label namespace {NAMESPACE} pod-security.kubernetes.io/enforce=restricted" in notes

    labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    await api.patch(f"/api/v1/namespaces/{NAMESPACE}", labels)
    notes = release("upgrade", values={"watchNamespaces": [NAMESPACE]})

    assert "kubectl label namespace" not in notes
    assert f"serves the tasks in {NAMESPACE}" in notes
    assert f"kubectl --namespace {NAMESPACE} apply -f examples/quickstart.yaml" in notes


async def test_tasks_outlive_the_release_and_meet_the_next_one(api: Api, release: Helm) -> None:
    release("install", "--create-namespace")
    await api.create(tasks(NAMESPACE), make_task("mine"))

    release("uninstall", NO_HOOKS)

    assert await exists(api, f"{tasks(NAMESPACE)}/mine")
    assert not await exists(api, f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/autotuner")
    assert not await exists(api, "/apis/rbac.authorization.k8s.io/v1/clusterroles/autotuner")

    release("install")

    assert await exists(api, f"{tasks(NAMESPACE)}/mine")
    assert await exists(api, f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/autotuner")


async def test_crds_that_are_not_kept_go_with_the_release(api: Api, release: Helm) -> None:
    release("install", "--create-namespace", values={"crds": {"keep": False}})
    assert await exists(api, KINDS)

    release("uninstall", NO_HOOKS, "--wait")

    assert not await exists(api, KINDS)


async def test_an_upgrade_takes_rights_away_that_are_no_longer_needed(api: Api, release: Helm) -> None:
    release("install", "--create-namespace")
    role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/autotuner"
    assert any("inferenceservices" in rule["resources"] for rule in (await api.get(role))["rules"])

    release("upgrade", values={"watchNamespaces": [NAMESPACE]})

    assert not any("inferenceservices" in rule["resources"] for rule in (await api.get(role))["rules"])
    rules = (await api.get(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/autotuner-tasks"))["rules"]
    assert any("inferenceservices" in rule["resources"] for rule in rules)
