"""Every object that we render is what OME's own schemas describe: strictly validated by a real API server."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotuner import backend_choice
from autotuner.api.experiment import ExperimentSpec, Service
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import TaskStatus
from autotuner.benchmark.job import JobSurroundings, benchmark_job
from autotuner.kubernetes_object import Object
from autotuner.policy import recommendation
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task import preview
from autotuner.presets import Presets, default_folder, load
from autotuner.serving.backend import Endpoint, Weights
from autotuner.serving.ome.wanted_objects import model_object, runtime_object
from testbed import Testbed
from testbed.api import Api, ApiError, load_documents
from tests.support.objects import edited, make_experiment
from tests.unit.builders import merged
from tests.unit.recommendation_builders import FASTEST, make_answer
from tests.unit.serving.ome import test_inference_service_copies as original

ROOT = Path(__file__).parents[2]
OME = ROOT.parent / "shared" / "ome-crds" / "0.1.5"
# They are not ours to copy: a clone alone has none.
pytestmark = pytest.mark.skipif(not OME.is_dir(), reason="not run: OME's own CRDs are not in ../shared/ome-crds")
RENDERED = ("clusterbasemodels", "basemodels", "clusterservingruntimes", "servingruntimes", "inferenceservices")
EXAMPLES = [*sorted((ROOT / "examples").glob("*.yaml")), ROOT / "tests" / "data" / "everything.yaml"]
OME_PATH = "/apis/ome.io/v1beta1"
COLLECTIONS = {
    "ClusterBaseModel": f"{OME_PATH}/clusterbasemodels",
    "ClusterServingRuntime": f"{OME_PATH}/clusterservingruntimes",
    "BaseModel": f"{OME_PATH}/namespaces/default/basemodels",
    "ServingRuntime": f"{OME_PATH}/namespaces/default/servingruntimes",
    "InferenceService": f"{OME_PATH}/namespaces/default/inferenceservices",
    "Job": "/apis/batch/v1/namespaces/default/jobs",
}
STRICT = {"fieldValidation": "Strict", "dryRun": "All"}

PRESETS: Presets = load(default_folder())
MODELS = {name: model_object(name, spec) for name, spec in PRESETS.models.items()}
RUNTIMES = {
    f"{runtime} for {model}": runtime_object(preset, MODELS[model])
    for runtime, preset in PRESETS.runtimes.items()
    for model in MODELS
}
QUANTIZED: Object = {
    "quantization": "fp8",
    "modelArchitecture": "LlamaForCausalLM",
    "modelFormat": {"name": "safetensors"},
    "modelFramework": {"name": "transformers"},
}
SERVICES: dict[str, Object] = {
    "nothing of its own": {"args": [], "env": None},
    "arguments": {"args": ["--tp-size=2", "--mem-fraction-static=0.85", "--enable-mixed-chunk", "--a=x y", "--b", "1"]},
    "an environment": {"env": [{"name": "A", "value": "1"}, {"name": "EMPTY"}]},
    "an image": {"image": "docker.io/lmsysorg/sglang:v0.5.5"},
    "a node selector": {"nodeSelector": {"pool": "gpu"}},
    "tolerations": {
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "spot", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 60},
        ]
    },
    "a product": {"accelerator": {"count": 8, "product": "NVIDIA-H100-80GB-HBM3"}, "nodeSelector": {"pool": "gpu"}},
    "no accelerator": {"accelerator": {"resource": ""}},
    "another accelerator": {"accelerator": {"resource": "amd.com/gpu", "count": 2}},
    "namespaced references": {
        "model": {"kind": "BaseModel", "name": "mine"},
        "runtime": {"kind": "ServingRuntime", "name": "mine"},
    },
}
JOBS: dict[str, Object] = {
    "as built": {},
    "with a hub token": {
        "spec.benchmark.tokenizer": {"source": "Hub", "id": "a/b", "tokenSecret": {"name": "hf", "key": "token"}}
    },
    "with the model's volume": {"spec.benchmark.tokenizer": {"source": "ModelVolume"}},
    "beside the engine": {"spec.benchmark.placement": "SameNode"},
    "away from the engine": {"spec.benchmark.placement": "OtherNode"},
    "with resources": {"spec.benchmark.pod.resources": {"requests": {"cpu": "2"}, "limits": {"memory": "2Gi"}}},
}


def definitions() -> list[Object]:
    """OME's own definitions."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # 5 MB: the loader in Python takes half a minute
    return [yaml.load((OME / f"{plural}.yaml").read_text(), loader) for plural in RENDERED]


@pytest.fixture(scope="module")
def ome_bed() -> Iterator[Testbed]:
    """A control plane of its own: OME's definitions make an API server grow by 0.7 GB, and nothing takes that back."""

    async def install(kubeconfig: Path) -> None:
        async with Api(kubeconfig, agent="test") as client:
            await client.apply_all(definitions(), "install")

    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("KUBECONFIG", raising=False)
        with Testbed.start(ome=False) as bed:
            asyncio.run(install(bed.kubeconfig))
            yield bed


@pytest.fixture
async def strict(ome_bed: Testbed) -> Any:
    """Has the API server validate an object without storing it."""

    async with Api(ome_bed.kubeconfig, agent="test") as client:

        async def validate(body: Object) -> Object:
            return await client.create(COLLECTIONS[body["kind"]], body, **STRICT)

        yield validate


def kept(stored: Any, written: Any) -> bool:
    """Whether all that was written is stored; defaults may have come beside it."""
    if isinstance(written, dict):
        return all(key in stored and kept(stored[key], value) for key, value in written.items())
    if isinstance(written, list):
        return len(stored) == len(written) and all(map(kept, stored, written))
    return bool(stored == written)


def experiment(edits: Object) -> Object:
    body = make_experiment("chat-1", edits)
    body["metadata"] |= {"namespace": "default", "uid": "6c1b5f0e-0000-4000-8000-000000000000"}
    return body


def service_of(fields: Object) -> Object:
    body = experiment({f"spec.service.{name}": value for name, value in fields.items()})
    return backend_choice.DEFAULT.render(body, Service.model_validate(body["spec"]["service"]), {})


def job_of(edits: Object) -> Object:
    body = experiment(edits)
    image, label = "docker.io/autotuner/benchmark:0.1.0", "models.ome.io/x"
    around = JobSurroundings(
        Endpoint("http", "chat", 8080), image, Weights("/models/llama"), label, hub_endpoint="http://hub"
    )
    return benchmark_job(body, ExperimentSpec.model_validate(body["spec"]), around)


@pytest.mark.parametrize("name", MODELS)
async def test_models(strict: Any, name: str) -> None:
    assert kept(await strict(MODELS[name]), MODELS[name])


@pytest.mark.parametrize("name", RUNTIMES)
async def test_runtimes(strict: Any, name: str) -> None:
    assert kept(await strict(RUNTIMES[name]), RUNTIMES[name])


@pytest.mark.parametrize("name", PRESETS.runtimes)
async def test_runtimes_of_a_quantized_model_without_versions(strict: Any, name: str) -> None:
    body = runtime_object(PRESETS.runtimes[name], {"spec": QUANTIZED})
    supported = (await strict(body))["spec"]["supportedModelFormats"][0]
    assert supported["quantization"] == "fp8"
    assert "version" not in supported["modelFormat"]


@pytest.mark.parametrize("case", SERVICES)
async def test_services(strict: Any, case: str) -> None:
    body = service_of(SERVICES[case])
    assert kept(await strict(body), body)


def copy_of_a_service() -> tuple[Object, Object]:
    """An InferenceService that copies another one, and that one with the patch of what won."""
    backend = backend_choice.BACKENDS["OMEInferenceService"]
    service = {"backend": "OMEInferenceService", "container": "ome-container", "args": ["--tp-size=4"]}
    body = experiment({f"spec.service.{name}": value for name, value in service.items()})
    spec, snapshot = Service.model_validate(body["spec"]["service"]), {"data": original.read()}
    patched = merged(original.CHAT, dict(backend.winner(body, spec, snapshot, "chat").body))
    patched["metadata"] = {"name": "chat", "namespace": "default"}
    return backend.render(body, spec, snapshot), patched


async def test_copies_of_services_and_patches_of_them(strict: Any) -> None:
    for body in copy_of_a_service():
        assert kept(await strict(body), body)


def observed(path: Path) -> ObservedTask:
    """What the operator sees of an example where nothing exists but what it names."""
    (task,) = load_documents(path)
    task["metadata"] |= {"namespace": "default", "uid": "6c1b5f0e-0000-4000-8000-000000000000"}
    spec = TaskSpec.model_validate(task["spec"])
    seen = ObservedTask(task, spec, TaskStatus(), PRESETS, backend_choice.DEFAULT, benchmark_image="benchmark:1")
    wanted = backend_choice.DEFAULT.wanted_model(spec.model, PRESETS, "default")
    model, runtime = next(iter(MODELS.values())), next(iter(RUNTIMES.values()))
    return dataclasses.replace(
        seen,
        wanted_model=wanted,
        model=model if spec.model.name else None,
        runtime=runtime if spec.runtime.name else None,
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
async def test_whatever_comes_of_an_example(strict: Any, path: Path) -> None:
    body = preview.config_map(observed(path))
    assert body is not None
    documents = [item for text in body["data"].values() for item in yaml.safe_load_all(text)]
    assert "InferenceService" in {item["kind"] for item in documents}
    for item in documents:
        assert kept(await strict(item), item)


RECOMMENDED: dict[str, Object] = {
    "one objective": {},
    "several objectives": {"objectives": [{"metric": "OutputThroughput"}, {"metric": "OutputThroughputPerGPU"}]},
    "everything around the engine": {
        "model": {"volume": {"claimName": "weights", "mountPath": "/weights", "subPath": "llama"}},
        "runtime": {"image": "engine:2", "env": [{"name": "A", "value": "1"}]},
        "placement": {"nodeSelector": {"pool": "gpu"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]},
    },
}


@pytest.mark.parametrize("case", RECOMMENDED)
async def test_what_is_recommended(strict: Any, case: str) -> None:
    data = recommendation.config_map(make_answer([FASTEST], **RECOMMENDED[case]))["data"]
    services = [yaml.safe_load(text) for name, text in data.items() if name.endswith(".yaml")]
    assert services
    for body in services:
        body["metadata"]["namespace"] = "default"
        assert kept(await strict(body), body)


@pytest.mark.parametrize("case", JOBS)
async def test_jobs(strict: Any, case: str) -> None:
    body = job_of(JOBS[case])
    assert kept(await strict(body), body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (next(iter(MODELS.values())), "spec.storage.paht"),
        (next(iter(RUNTIMES.values())), "spec.engineConfig.runner.comand"),
        (service_of({}), "spec.engine.runner.imagee"),
        (service_of({}), "spec.engine.nodeSelektor"),
        (job_of({}), "spec.template.spec.automountServiceAcountToken"),
    ],
)
async def test_a_misspelt_field_is_refused(strict: Any, body: Object, field: str) -> None:
    with pytest.raises(ApiError, match=f'unknown field "{field}"'):
        await strict(edited(body, {field: "x"}))
