"""Presets: those shipped, bad files, and the OME objects made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotuner import engines, presets
from autotuner.presets import is_simulated, model_object, runner, runtime_object
from tests.unit.builders import Object
from tests.unit.task_builders import live_model, shipped

MODEL_FILE = "spec: {modelFormat: {name: safetensors}}\n"
RUNTIME_FILE = "engine: VLLM\nspec: {engineConfig: {}}\n"


def write(folder: Path, **files: str) -> Path:
    """A folder of presets: models__x and runtimes__y are the files."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize("name", sorted(shipped().models))
def test_every_shipped_model_makes_an_object(name: str) -> None:
    body = model_object(name, shipped().models[name])

    assert body["kind"] == "ClusterBaseModel"
    assert body["metadata"] == {"name": name, "labels": {"app.kubernetes.io/managed-by": "autotuner"}}
    assert body["spec"]["modelFormat"]["name"]
    assert body["spec"]["modelArchitecture"]
    assert body["spec"]["storage"]["path"].startswith("/")


@pytest.mark.parametrize("name", sorted(shipped().runtimes))
def test_every_shipped_runtime_makes_an_object_that_leaves_room_for_tuning(name: str) -> None:
    preset = shipped().runtimes[name]
    body = runtime_object(preset, live_model())
    container = runner(body["spec"])
    engine = engines.get(preset.engine)

    assert body["metadata"]["name"].startswith(f"{name}-")
    assert len(body["metadata"]["name"]) <= 63
    assert container["name"] == "ome-container"
    assert container["image"].count(":") == 1  # pinned, never latest
    assert list(engine.checker(container["image"]).arguments(container["args"], "args")) == []  # what is tuned is in args, what is not in command
    assert engine.accelerators(container["args"]) == 1
    assert "limits" not in container["resources"]  # accelerators are the InferenceService's to ask for
    assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] >= 1800


def test_at_least_the_promised_presets_are_shipped() -> None:
    assert {"llama-3-2-1b-instruct"} <= set(shipped().models)
    assert {"sglang-llama-small", "simulated-sglang", "simulated-vllm"} <= set(shipped().runtimes)


def test_only_the_simulated_engines_are_simulated() -> None:
    simulated = {name for name, preset in shipped().runtimes.items() if is_simulated(preset.spec)}

    assert simulated == {"simulated-sglang", "simulated-vllm"}
    assert not is_simulated({})


def test_a_folder_of_presets_is_read_by_file_name(tmp_path: Path) -> None:
    found = presets.load(write(tmp_path, models__a=MODEL_FILE, runtimes__b=RUNTIME_FILE))

    assert found.models == {"a": {"modelFormat": {"name": "safetensors"}}}
    assert (found.runtimes["b"].name, found.runtimes["b"].engine) == ("b", "VLLM")


BAD: list[tuple[str, dict[str, str], str]] = [
    ("an unknown key", {"models__a": "spec: {}\nkind: x\n"}, "a preset has exactly the keys spec"),
    ("a missing key", {"runtimes__a": "spec: {}\n"}, "a preset has exactly the keys engine, spec"),
    ("no mapping", {"models__a": "- spec\n"}, "a preset has exactly the keys spec"),
    ("an empty file", {"models__a": ""}, "a preset has exactly the keys spec"),
    ("an unknown engine", {"runtimes__a": "engine: TGI\nspec: {}\n"}, "engine must be one of SGLang, VLLM, Custom"),
    ("a spec that is no mapping", {"models__a": "spec: 1\n"}, "spec is not a mapping"),
    ("broken YAML", {"runtimes__a": "spec: {"}, "not YAML"),
]


@pytest.mark.parametrize(("files", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_file_is_named(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        presets.load(write(tmp_path, **files))

    assert str(tmp_path) in str(caught.value)
    assert "a.yaml" in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        presets.load(tmp_path / "nowhere")


class TestRuntimeForModel:
    PRESET = shipped().runtimes["simulated-sglang"]

    def of(self, **spec: object) -> Object:
        return runtime_object(self.PRESET, {"spec": spec})

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
        assert runner(self.PRESET.spec)["image"] != "changed"
