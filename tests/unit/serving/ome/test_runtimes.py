"""Which models OME's runtimes can serve, and the engine in them."""

from __future__ import annotations

import pytest

from autotuner import engines
from autotuner.kubernetes_object import Object
from autotuner.serving.ome.runtimes import engine_template, incompatible, lacking_format
from autotuner.serving.ome.wanted_objects import model_object, runtime_object
from tests.unit.task_builders import live_model, shipped

H200 = 143771  # MiB, as the node label says


def pairs() -> list[tuple[str, str]]:
    return [(one.name, model) for one in shipped().runtimes.values() for model in one.models]


@pytest.mark.parametrize(("runtime", "model"), pairs())
def test_a_runtime_serves_the_models_it_is_meant_for(runtime: str, model: str) -> None:
    live = model_object(model, shipped().models[model])
    body = runtime_object(shipped().runtimes[runtime], live)

    assert incompatible(live, body) is None
    arguments = body["spec"]["engineConfig"]["runner"]["args"]
    fits = {argument.partition("=")[0].lstrip("-"): argument.partition("=")[2] for argument in arguments}
    engine = engines.get(shipped().runtimes[runtime].engine)
    assert engine.memory.too_large(fits, live["spec"], H200) is None


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
    found = incompatible(model, {"kind": "ServingRuntime", "metadata": {"name": "r"}, "spec": spec})

    assert found == (f"ServingRuntime r cannot serve m: {words}" if words else None)


def test_a_disabled_runtime_and_one_without_formats_serve_nothing() -> None:
    runtime: Object = {"kind": "ServingRuntime", "metadata": {"name": "r"}, "spec": {"disabled": True}}

    assert "is disabled" in (incompatible(live_model(), runtime) or "")
    assert "supports no model formats" in (incompatible(live_model(), {**runtime, "spec": {}}) or "")


def test_a_model_without_format_or_framework_fits_no_preset() -> None:
    assert lacking_format(live_model()) == ""
    assert lacking_format({"spec": {"modelFormat": {"name": "safetensors"}}}) == "modelFramework"
    assert lacking_format({"spec": {}}) == "modelFormat"


def test_the_engine_of_a_runtime_is_its_runner() -> None:
    runner = {"image": "engine:1", "command": ["serve"], "args": ["--x"]}
    template = engine_template({"engineConfig": {"runner": runner, "volumes": [{"name": "v"}]}})

    assert (template.image, template.command, template.args) == ("engine:1", ["serve"], ["--x"])
    assert template.pod["volumes"] == [{"name": "v"}]
    assert engine_template(None).container == engine_template({}).container == {}
