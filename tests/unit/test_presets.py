"""Presets: those shipped, and bad files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from autotuner import engines, presets
from autotuner.engines import arguments
from autotuner.kubernetes_object import Object
from autotuner.serving.ome.runtimes import engine_template
from tests.unit.task_builders import shipped

MODEL_FILE = "spec: {modelFormat: {name: safetensors}}\n"
RUNTIME_FILE = "engine: VLLM\nspec: {engineConfig: {}}\n"


def write(folder: Path, **files: str) -> Path:
    """A folder of presets: models__x and runtimes__y are the files."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def test_the_promised_presets_are_shipped() -> None:
    assert set(shipped().models) == {
        "llama-3-1-8b-instruct",
        "qwen3-8b",
        "qwen3-32b",
        "qwen3-30b-a3b",
        "qwen3-235b-a22b",
        "gpt-oss-20b",
        "gpt-oss-120b",
        "deepseek-v3-1",
        "deepseek-r1",
        "gemma-3-27b-it",
        "mistral-small-3",
        "glm-4-6",
        "llama-3-2-1b-instruct",
        "llama-3-2-3b-instruct",
        "llama-3-1-70b-instruct",
        "llama-3-3-70b-instruct",
        "mistral-7b-instruct",
        "mixtral-8x7b-instruct",
        "deepseek-v3",
    }


def test_each_runtime_has_a_twin_of_the_other_engine() -> None:
    served = {
        engine: {name.removeprefix(engine): one.models for name, one in shipped().runtimes.items() if engine in name}
        for engine in ("sglang-", "vllm-")
    }

    assert served["sglang-"] == served["vllm-"]
    assert {"simulated-sglang", "simulated-vllm"} <= set(shipped().runtimes)


@pytest.mark.parametrize("model", sorted(shipped().models))
@pytest.mark.parametrize("engine", ["SGLang", "VLLM"])
def test_every_model_has_a_runtime_of_each_engine(model: str, engine: str) -> None:
    assert [one.name for one in real_runtimes() if one.engine == engine and model in one.models]


def real_runtimes() -> list[presets.RuntimePreset]:
    return [one for one in shipped().runtimes.values() if not engine_template(one.spec).simulated]


# The runtime presets of an engine, each with every model that it is meant for.
PAIRS = [(runtime, model) for runtime in real_runtimes() for model in runtime.models]
IDS = [f"{runtime.name}-{model}" for runtime, model in PAIRS]
# Of each engine: the releases whose registered architectures packaging/engine_architectures.py has read.
ARCHITECTURES = Path(__file__).parents[1] / "data" / "architectures"


@pytest.mark.parametrize(("runtime", "model"), PAIRS, ids=IDS)
def test_the_pinned_release_registers_the_models_architecture(runtime: presets.RuntimePreset, model: str) -> None:
    repository, _, tag = engine_template(runtime.spec).image.rpartition(":")
    package = {"SGLang": "sglang", "VLLM": "vllm"}[runtime.engine]
    registered = json.loads((ARCHITECTURES / f"{package}-{tag.removeprefix('v')}.json").read_text())["architectures"]

    assert package in repository
    assert shipped().models[model]["modelArchitecture"] in registered


@pytest.mark.parametrize(("runtime", "model"), PAIRS, ids=IDS)
def test_the_weights_fit_on_the_accelerators_that_are_stated(runtime: presets.RuntimePreset, model: str) -> None:
    engine, template, stated = engines.get(runtime.engine), engine_template(runtime.spec), runtime.accelerator
    flags = {engine.canonical(one.spelling.lstrip("-")): one.values[0] for one in arguments.parse(template.args)}

    assert stated is not None
    assert engine.memory.weights_gb(flags, shipped().models[model]) is not None
    assert engine.memory.too_large(flags, shipped().models[model], stated.memory_mib) is None


@pytest.mark.parametrize("runtime", real_runtimes(), ids=lambda one: one.name)
def test_the_release_knows_every_flag_of_a_runtime(runtime: presets.RuntimePreset) -> None:
    template = engine_template(runtime.spec)
    version = engines.version_of(runtime.engine, image=template.image)
    engine = engines.get(version)
    words = [*template.command[2:], *template.args]

    assert engine.table is not None and engine.knows(version.version)  # the pinned release, and not one near it
    assert [word for word in words if arguments.is_flag(word) and not engine.table.takes(word.partition("=")[0])] == []
    assert list(engine.checker().arguments(template.args, "args")) == []


def test_images_exist_for_every_processor_architecture() -> None:
    tags = {engine_template(one.spec).image.rpartition(":")[2] for one in real_runtimes()}

    assert tags
    assert not [tag for tag in tags if "amd64" in tag or "arm64" in tag or tag == "latest"]


@pytest.mark.parametrize("runtime", shipped().runtimes.values(), ids=lambda one: one.name)
def test_an_engine_listens_where_its_pod_is_asked(runtime: presets.RuntimePreset) -> None:
    """With IPv4, IPv6 and both; 0.0.0.0 and :: are each deaf in some clusters."""
    template = engine_template(runtime.spec)
    command, env = " ".join(template.command).replace("=", " "), template.container.get("env") or []

    assert "--host $(POD_IP) " in command
    assert {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}} in env


def test_images_are_pinned_in_one_place() -> None:
    texts = [path.read_text() for path in presets.default_folder().glob("runtimes/*.yaml")]

    assert sum("image:" in text for text in texts) == 2  # the simulated ones bring our own


def test_overrides_are_merged_deeply() -> None:
    spec = {"a": {"b": 1, "c": [1, 2]}, "d": 1}

    assert presets.deep_merge(spec, {"a": {"c": [3], "e": {"f": 1}}, "d": None}) == {
        "a": {"b": 1, "c": [3], "e": {"f": 1}}
    }
    assert spec == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


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
    assert engine_template(both.runtimes["sglang-llama-small"].spec).image == "ours:1"
    assert engine_template(both.runtimes["sglang-llama-small"].spec).command[0] == "python3"


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
    simulated = {name for name, preset in shipped().runtimes.items() if engine_template(preset.spec).simulated}

    assert simulated == {"simulated-sglang", "simulated-vllm"}


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
    (
        "an accelerator without its memory",
        {"runtimes__a": RUNTIME_FILE + "accelerator: H100\n"},
        "write accelerator: {name",
    ),
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
