"""Chart and manifests against schemas and a real API server: kubeconform, server-side dry run, Pod Security."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, ApiError, load_documents
from tests.support.chart import ROOT, objects, render, value_sets
from tests.support.schemas import write_schemas
from tests.support.waiting import wait_for
from tests.tools import tool

SETS = list(value_sets(""))
OVERLAYS = ("cluster-wide", "namespaced")
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
_GROUPS = (
    "v1",
    "admissionregistration.k8s.io/v1",
    "apiextensions.k8s.io/v1",
    "apps/v1",
    "autotuner.io/v1alpha1",
    "batch/v1",
    "monitoring.coreos.com/v1",
    "networking.k8s.io/v1",
    "rbac.authorization.k8s.io/v1",
)


@pytest.fixture(scope="module")
def cluster(bed: Testbed) -> None:
    """The kinds of the Prometheus Operator are served too."""

    async def install() -> None:
        async with Api(bed.kubeconfig, agent="test") as client:
            kinds = Path(__file__).parent / "crds" / "monitoring.yaml"
            await client.apply_all(load_documents(kinds), "test")

            async def published() -> bool:
                paths = (await client.get("/openapi/v3"))["paths"]
                return {"apis/autotuner.io/v1alpha1", "apis/monitoring.coreos.com/v1"} <= set(paths)

            await wait_for(published, "OpenAPI documents of new kinds")

    asyncio.run(install())


@pytest.fixture(scope="module")
def schema_location(bed: Testbed, cluster: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    async def write() -> str:
        async with Api(bed.kubeconfig, agent="test") as client:
            return await write_schemas(client, list(_GROUPS), tmp_path_factory.mktemp("schemas"))

    return asyncio.run(write())


@pytest.fixture
async def home(api: Api, cluster: None) -> AsyncIterator[str]:
    """A namespace that takes only pods that Pod Security calls restricted."""
    name = f"t-{secrets.token_hex(4)}"
    await api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": _RESTRICTED}})
    yield name
    await api.delete(f"/api/v1/namespaces/{name}")


def kustomized(folder: Path, overlay: str, namespace: str) -> str:
    """An overlay as people use it: from a folder of their own, in a namespace of their own."""
    own = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": [str(Path("..", "manifests", "overlays", overlay))],
        "components": [str(Path("..", "manifests", "components", "monitoring"))],
    }
    return build(folder, yaml.safe_dump(own))


def build(folder: Path, kustomization: str) -> str:
    """What a kustomization beside our manifests builds."""
    (folder / "manifests").symlink_to(ROOT / "manifests")
    (folder / "own").mkdir()
    (folder / "own" / "kustomization.yaml").write_text(kustomization)
    done = subprocess.run([tool("kustomize"), "build", folder / "own"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def conform(location: str, text: str) -> Object:
    """kubeconform's summary of the objects in a text; what it found wrong fails the test."""
    words = [tool("kubeconform"), "-strict", "-summary", "-output=json", f"-schema-location={location}", "-"]
    done = subprocess.run(words, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    summary: Object = json.loads(done.stdout)["summary"]
    return summary


def all_valid(text: str) -> Object:
    return {"valid": len(objects(text)), "invalid": 0, "errors": 0, "skipped": 0}


@pytest.mark.parametrize("name", SETS)
def test_the_chart_conforms_to_the_schemas(schema_location: str, name: str) -> None:
    text = render(value_sets("chart")[name], "chart")

    assert conform(schema_location, text) == all_valid(text)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_manifests_conform_to_the_schemas(schema_location: str, overlay: str, tmp_path: Path) -> None:
    text = kustomized(tmp_path, overlay, "chart")

    assert conform(schema_location, text) == all_valid(text)


def test_the_readmes_overlay_is_of_one_namespace(schema_location: str, tmp_path: Path) -> None:
    readme = (ROOT / "manifests" / "README.md").read_text()
    text = build(tmp_path, readme.split("```yaml\n")[1].split("```")[0])

    assert conform(schema_location, text) == all_valid(text)
    assert {item["metadata"].get("namespace", "tuning") for item in objects(text)} == {"tuning"}
    assert "serviceaccount:autotuner:" not in text
    assert "system:serviceaccount:tuning:autotuner" in text


def test_the_examples_conform_to_the_schemas(schema_location: str) -> None:
    text = "---\n".join(path.read_text() for path in sorted((ROOT / "examples").glob("*.yaml")))

    assert conform(schema_location, text) == all_valid(text)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", "spec.template.spec.containers.0.imagePullPolice", "Never"),
        ("Deployment", "spec.replicas", "many"),
        ("ValidatingAdmissionPolicy", "spec.validation", []),
        ("PrometheusRule", "spec.groups.0.rules.0.expression", "up"),
        ("CustomResourceDefinition", "spec.scop", "Namespaced"),
    ],
)
def test_the_schemas_find_mistakes(schema_location: str, kind: str, path: str, value: Any) -> None:
    item = objects(render(value_sets("chart")["everything"], "chart"), kind)[0]
    *parents, last = path.split(".")
    place: Any = item
    for step in parents:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value

    with pytest.raises(AssertionError, match=last):
        conform(schema_location, yaml.safe_dump(item))


async def dry_run(api: Api, text: str) -> int:
    """Applies everything server-side without keeping it; returns how many objects the API server took."""
    return len(await api.apply_all(objects(text), "helm", dry_run=True))


@pytest.mark.parametrize("name", SETS)
async def test_the_api_server_takes_the_chart(api: Api, home: str, name: str) -> None:
    text = render(value_sets(home)[name], home)

    assert await dry_run(api, text) == len(objects(text))


@pytest.mark.parametrize("overlay", OVERLAYS)
async def test_the_api_server_takes_the_manifests(api: Api, home: str, overlay: str, tmp_path: Path) -> None:
    text = kustomized(tmp_path, overlay, home)

    assert await dry_run(api, text) == len(objects(text))
    for item in objects(text):
        for subject in item.get("subjects", []):
            assert subject["namespace"] == home, item["metadata"]["name"]


@pytest.mark.parametrize("name", SETS)
async def test_pods_of_the_chart_are_restricted(api: Api, home: str, name: str) -> None:
    templates = [
        item["spec"]["template"]
        for item in objects(render(value_sets(home)[name], home))
        if item["kind"] in ("Deployment", "Job")
    ]
    for template in templates:
        spec = {key: value for key, value in template["spec"].items() if key != "serviceAccountName"}
        pod = {"metadata": {"name": "one", "labels": template["metadata"]["labels"]}, "spec": spec}
        await api.create(f"/api/v1/namespaces/{home}/pods", pod, dryRun="All")

        pod["spec"] = {**spec, "securityContext": {}}
        with pytest.raises(ApiError, match='violates PodSecurity "restricted'):
            await api.create(f"/api/v1/namespaces/{home}/pods", pod, dryRun="All")
