"""The models and runtimes that a task's words ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from autotuner import engines
from autotuner.api.model_and_runtime import TaskModel, TaskRuntime
from autotuner.api.task import TaskSpec
from autotuner.kubernetes_object import Object
from autotuner.serving.ome import wanted_objects
from autotuner.serving.ome.runtimes import engine_template
from tests.unit.task_builders import MODEL, RUNTIME, live_model, live_runtime, shipped

GPUS = {
    f"{engine}-{kind}": count
    for engine in ("sglang", "vllm")
    for kind, count in (
        ("llama-large", 4),
        ("mixtral-moe", 2),
        ("deepseek-v3", 8),
        ("qwen3-32b", 2),
        ("qwen3-30b-a3b", 2),
        ("qwen3-235b-a22b", 8),
        ("gpt-oss-120b", 2),
        ("gemma-3-27b", 2),
        ("glm-4-6", 8),
    )
}

OWN: Object = {"name": "own", "spec": {"storage": {"storageUri": "hf://a/b"}}, "labels": {"team": "chat"}}


@pytest.mark.parametrize("name", sorted(shipped().models))
def test_every_shipped_model_makes_an_object(name: str) -> None:
    body = wanted_objects.model_object(name, shipped().models[name])

    assert body["kind"] == "ClusterBaseModel"
    assert body["metadata"] == {"name": name, "labels": {"app.kubernetes.io/managed-by": "autotuner"}}
    assert body["spec"]["modelFormat"]["name"]
    assert body["spec"]["modelArchitecture"]
    assert body["spec"]["storage"]["path"].startswith("/")


@pytest.mark.parametrize("name", sorted(shipped().runtimes))
def test_every_shipped_runtime_makes_an_object_that_leaves_room_for_tuning(name: str) -> None:
    preset = shipped().runtimes[name]
    body = wanted_objects.runtime_object(preset, live_model())
    container = engine_template(body["spec"]).container
    engine = engines.get(preset.engine)

    assert body["metadata"]["name"].startswith(f"{name}-")
    assert len(body["metadata"]["name"]) <= 63
    assert container["name"] == "ome-container"
    assert container["image"].count(":") == 1  # pinned, never latest
    assert list(engine.checker().arguments(container["args"], "args")) == []
    assert engine.accelerators(container["args"]) == GPUS.get(name, 1)
    assert "limits" not in container["resources"]  # accelerators are the InferenceService's to ask for
    assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] >= 1800


class TestRuntimeForModel:
    PRESET = shipped().runtimes["simulated-sglang"]

    def of(self, **spec: object) -> Object:
        return wanted_objects.runtime_object(self.PRESET, {"spec": spec})

    def test_takes_the_formats_of_the_live_model(self) -> None:
        body = self.of(
            modelFormat={"name": "safetensors", "version": "1.0.0", "weight": 1},
            modelFramework={"name": "transformers"},
            modelArchitecture="LlamaForCausalLM",
            quantization="fp8",
            vendor="meta",
        )

        assert body["spec"]["supportedModelFormats"] == [
            {
                "autoSelect": False,
                "name": "safetensors",
                "modelFormat": {"name": "safetensors", "version": "1.0.0"},
                "modelFramework": {"name": "transformers"},
                "modelArchitecture": "LlamaForCausalLM",
                "quantization": "fp8",
            }
        ]

    def test_leaves_absent_what_the_model_leaves_absent(self) -> None:
        assert self.of()["spec"]["supportedModelFormats"] == [{"autoSelect": False}]

    def test_is_named_after_its_content(self) -> None:
        one, two = self.of(modelArchitecture="A"), self.of(modelArchitecture="B")

        assert one["metadata"]["name"] != two["metadata"]["name"]
        assert one == self.of(modelArchitecture="A")

    def test_leaves_the_preset_as_it_is(self) -> None:
        body = self.of(modelArchitecture="A")
        body["spec"]["engineConfig"]["runner"]["image"] = "changed"

        assert "supportedModelFormats" not in self.PRESET.spec
        assert engine_template(self.PRESET.spec).image != "changed"


def overridden(scope: str = "Cluster", path: str = "/mnt/a") -> Object:
    spec = TaskModel.model_validate({"preset": MODEL, "overrides": {"storage": {"path": path}}, "scope": scope})
    body = wanted_objects.wanted_model(spec, shipped(), "team")
    assert body is not None
    return body


def test_an_overridden_model_is_named_after_its_content() -> None:
    body = overridden()

    assert body["metadata"]["name"].rpartition("-")[0] == MODEL
    assert body["spec"]["storage"]["path"] == "/mnt/a"
    assert body["spec"]["storage"]["storageUri"] == live_model()["spec"]["storage"]["storageUri"]
    assert overridden(path="/mnt/b")["metadata"]["name"] != body["metadata"]["name"]
    assert overridden()["metadata"]["name"] == body["metadata"]["name"]


def test_an_overridden_model_of_the_namespace() -> None:
    body = overridden("Namespaced")

    assert (body["kind"], body["metadata"]["namespace"]) == ("BaseModel", "team")


def test_one_in_full_keeps_its_labels_and_says_who_made_it() -> None:
    body = wanted_objects.wanted_model(TaskModel.model_validate({"custom": OWN}), shipped(), "team")

    assert body is not None
    assert body["metadata"]["labels"] == {"team": "chat", "app.kubernetes.io/managed-by": "autotuner"}
    assert "namespace" not in body["metadata"]


def test_an_existing_model_is_never_made() -> None:
    assert wanted_objects.wanted_model(TaskModel(name="x"), shipped(), "team") is None


def test_a_runtime_of_a_preset_is_the_same_whatever_the_task_is_called() -> None:
    spec = TaskRuntime(preset=RUNTIME)

    assert wanted_objects.wanted_runtime(spec, shipped(), live_model(), "team") == live_runtime()


def test_overrides_make_another_runtime_that_still_fits_the_model() -> None:
    overrides = {"engineConfig": {"runner": {"args": ["--tp-size=2"], "image": None}}}
    spec = TaskRuntime.model_validate({"preset": RUNTIME, "overrides": overrides, "scope": "Namespaced"})
    body = wanted_objects.wanted_runtime(spec, shipped(), live_model(), "team")

    assert body is not None
    runner = body["spec"]["engineConfig"]["runner"]
    assert (runner["args"], "image" in runner) == (["--tp-size=2"], False)
    assert runner["command"] == live_runtime()["spec"]["engineConfig"]["runner"]["command"]
    assert body["spec"]["supportedModelFormats"] == live_runtime()["spec"]["supportedModelFormats"]
    assert body["metadata"]["name"] != live_runtime()["metadata"]["name"]
    assert (body["kind"], body["metadata"]["namespace"]) == ("ServingRuntime", "team")


def test_a_runtime_in_full_says_itself_what_it_serves() -> None:
    spec = TaskRuntime.model_validate({"custom": {**OWN, "spec": {"engineConfig": {}}}, "engine": "Custom"})
    body = wanted_objects.wanted_runtime(spec, shipped(), live_model(), "team")

    assert body is not None
    assert (body["kind"], body["metadata"]["name"], body["spec"]) == (
        "ClusterServingRuntime",
        "own",
        {"engineConfig": {}},
    )


def test_scheduler_runtime_class_and_claims_of_the_documents_reach_the_runtime() -> None:
    """What `examples/dra.yaml` and docs/platforms.md tell users to write."""
    root = Path(__file__).parents[4]
    task = yaml.safe_load((root / "examples" / "dra.yaml").read_text())
    shown = next(
        block.split("```")[0]
        for block in (root / "docs" / "platforms.md").read_text().split("```yaml\n")
        if "schedulerName:" in block.split("```")[0]
    )
    said = TaskSpec.model_validate(task["spec"])
    runtime = wanted_objects.wanted_runtime(said.runtime, shipped(), live_model(), "team")
    assert runtime is not None
    engine = runtime["spec"]["engineConfig"]

    assert yaml.safe_load(shown)["runtime"]["overrides"] == said.runtime.overrides
    assert (engine["schedulerName"], engine["runtimeClassName"]) == ("kai-scheduler", "nvidia")
    assert engine["resourceClaims"] == [{"name": "gpus", "resourceClaimTemplateName": "two-h100"}]
    assert engine["runner"]["resources"]["claims"] == [{"name": "gpus"}]
    assert engine["runner"]["image"]  # the rest of the preset is there
