"""What OME's runtimes say: the engine in them, and which models they can serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.serving import accelerator_count_variable, preset_shapes
from autotuner.serving.backend import EngineTemplate


def engine_template(runtime_spec: Mapping[str, Any] | None) -> EngineTemplate:
    """The engine in a runtime with this spec."""
    found = runtime_spec or {}
    engine: Mapping[str, Any] = found.get("engineConfig") or {}
    runner = accelerator_count_variable.spelled_out(engine.get("runner") or {})
    return EngineTemplate(runner, engine, several=preset_shapes.several(found))


def incompatible(model: Mapping[str, Any], runtime: Mapping[str, Any]) -> str | None:
    """Why OME will not serve the model with the runtime; None if it will.

    OME demands that architecture, quantization and the names and versions of format and framework agree, present or
    absent alike. A runtime whose operator is not Equal takes a range of versions; OME is the judge of that.
    """
    spec, offered = model.get("spec") or {}, (runtime.get("spec") or {}).get("supportedModelFormats") or []
    what = f"{runtime['kind']} {runtime['metadata']['name']}"
    if (runtime.get("spec") or {}).get("disabled"):
        return f"{what} is disabled; set spec.disabled: false"
    if not offered:
        return f"{what} supports no model formats; set spec.supportedModelFormats"
    reasons = [_mismatch(spec, one) for one in offered]
    if not all(reasons):
        return None
    name = model["metadata"]["name"]
    return f"{what} cannot serve {name}: {'; '.join(dict.fromkeys(reason for reason in reasons if reason))}"


def _mismatch(model: Mapping[str, Any], supported: Mapping[str, Any]) -> str | None:
    for key in ("modelArchitecture", "quantization"):
        if model.get(key) != supported.get(key):
            return f"{key} is {model.get(key) or 'absent'} in the model and {supported.get(key) or 'absent'} there"
    for key in ("modelFormat", "modelFramework"):
        ours, theirs = model.get(key) or {}, supported.get(key) or {}
        for part in ("name", "version"):
            exact = part == "name" or theirs.get("operator", "Equal") == "Equal"
            if exact and ours.get(part) != theirs.get(part):
                have, want = ours.get(part) or "absent", theirs.get(part) or "absent"
                return f"{key}.{part} is {have} in the model and {want} there"
    return None


def lacking_format(model: Mapping[str, Any]) -> str:
    """The field that OME demands of a runtime's format and that this model does not have; empty if it has both."""
    spec = model.get("spec") or {}
    return next((key for key in ("modelFormat", "modelFramework") if not (spec.get(key) or {}).get("name")), "")
