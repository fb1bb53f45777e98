"""The life of a release: helm install, upgrade and uninstall on an API server that knows none of our kinds yet."""

from __future__ import annotations

import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, ApiError, install_crds
from tests.support.chart import CHART, helm
from tests.support.objects import make_task, tasks
from tests.tools import tool

Helm = Callable[..., str]
NAMESPACE = "tuning"
KINDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tuningtasks.autotuner.io"
CRDS = "tuningexperiments.autotuner.io tuningtasks.autotuner.io"
NO_HOOKS = "--no-hooks"  # the hook's pod reads its token where a pod of local processes has none


@pytest.fixture(scope="module")
def empty() -> Iterator[Testbed]:
    with Testbed.start(ome=False) as testbed:
        yield testbed


@pytest.fixture
async def api(empty: Testbed) -> AsyncIterator[Api]:
    async with Api(empty.kubeconfig, agent="test") as client:
        yield client


@pytest.fixture(params=["helm", pytest.param("helm4", marks=pytest.mark.full)])
def release(empty: Testbed, request: pytest.FixtureRequest) -> Iterator[Helm]:
    """Runs helm for the release; it is gone afterwards, its CRDs too."""

    def run(command: str, *words: str, values: Object | None = None) -> str:
        chart = [str(CHART)] if command in ("install", "upgrade") else []
        where = [f"--kubeconfig={empty.kubeconfig}", f"--namespace={NAMESPACE}"]
        return helm(command, "autotuner", *chart, *where, *words, values=values, program=request.param)

    yield run
    installed = helm("list", "--short", f"--kubeconfig={empty.kubeconfig}", f"--namespace={NAMESPACE}")
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
    await api.patch(
        f"/api/v1/namespaces/{NAMESPACE}", {"metadata": {"labels": dict.fromkeys(labels["metadata"]["labels"])}}
    )


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


@pytest.mark.parametrize(
    ("release", "owner"), [("helm", ""), ("helm4", "other")], ids=["helm", "helm4"], indirect=["release"]
)
async def test_crds_of_others_are_refused_with_the_ways_out(
    api: Api, release: Helm, empty: Testbed, owner: str
) -> None:
    await install_crds(api)
    if owner:
        run(empty, f"kubectl label --overwrite crd {CRDS} app.kubernetes.io/managed-by=Helm")
        run(
            empty,
            f"kubectl annotate --overwrite crd {CRDS} meta.helm.sh/release-name=other"
            " meta.helm.sh/release-namespace=elsewhere",
        )
    with pytest.raises(AssertionError) as refused:
        release("install", "--create-namespace")

    words = str(refused.value)
    whose = 'of release "other" in namespace "elsewhere"' if owner else "not installed by Helm"
    assert f"tuningtasks.autotuner.io ({whose})" in words
    release("install", "--create-namespace", "--set", "crds.enabled=false")
    release("uninstall", NO_HOOKS)
    for command in re.findall(r"^ +(kubectl .*)$", words, re.MULTILINE):
        run(empty, command)
    release("install")

    assert (await api.get(KINDS))["metadata"]["annotations"]["meta.helm.sh/release-name"] == "autotuner"


def run(bed: Testbed, command: str) -> None:
    """Run a command of kubectl on the cluster."""
    _, *words = command.split()
    subprocess.run([tool("kubectl"), f"--kubeconfig={bed.kubeconfig}", *words], check=True, capture_output=True)
