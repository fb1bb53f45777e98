"""Free objects of another shape are told, whichever backend reads them, and never an exception."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner import presets
from autotuner.backend_choice import BACKENDS
from autotuner.serving import preset_shapes

PRESETS = presets.load(presets.default_folder())
RUNTIMES: list[tuple[Any, list[str]]] = [
    ({}, []),
    ({"engineConfig": None}, []),
    ({"engineConfig": 5}, ["engineConfig must be an object"]),
    ({"engineConfig": {"runner": {"args": [1, "--a"]}}}, ["engineConfig.runner.args[0] must be a text"]),
    ({"engineConfig": {"runner": {"args": "--a"}}}, ["engineConfig.runner.args must be a list"]),
    ({"engineConfig": {"volumes": [{"name": 1}]}}, ["engineConfig.volumes[0].name must be a text"]),
    ({"disabled": "no"}, ["disabled must be true or false"]),
]


@pytest.mark.parametrize(("runtime", "words"), RUNTIMES)
def test_what_has_another_shape_is_told_with_its_place(runtime: Any, words: list[str]) -> None:
    assert list(preset_shapes.wrong(runtime, preset_shapes.RUNTIME)) == words


@pytest.mark.parametrize("name", ["OME", "Deployment"])
def test_each_backend_tells_and_takes_every_preset(name: str) -> None:
    backend = BACKENDS[name]
    assert backend.misshapen_runtime({"engineConfig": 5}) == ["engineConfig must be an object"]
    assert backend.misshapen_model({"storage": {"path": 5}}) == ["storage.path must be a text"]
    for model in PRESETS.models.values():
        assert not backend.misshapen_model(model)
    for runtime in PRESETS.runtimes.values():
        assert not backend.misshapen_runtime(runtime.spec)
