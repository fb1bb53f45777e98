"""The stand-in for OME on the testbed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, ApiError
from testbed.ome import outage
from tests.cluster.ome_world import FOREGROUND, FORMAT, ROOT, SWITCH, World, condition, one_gpu, wait_for


@pytest_asyncio.fixture
async def world(bed: Testbed) -> AsyncIterator[World]:
    """A namespace that is emptied afterwards."""
    async with Api(bed.kubeconfig) as api:
        place = World(api)
        await place.setup()
        try:
            yield place
        finally:
            await place.teardown()


def engine(**runner: Any) -> Object:
    return {"minReplicas": 1, "maxReplicas": 1, "runner": {"name": "ome-container", "resources": one_gpu(), **runner}}


async def test_a_healthy_service_from_creation_to_the_last_pod(world: World) -> None:
    await world.create_model()
    await world.create_runtime()
    await world.create_service()
    isvc = await world.ready()
    address = f"http://exp-one.{world.name}.svc.cluster.local:8080"
    assert isvc["status"]["url"] == isvc["status"]["address"]["url"] == address
    assert isvc["metadata"]["finalizers"] == ["inferenceservice.finalizers"]
    assert isvc["status"]["modelStatus"]["transitionStatus"] == "UpToDate"
    told = await wait_for(lambda: _event(world, "InferenceServiceReady"), "the event InferenceServiceReady")
    assert told["type"] == "Normal"
    assert told["source"]["component"] == "v1beta1Controllers"
    [pod] = await world.pods("exp-one")
    assert {e["name"]: e.get("value") for e in pod["spec"]["containers"][0]["env"]}["PARALLELISM_SIZE"] == "1"
    await world.api.delete(f"{world.isvcs}/exp-one", FOREGROUND)
    freed = await wait_for(lambda: _without_finalizer(world), "OME's finalizer is dropped", 2)
    assert freed in ([], ["foregroundDeletion"])
    await world.gone()
    assert await world.pods("exp-one") == []


async def _event(world: World, reason: str, count: int = 1) -> Object | None:
    found = (await world.events()).get(reason)
    return found if found and found["count"] >= count else None


async def _without_finalizer(world: World) -> list[str] | None:
    isvc = await world.service()
    finalizers: list[str] = isvc["metadata"].get("finalizers", []) if isvc else []
    return None if "inferenceservice.finalizers" in finalizers else finalizers or ["foregroundDeletion"]


@pytest.mark.parametrize(
    ("runtime", "service", "reason", "message"),
    [
        pytest.param(
            {},
            {"runtime": {"name": "nope"}},
            "RuntimeValidationError",
            "Runtime nope does not support model {name}: runtime nope not found in namespace {name} or at cluster ",
            id="runtime missing",
        ),
        pytest.param(
            {"disabled": True},
            {},
            "RuntimeValidationError",
            "Runtime {name} does not support model {name}: cluster-scoped runtime {name} is disabled",
            id="runtime disabled",
        ),
        pytest.param(
            {"supportedModelFormats": [{**FORMAT, "modelArchitecture": "Other"}]},
            {},
            "RuntimeValidationError",
            "not in supported formats: architecture mismatch (model=LlamaForCausalLM, runtime=Other)",
            id="runtime mismatch",
        ),
        pytest.param({}, {"engine": None}, "DeploymentModeError", "engine component is required", id="no engine"),
        pytest.param({}, {"model": None}, "ModelReconcileError", "model reference is required", id="no model"),
    ],
)
async def test_refusals_are_events_that_grow_beside_an_empty_status(
    world: World, runtime: Object, service: Object, reason: str, message: str
) -> None:
    await world.create_model()
    await world.create_runtime(**runtime)
    await world.create_service(**service)
    event = await wait_for(lambda: _event(world, reason, count=4), f"{reason} is counted up")
    assert message.format(name=world.name) in event["message"]
    isvc = await world.service()
    assert isvc is not None
    assert "status" not in isvc
    assert await world.deployment() is None


@pytest.mark.parametrize(
    ("service", "configured"),
    [
        pytest.param({"engine": {"runner": {"resources": one_gpu()}}}, True, id="runner without name"),
        pytest.param({"engine": engine(resources={"limits": {"nvidia.com/gpu": 2}})}, True, id="limit without request"),
        pytest.param({"engine": engine(readinessProbe={"tcpSocket": {"port": 8080}})}, True, id="two probe handlers"),
        pytest.param({"engine": engine(args=["{{ messages }}"])}, True, id="a template in the arguments"),
        pytest.param({"engine": {**engine(), "minReplicas": 0}}, True, id="no replicas"),
        pytest.param({"annotations": {SWITCH: "silent"}}, True, id="silent on request"),
        pytest.param({"name": "n" * 64}, False, id="a name of 64 characters"),
        pytest.param({"model": {"name": "{name}", "kind": "BaseModel"}}, False, id="a model of the other kind"),
    ],
)
async def test_some_failures_are_silent(world: World, service: Object, configured: bool) -> None:
    # The runtime asks for one GPU, so that a limit of two alone ends unequal.
    await world.create_model()
    await world.create_runtime(runner={"resources": {"requests": {"nvidia.com/gpu": 1}}})
    if "model" in service:
        service = {"model": {**service["model"], "name": world.name}}
    created = await world.create_service(**service)
    name = created["metadata"]["name"]
    await world.passed_by()
    isvc = await world.service(name)
    assert isvc is not None
    assert isvc["metadata"]["finalizers"] == ["inferenceservice.finalizers"]
    assert "status" not in isvc
    assert await world.events(name) == {}
    assert await world.deployment(name) is None
    config = await world.found(f"/api/v1/namespaces/{world.name}/configmaps/modelconfig-{name}")
    assert (config is not None) == configured


async def test_a_model_with_dots_in_its_name_is_silent_too(world: World) -> None:
    dotted = f"{world.name}.1"
    storage = {"storageUri": "local://x", "path": "/models"}
    body = {"apiVersion": "ome.io/v1beta1", "kind": "ClusterBaseModel", "metadata": {"name": dotted}}
    await world.api.create(world.models, {**body, "spec": {"storage": storage, **FORMAT}})
    await world.create_model()
    await world.create_runtime()
    await world.create_service(model={"name": dotted})
    await world.passed_by()
    assert await world.deployment() is None
    assert await world.events() == {}
    await world.api.delete(f"{world.isvcs}/exp-one")
    await world.gone()
    await world.remove(f"{world.models}/{dotted}")


async def _state(world: World, wanted: str) -> Object | None:
    model = await world.api.get(f"{world.models}/{world.name}")
    status: Object = model.get("status", {})
    return status if status.get("state") == wanted else None


async def _labelled(world: World) -> list[str]:
    nodes = await world.api.list("/api/v1/nodes", labelSelector=f"models.ome.io/clusterbasemodel.{world.name}=Ready")
    return sorted(node["metadata"]["name"] for node in nodes["items"])


async def test_a_model_becomes_ready_on_the_nodes_and_leaves_no_trace(world: World) -> None:
    await world.create_model()
    status = await wait_for(lambda: _state(world, "Ready"), "the model is ready")
    nodes = [node["metadata"]["name"] for node in (await world.api.list("/api/v1/nodes"))["items"]]
    assert status["nodesReady"] == sorted(nodes)
    assert await wait_for(lambda: _labelled(world), "the nodes are labelled") == sorted(nodes)
    await world.remove_model()
    assert await _labelled(world) == []
    entry = await world.api.get(f"/api/v1/namespaces/ome/configmaps/{nodes[0]}")
    assert f"clusterbasemodel.{world.name}" not in entry.get("data", {})


async def test_a_model_fails_on_request(world: World) -> None:
    await world.create_model({"testbed.autotuner.io/model": "Failed"})
    status = await wait_for(lambda: _state(world, "Failed"), "the model failed")
    assert status["nodesFailed"]
    assert await _labelled(world) == []


async def test_a_model_takes_its_time_and_nobody_else_makes_it_ready(world: World) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await world.create_model({"testbed.autotuner.io/model-delay-seconds": "1.5"})
    await wait_for(lambda: _state(world, "In_Transit"), "the model is on its way", 1)
    forged = await world.api.patch(f"{world.models}/{world.name}/status", {"status": {"state": "Ready"}})
    assert forged["status"]["state"] == "Ready"
    await wait_for(lambda: _state(world, "In_Transit"), "the forged state is undone", 1)
    await wait_for(lambda: _state(world, "Ready"), "the model is ready")
    assert loop.time() - start >= 1.5


async def test_an_unready_model_leaves_the_pod_without_a_node(world: World) -> None:
    await world.create_model({"testbed.autotuner.io/model": "Never"})
    await world.create_runtime()
    await world.create_service()
    await wait_for(lambda: _unschedulable(world), "the pod is unschedulable")
    assert (await world.events()) == {}


async def _unschedulable(world: World) -> bool:
    pods = await world.pods("exp-one")
    return any(
        c["reason"] == "Unschedulable" for p in pods for c in p["status"].get("conditions", []) if c.get("reason")
    )


async def test_without_its_model_a_deleted_service_stays_until_the_model_is_back(world: World) -> None:
    await world.create_model()
    await world.create_runtime()
    await world.create_service()
    await world.deployed()
    await world.remove_model()
    await world.api.delete(f"{world.isvcs}/exp-one", FOREGROUND)

    async def no_pods() -> bool:
        return not await world.pods("exp-one")

    await wait_for(no_pods, "the pods are gone", 30)
    isvc = await world.service()
    assert isvc is not None
    assert "inferenceservice.finalizers" in isvc["metadata"]["finalizers"]
    await world.create_model()
    await world.gone()


async def test_a_change_of_metadata_restarts_the_engine(world: World) -> None:
    await world.create_model()
    await world.create_runtime()
    await world.create_service()
    await world.ready()
    [old] = await world.pods("exp-one")
    await world.api.patch(f"{world.isvcs}/exp-one", {"metadata": {"annotations": {"example/note": "1"}}})

    async def replaced() -> bool:
        names = {pod["metadata"]["name"] for pod in await world.pods("exp-one")}
        return bool(names) and old["metadata"]["name"] not in names

    await wait_for(replaced, "another pod took over", 30)
    isvc = await world.ready()
    assert isvc["status"]["observedGeneration"] == 2


async def test_a_runtime_wakes_nobody_but_counts_at_the_next_look(world: World) -> None:
    await world.create_model()
    await world.create_runtime()
    await world.create_service(annotations={"ome.io/autoscalerClass": "external"})
    await world.ready()
    changed = {"spec": {"engineConfig": {"terminationGracePeriodSeconds": 2}}}
    await world.api.patch(f"{world.runtimes}/{world.name}", changed)
    await world.passed_by()
    deployment = await world.deployed()
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 1
    await world.api.patch(f"{world.isvcs}/exp-one", {"metadata": {"labels": {"note": "x"}}})

    async def rolled_out() -> bool:
        found = await world.deployed()
        return bool(found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 2)

    await wait_for(rolled_out, "the runtime's change is rolled out with the service's")


async def test_a_deployment_deleted_by_hand_comes_back(world: World) -> None:
    await world.create_model()
    await world.create_runtime()
    await world.create_service()
    await world.ready()
    old = await world.deployed()
    await world.api.delete(f"/apis/apps/v1/namespaces/{world.name}/deployments/exp-one-engine")

    async def another() -> bool:
        found = await world.deployment()
        return found is not None and found["metadata"]["uid"] != old["metadata"]["uid"]

    await wait_for(another, "there is another Deployment")
    await wait_for(lambda: _event(world, "InferenceServiceNotReady"), "the event InferenceServiceNotReady")
    await world.ready()


async def test_a_pod_that_is_never_ready_by_the_runtime_s_switch(world: World) -> None:
    await world.create_model()
    await world.create_runtime("never-ready")
    await world.create_service()

    async def running() -> bool:
        pods = await world.pods("exp-one")
        return bool(pods) and pods[0]["status"]["phase"] == "Running"

    await wait_for(running, "the pod runs")
    isvc = await wait_for(lambda: _initializing(world), "the service is initializing")
    assert condition(isvc, "EngineReady") == "False"
    [pod] = await world.pods("exp-one")
    assert condition(pod, "Ready") == "False"


async def _initializing(world: World) -> Object | None:
    isvc = await world.service()
    return isvc if isvc and condition(isvc, "Ready") == "False" else None


async def test_a_pod_that_finds_no_node(world: World) -> None:
    await world.create_model()
    await world.create_runtime()
    await world.create_service(annotations={SWITCH: "unschedulable"})
    await wait_for(lambda: _unschedulable(world), "the pod is unschedulable")


async def test_a_pod_refused_for_quota(world: World) -> None:
    await world.create_model()
    await world.create_runtime("quota")
    await world.create_service()

    async def refused() -> str:
        deployment = await world.deployment() or {}
        found = deployment.get("status", {}).get("conditions", [])
        return next((str(c["message"]) for c in found if c["type"] == "ReplicaFailure"), "")

    assert "exceeded quota" in await wait_for(refused, "the Deployment cannot create pods")
    assert await world.pods("exp-one") == []


async def test_a_pod_that_stops_slowly(world: World) -> None:
    await world.create_model()
    await world.create_runtime("slow-stop")
    await world.create_service(annotations={"testbed.autotuner.io/slow-stop-seconds": "1.5"})
    await world.ready()
    start = asyncio.get_running_loop().time()
    await world.api.delete(f"{world.isvcs}/exp-one", FOREGROUND)
    await world.gone()
    assert asyncio.get_running_loop().time() - start >= 1.5


async def test_a_late_url(world: World) -> None:
    await world.create_model()
    await world.create_runtime("late-url")
    await world.create_service()
    waiting = await wait_for(lambda: _initializing(world), "the service is initializing")
    assert "url" not in waiting["status"]
    assert (await world.ready())["status"]["url"]


async def test_a_crash_is_reported_at_once_on_request(world: World) -> None:
    await world.create_model()
    await world.create_runtime(
        "crash-reported", {"command": ["python", "-c", "raise SystemExit(3)"], "readinessProbe": None}
    )
    await world.create_service(annotations={"ome.io/autoscalerClass": "external"})

    async def blocked() -> Object | None:
        isvc = await world.service() or {}
        found: Object = isvc.get("status", {}).get("modelStatus", {})
        return found if found.get("transitionStatus") == "BlockedByFailedLoad" else None

    assert (await wait_for(blocked, "the crash is reported"))["lastFailureInfo"]["exitCode"] == 3


async def test_harmless_warnings_on_request(world: World) -> None:
    await world.create_model()
    await world.create_runtime("warn")
    await world.create_service()
    await world.ready()
    events = await world.events()
    assert {name: events[name]["count"] for name in ("InternalError", "UpdateFailed")} == {
        "InternalError": 1,
        "UpdateFailed": 1,
    }


async def test_a_deletion_that_is_stuck_until_the_switch_goes(world: World) -> None:
    await world.create_model()
    await world.create_runtime()
    await world.create_service(annotations={SWITCH: "stuck-deletion"})
    await world.deployed()
    await world.api.delete(f"{world.isvcs}/exp-one")
    await world.passed_by()
    isvc = await world.service()
    assert isvc is not None
    assert isvc["metadata"]["finalizers"] == ["inferenceservice.finalizers"]
    await world.api.patch(f"{world.isvcs}/exp-one", {"metadata": {"annotations": {SWITCH: None}}})
    await world.gone()


async def test_a_finalizer_that_stays_for_a_time(world: World) -> None:
    await world.create_model()
    await world.create_runtime()
    annotations = {SWITCH: "slow-release", "testbed.autotuner.io/slow-release-seconds": "2"}
    await world.create_service(annotations=annotations)
    await world.deployed()
    start = asyncio.get_running_loop().time()
    await world.api.delete(f"{world.isvcs}/exp-one", FOREGROUND)
    await world.gone()
    assert 2 <= asyncio.get_running_loop().time() - start < 12


async def test_a_manager_that_is_down_has_its_kinds_refused(world: World) -> None:
    await world.create_model()
    await world.create_runtime()
    await world.create_service(annotations={SWITCH: "stuck-deletion"})
    await world.deployed()
    await outage.begin(world.api)
    words = 'failed calling webhook "inferenceservice.ome-webhook-server.defaulter".*connection refused'
    try:
        for write in (
            world.create_service("exp-two"),
            world.api.patch(f"{world.runtimes}/{world.name}", {"spec": {"disabled": True}}),
            world.api.patch(f"{world.isvcs}/exp-one", {"metadata": {"finalizers": None}}),
        ):
            with pytest.raises(ApiError, match=words) as refused:
                await write
            assert refused.value.status == 500
        await world.api.delete(f"{world.isvcs}/exp-one")
        assert await world.service() is not None, "a deletion is accepted, and the finalizer stays"
    finally:
        await outage.end(world.api)
    await world.create_service("exp-two")


async def test_an_unknown_switch_does_not_pass_silently(world: World) -> None:
    await world.create_model()
    await world.create_runtime("neverready")
    await world.create_service()
    event = await wait_for(lambda: _event(world, "UnknownSwitch"), "the event UnknownSwitch")
    assert "neverready" in event["message"]


@pytest.mark.parametrize(
    ("metadata", "spec", "words"),
    [
        ({"name": "1abc"}, {}, 'invalid InferenceService name "1abc", must match'),
        ({"name": "a.b"}, {}, 'invalid InferenceService name "a.b", must match'),
        ({"name": "a"}, {"decoder": {}}, "decoder cannot be specified without engine"),
        (
            {"name": "a", "annotations": {"ome.io/autoscalerClass": "none"}},
            {"engine": {}},
            "[none] is not a supported autoscaler class type",
        ),
    ],
)
async def test_what_is_refused_with_the_words_of_ome(world: World, metadata: Object, spec: Object, words: str) -> None:
    body = {"apiVersion": "ome.io/v1beta1", "kind": "InferenceService", "metadata": metadata, "spec": spec}
    with pytest.raises(ApiError) as refused:
        await world.api.create(world.isvcs, body)
    assert (refused.value.status, refused.value.reason) == (403, "Forbidden")
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("plural", "spec", "field"),
    [
        ("inferenceservices", {"engin": {}}, "spec.engin"),
        ("inferenceservices", {"engine": {"minReplica": 1}}, "spec.engine.minReplica"),
        ("inferenceservices", {"engine": {"runner": {"arg": []}}}, "spec.engine.runner.arg"),
        ("inferenceservices", {"engine": {"runner": {"args": [1]}}}, "spec.engine.runner.args[0]"),
        ("inferenceservices", {"model": {"kind": "ClusterBaseModel"}}, "spec.model.name"),
        ("clusterservingruntimes", {"engineConfig": {"runner": {"image": "x"}}}, "spec.engineConfig.runner.name"),
        ("clusterservingruntimes", {"supportedModelFormats": [{}]}, "spec.supportedModelFormats[0].modelFormat"),
        ("clusterbasemodels", {"modelFormat": {"name": "x"}}, "spec.storage"),
        ("clusterbasemodels", {"storage": {"storageURI": "hf://x"}}, "spec.storage.storageURI"),
    ],
)
async def test_the_small_definitions_refuse_mistakes(world: World, plural: str, spec: Object, field: str) -> None:
    kinds = {"inferenceservices": "InferenceService", "clusterbasemodels": "ClusterBaseModel"}
    kind = kinds.get(plural, "ClusterServingRuntime")
    path = world.isvcs if plural == "inferenceservices" else f"{ROOT}/{plural}"
    body = {"apiVersion": "ome.io/v1beta1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    with pytest.raises(ApiError) as refused:
        await world.api.create(path, body, fieldValidation="Strict", dryRun="All")
    assert field in refused.value.message


async def test_defaults_are_those_of_ome(world: World) -> None:
    body = {
        "apiVersion": "ome.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "x"},
        "spec": {
            "model": {"name": "m"},
            "runtime": {"name": "r"},
            "engine": {"volumes": [{"name": "v", "emptyDir": {}}]},
        },
    }
    stored = await world.api.create(world.isvcs, body, fieldValidation="Strict", dryRun="All")
    assert stored["spec"]["model"] == {"apiGroup": "ome.io", "kind": "ClusterBaseModel", "name": "m"}
    assert stored["spec"]["runtime"] == {"apiGroup": "ome.io", "kind": "ClusterServingRuntime", "name": "r"}
    assert stored["spec"]["engine"] == {"volumes": [{"name": "v", "emptyDir": {}}]}


async def test_what_happens_while_the_manager_is_down_is_done_when_it_is_back(bed: Testbed, world: World) -> None:
    await world.create_model()
    await world.create_runtime()
    await world.create_service("before")
    await world.ready("before")
    await asyncio.to_thread(bed.kill_ome)
    try:
        await world.create_service("meanwhile")
        await world.api.delete(f"{world.isvcs}/before", FOREGROUND)

        async def no_pods() -> bool:
            return not await world.pods("before")

        await wait_for(no_pods, "the garbage collector has stopped the pods", 30)
        assert "inferenceservice.finalizers" in (await world.service("before") or {})["metadata"]["finalizers"]
        assert await world.deployment("meanwhile") is None
    finally:
        await asyncio.to_thread(bed.start_ome)
    await world.gone("before")
    await world.ready("meanwhile")


async def test_an_api_server_that_was_away_is_found_again(bed: Testbed, world: World) -> None:
    await world.create_model()
    await world.create_runtime()
    await world.create_service("before")
    await world.ready("before")
    await asyncio.to_thread(bed.stop_apiserver)
    await asyncio.to_thread(bed.start_apiserver)
    await world.create_service("after")
    await world.ready("after")
    await world.api.delete(f"{world.isvcs}/before", FOREGROUND)
    await world.gone("before")
