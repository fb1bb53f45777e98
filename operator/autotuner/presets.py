"""Presets: models and runtimes as data."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import yaml

from autotuner import yaml_text
from autotuner.api.common import GROUP, EngineName
from autotuner.kubernetes_object import Object

LABEL = f"{GROUP}/presets"  # with the value true, of ConfigMaps with presets of an operator's own
_PACKAGE = Path(__file__).parent
SIMULATOR_MODULE = "autotuner.simulator"
# Where the presets shipped expect models; OME's own chart mounts them elsewhere.
MODEL_ROOT = "/raid/models"
_KINDS = ("bases", "models", "runtimes")


@dataclass(frozen=True)
class Accelerator:
    """An accelerator on which a runtime preset is known to hold its models' weights.

    Attributes:
        name: as the nodes' product label tells it.
        memory_mib: of one, in MiB.
    """

    name: str
    memory_mib: float


@dataclass(frozen=True)
class RuntimePreset:
    """A serving runtime without the model formats, which are those of the live model.

    Attributes:
        name: of the preset.
        engine: whose flags its arguments are.
        spec: of a ClusterServingRuntime.
        models: model presets that it is meant for; it can serve others too.
        accelerator: that it is meant for, in the number that its arguments take; None if it does not say.
    """

    name: str
    engine: EngineName
    spec: Mapping[str, Any]
    models: tuple[str, ...] = ()
    accelerator: Accelerator | None = None


@dataclass(frozen=True)
class Presets:
    """What can be chosen by name."""

    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # name -> spec of a ClusterBaseModel
    runtimes: Mapping[str, RuntimePreset] = field(default_factory=dict)
    bases: Mapping[str, Object] = field(default_factory=dict)  # what runtime presets of one engine have in common

    def under(self, own: Presets) -> Presets:
        """These and a user's own, which win where they have the same name."""
        return Presets({**self.models, **own.models}, {**self.runtimes, **own.runtimes}, {**self.bases, **own.bases})

    def rooted(self, root: str) -> Presets:
        """Copy the presets, with the models' files under another folder of the nodes."""
        models = {name: _moved(spec, root) for name, spec in self.models.items()}
        return Presets(models, self.runtimes, self.bases)


def default_folder() -> Path:
    """Where the presets shipped lie: in the package, or beside it in a checkout."""
    shipped = _PACKAGE / "data" / "presets"
    return shipped if shipped.is_dir() else _PACKAGE.parents[1] / "presets"


def load(folder: Path, known: Presets | None = None) -> Presets:
    """Read all presets of a folder: `models/NAME.yaml`, `runtimes/NAME.yaml` and `bases/NAME.yaml`.

    Args:
        folder: of the presets.
        known: whose bases its runtimes may refer to.

    Raises:
        ValueError: a file is not a preset; the message names it.
        FileNotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no presets: {folder} is not a folder")
    texts = {
        f"{path.parent.name}.{path.stem}": (str(path), path.read_text())
        for kind in _KINDS
        for path in sorted(folder.glob(f"{kind}/*.yaml"))
    }
    return _read_all(texts, known or Presets())


def from_config_map(body: Mapping[str, Any], known: Presets) -> Presets:
    """Read the presets of a ConfigMap: its keys are `models.NAME.yaml` and `runtimes.NAME.yaml`.

    Raises:
        ValueError: a key is not a preset; the message names it.
    """
    name = body["metadata"]["name"]
    texts = {}
    for key, text in (body.get("data") or {}).items():
        if not key.startswith(tuple(f"{kind}." for kind in _KINDS)) or not key.endswith(".yaml"):
            raise ValueError(f"ConfigMap {name}, {key}: a preset's key is models.NAME.yaml or runtimes.NAME.yaml")
        texts[key.removesuffix(".yaml")] = (f"ConfigMap {name}, {key}", text)
    return _read_all(texts, known)


def _read_all(texts: Mapping[str, tuple[str, str]], known: Presets) -> Presets:
    """Presets by kind and name, from where they are and what they say."""
    models: dict[str, Mapping[str, Any]] = {}
    runtimes: dict[str, RuntimePreset] = {}
    bases: dict[str, Object] = {}
    for key, (where, text) in sorted(texts.items()):  # bases come first
        kind, _, name = key.partition(".")
        if kind == "models":
            models[name] = _document(where, text, {"spec"})["spec"]
        elif kind == "bases":
            bases[name] = _document(where, text, {"spec", "engine"})
        else:
            runtimes[name] = _runtime(where, name, text, {**known.bases, **bases})
    return Presets(models, runtimes, bases)


def _runtime(where: str, name: str, text: str, bases: Mapping[str, Object]) -> RuntimePreset:
    """A runtime in full (engine, spec), or what it adds to a base (base, spec)."""
    document = _document(where, text, {"spec"}, {"engine", "base", "models", "accelerator"})
    if ("base" in document) == ("engine" in document):
        raise ValueError(f"{where}: a runtime preset has either engine or base")
    base: Object = {}
    if "base" in document:
        if document["base"] not in bases:
            raise ValueError(f"{where}: no base is called {document['base']}; there are {', '.join(sorted(bases))}")
        base = bases[document["base"]]
    engine = base.get("engine") or document["engine"]
    if engine not in get_args(EngineName):
        raise ValueError(f"{where}: engine must be one of {', '.join(get_args(EngineName))}")
    spec = deep_merge(base.get("spec") or {}, document["spec"])
    accelerator = _accelerator(where, document["accelerator"]) if "accelerator" in document else None
    return RuntimePreset(name, cast(EngineName, engine), spec, tuple(document.get("models") or ()), accelerator)


def _accelerator(where: str, given: Any) -> Accelerator:
    match given:
        case {"name": str(name), "memoryMiB": int(memory), **more} if not more and memory > 0:
            return Accelerator(name, memory)
    raise ValueError(f"{where}: write accelerator: {{name: NVIDIA-H100-80GB-HBM3, memoryMiB: 81559}}")


def _document(where: str, text: str, required: set[str], optional: set[str] | None = None) -> Object:
    try:
        document = yaml_text.read(text)
    except yaml.YAMLError as problem:
        raise ValueError(f"{where}: not YAML: {problem}") from problem
    keys = set(document) if isinstance(document, dict) else set()
    if not required <= keys <= required | (optional or set()):
        allowed = f" and may have {', '.join(sorted(optional))}" if optional else ""
        raise ValueError(f"{where}: a preset has exactly the keys {', '.join(sorted(required))}{allowed}")
    if not isinstance(document["spec"], dict):
        raise ValueError(f"{where}: spec is not a mapping")
    return cast(Object, document)


def _moved(spec: Mapping[str, Any], root: str) -> Mapping[str, Any]:
    path = str((spec.get("storage") or {}).get("path", ""))
    if not path.startswith(f"{MODEL_ROOT}/"):
        return spec
    return deep_merge(spec, {"storage": {"path": root.rstrip("/") + path.removeprefix(MODEL_ROOT)}})


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
