"""Presets: those shipped, bad files, and the OME objects made of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autotuner import engines, presets
from autotuner.objects import Object
from autotuner.presets import is_simulated, model_object, runner, runtime_object
from tests.unit.task_builders import live_model, shipped

H200 = 143771  # MiB, as the node label says
GPUS = {
    f"{engine}-{kind}": count
    for engine in ("sglang", "vllm")
    for kind, count in (("llama-large", 4), ("mixtral-moe", 2), ("deepseek-v3", 8))
}
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
    assert list(engine.checker(container["image"]).arguments(container["args"], "args")) == []
    assert engine.accelerators(container["args"]) == GPUS.get(name, 1)
    assert "limits" not in container["resources"]  # accelerators are the InferenceService's to ask for
    assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] >= 1800


def test_the_promised_presets_are_shipped() -> None:
    kinds = ("llama-small", "llama-large", "mistral-small", "mixtral-moe", "deepseek-v3")

    assert set(shipped().models) == {
        "llama-3-2-1b-instruct",
        "llama-3-2-3b-instruct",
        "llama-3-1-70b-instruct",
        "llama-3-3-70b-instruct",
        "mistral-7b-instruct",
        "mixtral-8x7b-instruct",
        "deepseek-v3",
    }
    assert set(shipped().runtimes) == {
        *(f"{engine}-{kind}" for engine in ("sglang", "vllm") for kind in kinds),
        "simulated-sglang",
        "simulated-vllm",
    }


@pytest.mark.parametrize("model", sorted(shipped().models))
@pytest.mark.parametrize("engine", ["SGLang", "VLLM"])
def test_every_model_has_a_runtime_of_each_engine(model: str, engine: str) -> None:
    real = [one for one in shipped().runtimes.values() if not is_simulated(one.spec)]

    assert [one.name for one in real if one.engine == engine and model in one.models]


def pairs() -> list[tuple[str, str]]:
    return [(one.name, model) for one in shipped().runtimes.values() for model in one.models]


@pytest.mark.parametrize(("runtime", "model"), pairs())
def test_a_runtime_serves_the_models_it_is_meant_for(runtime: str, model: str) -> None:
    live = model_object(model, shipped().models[model])
    body = runtime_object(shipped().runtimes[runtime], live)

    assert presets.incompatible(live, body) is None
    arguments = body["spec"]["engineConfig"]["runner"]["args"]
    fits = {argument.partition("=")[0].lstrip("-"): argument.partition("=")[2] for argument in arguments}
    engine = engines.get(shipped().runtimes[runtime].engine)
    assert engine.memory.too_large(fits, live["spec"], H200) is None


def test_images_are_pinned_in_one_place() -> None:
    texts = [path.read_text() for path in presets.default_folder().glob("runtimes/*.yaml")]

    assert sum("image:" in text for text in texts) == 2  # the simulated ones bring our own


MODEL = {"modelArchitecture": "A", "modelFormat": {"name": "f", "version": "1"}, "modelFramework": {"name": "t"}}
MISMATCHES: list[tuple[Object, str]] = [
    ({}, ""),
    ({"modelArchitecture": "B"}, "modelArchitecture is A in the model and B there"),
    ({"quantization": "fp8"}, "quantization is absent in the model and fp8 there"),
    ({"modelFormat": {"name": "g", "version": "1"}}, "modelFormat.name is f in the model and g there"),
    ({"modelFormat": {"name": "f", "version": "2"}}, "modelFormat.version is 1 in the model and 2 there"),
    ({"modelFormat": {"name": "f", "version": "2", "operator": "GreaterThanOrEqual"}}, ""),
    ({"modelFramework": {"name": "t", "version": "1"}}, "modelFramework.version is absent in the model and 1 there"),
]


@pytest.mark.parametrize(("change", "words"), MISMATCHES)
def test_what_ome_would_refuse_is_told(change: Object, words: str) -> None:
    model = {"kind": "ClusterBaseModel", "metadata": {"name": "m"}, "spec": MODEL}
    spec = {"supportedModelFormats": [{**MODEL, **change}]}
    found = presets.incompatible(model, {"kind": "ServingRuntime", "metadata": {"name": "r"}, "spec": spec})

    assert found == (f"ServingRuntime r cannot serve m: {words}" if words else None)


def test_a_disabled_runtime_and_one_without_formats_serve_nothing() -> None:
    runtime: Object = {"kind": "ServingRuntime", "metadata": {"name": "r"}, "spec": {"disabled": True}}

    assert "is disabled" in (presets.incompatible(live_model(), runtime) or "")
    assert "supports no model formats" in (presets.incompatible(live_model(), {**runtime, "spec": {}}) or "")


def test_overrides_are_merged_deeply() -> None:
    spec = {"a": {"b": 1, "c": [1, 2]}, "d": 1}

    assert presets.deep_merge(spec, {"a": {"c": [3], "e": {"f": 1}}, "d": None}) == {
        "a": {"b": 1, "c": [3], "e": {"f": 1}}
    }
    assert spec == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


def test_differences_tell_both_values() -> None:
    live = {"vendor": "me", "storage": {"path": "/a", "extra": 1}}
    wanted = {"vendor": "meta", "storage": {"path": "/b"}, "version": "1"}

    assert presets.difference(live, wanted) == [
        "vendor (me instead of meta)",
        "storage.path (/a instead of /b)",
        "version (nothing instead of 1)",
    ]


def test_models_are_moved_to_another_root() -> None:
    moved = shipped().rooted("/mnt/data/models/")

    assert moved.models["deepseek-v3"]["storage"]["path"] == "/mnt/data/models/deepseek-ai/deepseek-v3"
    assert moved.runtimes == shipped().runtimes


def config_map(**data: str) -> Object:
    return {"metadata": {"name": "ours"}, "data": {key.replace("__", "."): text for key, text in data.items()}}


def test_a_config_map_adds_presets_that_win_over_those_shipped() -> None:
    own = presets.from_config_map(
        config_map(
            models__own__yaml=MODEL_FILE,
            **{"runtimes.sglang-llama-small.yaml": "base: sglang\nspec: {engineConfig: {runner: {image: 'ours:1'}}}\n"},
        ),
        shipped(),
    )
    both = shipped().under(own)

    assert "own" in both.models and "deepseek-v3" in both.models
    assert runner(both.runtimes["sglang-llama-small"].spec)["image"] == "ours:1"
    assert runner(both.runtimes["sglang-llama-small"].spec)["command"][0] == "python3"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"own.yaml": MODEL_FILE}, "ConfigMap ours, own.yaml: a preset's key is models.NAME.yaml"),
        ({"models.own.yaml": "spec: 1"}, "ConfigMap ours, models.own.yaml: spec is not a mapping"),
        ({"runtimes.x.yaml": "base: tgi\nspec: {}"}, "no base is called tgi; there are sglang, vllm"),
    ],
)
def test_a_broken_config_map_is_named(data: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        presets.from_config_map(config_map(**data), shipped())


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
    ("a missing key", {"runtimes__a": "spec: {}\n"}, "a runtime preset has either engine or base"),
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
