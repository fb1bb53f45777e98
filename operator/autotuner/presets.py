"""Presets: models and runtimes as data, and the OME objects made of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import yaml

from autotuner.api.common import EngineName
from autotuner.hashing import digest

Object = dict[str, Any]

_PACKAGE = Path(__file__).parent
MANAGED_BY = {"app.kubernetes.io/managed-by": "autotuner"}
SIMULATOR_MODULE = "autotuner.simulator"


@dataclass(frozen=True)
class RuntimePreset:
    """A serving runtime without the model formats, which are those of the live model."""

    name: str
    engine: EngineName
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class Presets:
    """What can be chosen by name."""

    models: Mapping[str, Mapping[str, Any]]  # name -> spec of a ClusterBaseModel
    runtimes: Mapping[str, RuntimePreset]


def default_folder() -> Path:
    """Where the presets shipped lie: in the package, or beside it in a checkout."""
    shipped = _PACKAGE / "data" / "presets"
    return shipped if shipped.is_dir() else _PACKAGE.parents[1] / "presets"


def load(folder: Path) -> Presets:
    """Read all presets of a folder.

    Raises:
        ValueError: a file is not a preset; the message names it.
        FileNotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no presets: {folder} is not a folder")
    models = {path.stem: _read(path, {"spec"})["spec"] for path in sorted(folder.glob("models/*.yaml"))}
    runtimes = {}
    for path in sorted(folder.glob("runtimes/*.yaml")):
        document = _read(path, {"spec", "engine"})
        if document["engine"] not in get_args(EngineName):
            raise ValueError(f"{path}: engine must be one of {', '.join(get_args(EngineName))}")
        runtimes[path.stem] = RuntimePreset(path.stem, cast(EngineName, document["engine"]), document["spec"])
    return Presets(models, runtimes)


def _read(path: Path, keys: set[str]) -> Object:
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as problem:
        raise ValueError(f"{path}: not YAML: {problem}") from problem
    if not isinstance(document, dict) or set(document) != keys:
        raise ValueError(f"{path}: a preset has exactly the keys {', '.join(sorted(keys))}")
    if not isinstance(document["spec"], dict):
        raise ValueError(f"{path}: spec is not a mapping")
    return document


def model_object(name: str, spec: Mapping[str, Any]) -> Object:
    """The ClusterBaseModel of a preset; it keeps the preset's name, so that weights are downloaded once."""
    return {
        "apiVersion": "ome.io/v1beta1",
        "kind": "ClusterBaseModel",
        "metadata": {"name": name, "labels": dict(MANAGED_BY)},
        "spec": copy.deepcopy(dict(spec)),
    }


def runtime_object(preset: RuntimePreset, model: Mapping[str, Any]) -> Object:
    """The ClusterServingRuntime of a preset for a live model, named after its content.

    OME demands that format, framework, architecture and quantization agree with the model's, present or absent alike.
    A name that follows the content lets one preset serve several models, and an upgraded operator never meets an old
    body under the same name.
    """
    spec = copy.deepcopy(dict(preset.spec))
    spec["supportedModelFormats"] = [_format(model["spec"])]
    return {
        "apiVersion": "ome.io/v1beta1",
        "kind": "ClusterServingRuntime",
        "metadata": {"name": f"{preset.name}-{digest(spec)}", "labels": dict(MANAGED_BY)},
        "spec": spec,
    }


def content_name(preset: str, spec: Mapping[str, Any]) -> str:
    """The name of an object that is named after its content."""
    return f"{preset}-{digest(dict(spec))}"


def deep_merge(spec: Mapping[str, Any], overrides: Mapping[str, Any]) -> Object:
    """The spec under overrides: mappings are merged, lists and all else replaced, null removes a key."""
    merged = copy.deepcopy(dict(spec))
    for key, value in overrides.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = deep_merge(merged[key] if isinstance(merged.get(key), Mapping) else {}, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def difference(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """In which fields a live object says something else than the wanted one."""
    return [key for key in wanted if not contains(live.get(key), wanted[key])]


def incompatible(model: Mapping[str, Any], runtime: Mapping[str, Any]) -> str | None:  # noqa: ARG001
    """Why OME will not serve the model with the runtime; None if it will."""
    return None


def missing_format(model: Mapping[str, Any]) -> str:
    """The field that OME demands of a runtime's format and that this model does not have; empty if it has both."""
    spec = model.get("spec") or {}
    return next((key for key in ("modelFormat", "modelFramework") if not (spec.get(key) or {}).get("name")), "")


def _format(model: Mapping[str, Any]) -> Object:
    supported: Object = {"autoSelect": False}
    for key in ("modelFormat", "modelFramework"):
        if key in model:
            supported[key] = {part: model[key][part] for part in ("name", "version") if part in model[key]}
    for key in ("modelArchitecture", "quantization"):
        if key in model:
            supported[key] = model[key]
    if "modelFormat" in supported:
        supported["name"] = supported["modelFormat"]["name"]
    return supported


def contains(live: Any, wanted: Any) -> bool:
    """Whether a live value says all that the wanted one says; the API server may have added defaults."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(contains(live.get(key), value) for key, value in wanted.items())
    return bool(live == wanted)


def runner(runtime_spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The engine's container in a runtime; empty if it has none."""
    found: Mapping[str, Any] = (runtime_spec.get("engineConfig") or {}).get("runner") or {}
    return found


def is_simulated(runtime_spec: Mapping[str, Any]) -> bool:
    """Whether a runtime starts the simulated engine."""
    container = runner(runtime_spec)
    words = [*container.get("command", []), *container.get("args", [])]
    return any(SIMULATOR_MODULE in str(word) for word in words)
