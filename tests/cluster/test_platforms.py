"""The chart's values for platforms: operator, uninstall hook, benchmark and probe are admitted as the platforms do it.

What a platform's admission demands is played by policies of the API server's own. The pods are built by the chart and
by the product's own code; they wait behind a gate, so that none of them runs.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml

from autotuner import backend_choice
from autotuner.api.experiment import ExperimentSpec
from autotuner.api.task import TaskSpec
from autotuner.api.task_defaults import TaskDefaults
from autotuner.api.task_status import TaskStatus
from autotuner.benchmark.job import JobSurroundings, benchmark_job
from autotuner.kubernetes_object import Object
from autotuner.policy import probe_job, spec_completion
from autotuner.policy.evidence import experiment_spec
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task import probing
from autotuner.presets import Presets, default_folder, load
from autotuner.serving.backend import Endpoint
from autotuner.serving.ome.wanted_objects import model_object, runtime_object
from autotuner.settings import Settings
from testbed import Testbed
from testbed.api import Api, ApiError
from tests.support.chart import CHART, ROOT, objects, render
from tests.support.objects import make_task, tasks
from tests.support.waiting import wait_for
from tests.tools import tool

FOLDER = CHART / "platforms"
PLATFORMS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
BACKEND = backend_choice.DEFAULT
PRESETS: Presets = load(default_folder())
ENGINE = Endpoint("http", "chat-1-engine.tune.svc", 8080)
GATE: Object = {"schedulingGates": [{"name": "tests.autotuner.io/never"}]}
LABEL = "tests.autotuner.io/platform"
LIMITS: Object = {"type": "Container", "default": {"cpu": "500m", "memory": "8Gi"}, "defaultRequest": {"cpu": "100m"}}
_USERS = (
    "(!has(object.spec.securityContext) || !(has(object.spec.securityContext.runAsUser) ||"
    " has(object.spec.securityContext.runAsGroup) || has(object.spec.securityContext.fsGroup)))"
    " && object.spec.containers.all(c, !has(c.securityContext) || !has(c.securityContext.runAsUser))"
)
_BOUNDED = (
    "object.spec.containers.all(c, has(c.resources) && has(c.resources.limits)"
    " && ['cpu', 'memory'].all(r, r in c.resources.limits))"
)


def labelled(key: str, value: str) -> str:
    return f"has(object.metadata.labels) && object.metadata.labels[?'{key}'].orValue('') == '{value}'"


@dataclass(frozen=True)
class Admission:
    """What a platform does to pods before it takes them.

    Attributes:
        demands: rules in CEL that every pod has to keep, and that pods break under the chart's own values.
        limits: of a LimitRange in the namespace.
    """

    demands: Sequence[str] = ()
    limits: Sequence[Object] = field(default_factory=tuple)


ADMISSIONS: Mapping[str, Admission] = {
    "openshift": Admission([_USERS]),
    "istio": Admission([labelled("sidecar.istio.io/inject", "false")]),
    "kyverno": Admission([labelled("team", "ml-platform"), _BOUNDED]),
    "eks": Admission(limits=[LIMITS]),
}


def values_of(platform: str) -> Object:
    found: Object = yaml.safe_load((FOLDER / f"{platform}.yaml").read_text())
    return found


def policy(platform: str, demands: Sequence[str]) -> Iterator[tuple[str, Object]]:
    """A policy and its binding, for pods of namespaces with the platform's label."""
    path = "/apis/admissionregistration.k8s.io/v1"
    name = f"tests-platform-{platform}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    here = {"namespaceSelector": {"matchLabels": {LABEL: platform}}, "resourceRules": [rule]}
    spec = {
        "matchConstraints": here,
        "validations": [{"expression": one, "message": f"{platform} demands: {one}"} for one in demands],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    yield f"{path}/validatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec}
    yield f"{path}/validatingadmissionpolicybindings", {"metadata": {"name": name}, "spec": binding}


@pytest.fixture(scope="module")
def policies(bed: Testbed) -> Iterator[None]:
    """The policies of all platforms, once they are in force."""
    asyncio.run(_install(bed))
    yield
    asyncio.run(_remove(bed))


async def _install(bed: Testbed) -> None:
    async with Api(bed.kubeconfig, agent="test") as client:
        for platform, admission in ADMISSIONS.items():
            for path, body in policy(platform, admission.demands) if admission.demands else ():
                await client.create(path, body)


async def _remove(bed: Testbed) -> None:
    async with Api(bed.kubeconfig, agent="test") as client:
        for platform, admission in ADMISSIONS.items():
            for path, body in policy(platform, admission.demands) if admission.demands else ():
                await client.delete(f"{path}/{body['metadata']['name']}")


@pytest.fixture
async def home(api: Api, policies: None, platform: str) -> AsyncIterator[str]:
    """A namespace as the platform has it, restricted by Pod Security too."""
    name = f"p-{secrets.token_hex(4)}"
    admission = ADMISSIONS.get(platform, Admission())
    labels = {"pod-security.kubernetes.io/enforce": "restricted", LABEL: platform}
    await api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    if admission.limits:
        body = {"metadata": {"name": "limits"}, "spec": {"limits": list(admission.limits)}}
        await api.create(f"/api/v1/namespaces/{name}/limitranges", body)
    if admission.demands:
        without = dict(pods_of({}, name))["benchmark"]

        async def enforced() -> bool:
            return bool(await refusal(api, name, without))

        await wait_for(enforced, f"{platform}'s policy in force")
    yield name
    await api.delete(f"/api/v1/namespaces/{name}")


async def refusal(api: Api, namespace: str, pod: Object) -> str:
    """What the API server says against creating a pod; empty if it created it."""
    try:
        created = await api.create(f"/api/v1/namespaces/{namespace}/pods", pod)
    except ApiError as problem:
        return problem.message
    await api.delete(f"/api/v1/namespaces/{namespace}/pods/{created['metadata']['name']}")
    return ""


@dataclass(frozen=True)
class Made:
    """What a task that says nothing of its platform makes in a namespace, by the operator's defaults alone."""

    service: Object
    job: Object
    probe: Object


def of_a_task(values: Object, namespace: str, limits: Sequence[Object] = ()) -> Made:
    """What the product makes of a task under these values of the chart."""
    task = make_task(edits={"spec.runtime": {"preset": "vllm-llama-small", "probe": True}})
    task["metadata"] |= {"namespace": namespace, "uid": "6c1b5f0e-0000-4000-8000-000000000000"}
    defaults = TaskDefaults.model_validate(values.get("taskDefaults") or {})
    spec = spec_completion.completed(TaskSpec.model_validate(task["spec"]), defaults).spec
    image = values.get("benchmark", {}).get("image") or Settings().benchmark_image
    seen = ObservedTask(task, spec, TaskStatus(), PRESETS, BACKEND, benchmark_image=image)
    model = model_object("llama-3-2-1b-instruct", PRESETS.models["llama-3-2-1b-instruct"])
    runtime = runtime_object(PRESETS.runtimes["vllm-llama-small"], model)
    common = seen.ingredients(model, runtime)
    body = experiment_spec.experiment(common, index=0, purpose="Baseline", configuration=None)
    body["metadata"]["uid"] = "6c1b5f0e-0000-4000-8000-000000000001"
    read = ExperimentSpec.model_validate(body["spec"])
    around = JobSurroundings(ENGINE, image, limit_ranges=({"spec": {"limits": list(limits)}},) if limits else ())
    probe = probe_job.probe_job(probing.place(seen), "vllm:1", "vllm")
    return Made(BACKEND.render(body, read.service, runtime), benchmark_job(body, read, around), probe)


def pods_of(values: Object, namespace: str, limits: Sequence[Object] = ()) -> Iterator[tuple[str, Object]]:
    """Role and pod of everything that is made under these values."""
    for item in objects(render(values, namespace)):
        if item["kind"] in ("Deployment", "Job"):
            yield {"Deployment": "operator", "Job": "uninstall"}[item["kind"]], gated(item["spec"]["template"])
    made = of_a_task(values, namespace, limits)
    yield "benchmark", gated(made.job["spec"]["template"])
    yield "probe", gated(made.probe["spec"]["template"])


def gated(template: Object) -> Object:
    """A pod of a template, which no node ever gets."""
    spec = {key: value for key, value in template["spec"].items() if key != "serviceAccountName"}
    if spec.get("priorityClassName"):
        raise AssertionError("no value set names a priority class, which would have to exist")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "generateName": "one-"},
        "spec": {**spec, **GATE, "automountServiceAccountToken": False, "restartPolicy": "Never"},
    }


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_every_object_is_taken_and_every_pod_admitted(api: Api, home: str, platform: str) -> None:
    values, limits = values_of(platform), ADMISSIONS.get(platform, Admission()).limits
    made = of_a_task(values, home, limits)
    rendered = [item for item in objects(render(values, home)) if item["kind"] != "CustomResourceDefinition"]

    assert len(await api.apply_all([*rendered, made.service, made.job, made.probe], "test", dry_run=True)) > 10
    told = {role: await refusal(api, home, pod) for role, pod in pods_of(values, home, limits)}
    assert told == dict.fromkeys(("operator", "uninstall", "benchmark", "probe"), "")


@pytest.mark.parametrize("platform", [name for name, one in ADMISSIONS.items() if one.demands])
async def test_without_the_values_it_refuses(api: Api, home: str, platform: str) -> None:
    told = {role: await refusal(api, home, pod) for role, pod in pods_of({}, home)}

    assert all(f"{platform} demands" in words for words in told.values()), told


def test_where_there_is_ipv6_alone_the_services_get_such_addresses() -> None:
    async def addresses(kubeconfig: Path) -> list[str]:
        async with Api(kubeconfig, agent="test") as client:
            text = render(values_of("ipv6"), "default")
            applied = await client.apply_all(objects(text), "test")
            return [item["spec"]["clusterIP"] for item in applied if item["kind"] == "Service"]

    with Testbed.start(ome=False, ipv6=True) as alone:
        found = asyncio.run(addresses(alone.kubeconfig))

    assert found
    assert all(ip_address(one).version == 6 for one in found), found


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_goes_on_everything_is_on_everything(platform: str) -> None:
    values = values_of(platform)
    given, made = values.get("taskDefaults", {}).get("placement", {}), of_a_task(values, "team")
    places = [made.service, made.job, made.job["spec"]["template"], made.probe]
    for part in ("labels", "annotations"):
        for place in places:
            assert (given.get(part) or {}).items() <= place["metadata"].get(part, {}).items()
    queued = {place["metadata"]["labels"].get("kueue.x-k8s.io/queue-name") for place in (made.service, made.job)}
    assert queued == {given.get("queueName")}


async def test_what_a_task_took_is_kept_as_it_is(api: Api, namespace: str) -> None:
    body = await api.create(tasks(namespace), make_task())
    path = f"{tasks(namespace)}/chat/status"
    name: Object = {key: body[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "chat"}}
    for platform in ("kyverno", "arm64", "air-gapped"):
        taken = values_of(platform)["taskDefaults"]
        await api.apply(path, {**name, "status": {"defaults": taken}}, "autotuner", fieldValidation="Strict")

        assert (await api.get(f"{tasks(namespace)}/chat"))["status"]["defaults"] == taken


def test_a_kustomization_says_the_same(tmp_path: Path) -> None:
    """The one of the documents, beside our manifests, against what Helm makes of the values for OpenShift."""
    page = (ROOT / "docs" / "platforms.md").read_text()
    (tmp_path / "manifests").symlink_to(ROOT / "manifests")
    (tmp_path / "own").mkdir()
    text = page[page.index("apiVersion: kustomize") :].split("```")[0]
    (tmp_path / "own" / "kustomization.yaml").write_text(text)
    built = subprocess.run([tool("kustomize"), "build", tmp_path / "own"], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr

    by_helm, by_kustomize = (
        next(one for one in objects(rendered, "Deployment"))["spec"]["template"]["spec"]
        for rendered in (render(values_of("openshift")), built.stdout)
    )
    assert by_kustomize["securityContext"] == by_helm["securityContext"]
    said = [
        json.loads(one["value"])
        for pod in (by_kustomize, by_helm)
        for one in pod["containers"][0]["env"]
        if one["name"] == "AUTOTUNER_TASK_DEFAULTS"
    ]
    assert said == [values_of("openshift")["taskDefaults"]] * 2


def test_every_platform_is_in_the_documents() -> None:
    page = (ROOT / "docs" / "platforms.md").read_text()

    assert len(PLATFORMS) >= 12
    assert [name for name in PLATFORMS if f"platforms/{name}.yaml" not in page] == []
