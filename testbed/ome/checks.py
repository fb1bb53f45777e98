"""What OME's controller refuses, and in which words. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from autotuner.kubernetes_object import Object

_SIZE_UNITS = {"M": 1e6, "B": 1e9, "T": 1e12}


@dataclass(frozen=True)
class Refusal:
    """Why an InferenceService is not deployed.

    Attributes:
        reason: of the Warning event; "" where OME says nothing at all.
        message: of the event, or for the stand-in's own log.
        retried: whether OME tries again, and emits the event again, with growing pauses.
        configured: whether the ConfigMap of the model exists nevertheless.
    """

    reason: str
    message: str
    retried: bool = True
    configured: bool = False


def refusal(isvc: Object, models: tuple[Object | None, Object | None], runtime: Object | None) -> Refusal | None:
    """Returns why OME would not deploy an InferenceService, or None.

    Args:
        isvc: the InferenceService.
        models: the BaseModel and the ClusterBaseModel of the name in spec.model, as far as they exist.
        runtime: the ServingRuntime or else the ClusterServingRuntime of the name in spec.runtime.
    """
    spec, metadata = isvc.get("spec", {}), isvc["metadata"]
    if len(metadata["name"]) > 63:
        return Refusal("", "the name does not fit into a label")
    if metadata.get("annotations", {}).get("ome.io/deploymentMode") == "Serverless":
        return Refusal("ServerlessModeRejected", "Serverless deployment mode is not supported", retried=False)
    if not (wanted := spec.get("model")):
        return Refusal("ModelReconcileError", "model reference is required")
    if not (model := choose_model(wanted, models)):
        return _missing_model(wanted["name"], metadata["namespace"], models)
    if not (name := spec.get("runtime", {}).get("name")):
        return Refusal("RuntimeSelectionError", f"no supporting runtime found for model {wanted['name']}")
    if problem := runtime_problem(model, runtime, name, metadata["namespace"]):
        message = f"Runtime {name} does not support model {wanted['name']}: {problem}"
        return Refusal("RuntimeValidationError", message)
    if spec.get("engine") is None:
        return Refusal("DeploymentModeError", "engine component is required")
    return None


def choose_model(wanted: Object, models: tuple[Object | None, Object | None]) -> Object | None:
    """Returns the model of the wanted kind."""
    namespaced, cluster = models
    return namespaced if wanted.get("kind", "ClusterBaseModel") == "BaseModel" else cluster


def _missing_model(name: str, namespace: str, models: tuple[Object | None, Object | None]) -> Refusal:
    if any(models):
        return Refusal("", f"model {name} is of the other kind")
    # OME's webhook refuses such an InferenceService, so its controller was never seen in this state.
    return Refusal("ModelReconcileError", f'referenced model "{name}" not found in namespace {namespace}')


def runtime_problem(model: Object, runtime: Object | None, name: str, namespace: str) -> str | None:
    """Says why a runtime named explicitly cannot serve a model, or returns None."""
    if runtime is None:
        return f"runtime {name} not found in namespace {namespace} or at cluster scope"
    spec = runtime.get("spec", {})
    if spec.get("disabled"):
        scope = "cluster-scoped runtime" if runtime["kind"] == "ClusterServingRuntime" else "runtime"
        return f"{scope} {name} is disabled"
    return mismatch(model.get("spec", {}), spec)


def mismatch(model: Object, runtime: Object) -> str | None:
    """Says why no supported format of a runtime fits a model, or returns None; both are specs."""
    reasons = [_format_mismatch(model, entry) for entry in runtime.get("supportedModelFormats") or [{}]]
    if all(reasons):
        return f"model format '{_label(model)}' not in supported formats: {'; '.join(reasons)}"
    limits, size = runtime.get("modelSizeRange"), model.get("modelParameterSize")
    if limits and size:
        low, high = limits.get("min", "0B"), limits.get("max", "999T")
        if not _billions(low) <= _billions(size) <= _billions(high):
            return f"model size {size} is outside supported range [{low}, {high}]"
    return None


def _label(model: Object) -> str:
    form, framework = model.get("modelFormat") or {}, model.get("modelFramework") or {}
    parts = [form.get("name"), form.get("version"), model.get("modelArchitecture"), model.get("quantization")]
    parts += [framework.get("name"), framework.get("version")]
    return ":".join(["mt", *(part for part in parts if part)])


def _format_mismatch(model: Object, entry: Object) -> str:
    reasons = [
        _difference("architecture", model.get("modelArchitecture"), entry.get("modelArchitecture")),
        _difference("quantization", model.get("quantization"), entry.get("quantization")),
    ]
    for kind, field in (("format", "modelFormat"), ("framework", "modelFramework")):
        ours, theirs = model.get(field) or {}, entry.get(field) or {}
        reasons.append(_difference(f"{kind} name", ours.get("name"), theirs.get("name")))
        if not _version_fits(ours.get("version"), theirs.get("version"), theirs.get("operator", "Equal")):
            reasons.append(_difference(f"{kind} version", ours.get("version"), theirs.get("version")))
    return ", ".join(reason for reason in reasons if reason)


def _difference(what: str, model: str | None, runtime: str | None) -> str:
    if model == runtime:
        return ""
    if not model:
        return f"model has no {what} but runtime requires {runtime}"
    if not runtime:
        return f"model has {what} {model} but runtime has no {what} requirement"
    return f"{what} mismatch (model={model}, runtime={runtime})"


def _version_fits(model: str | None, runtime: str | None, operator: str) -> bool:
    official = re.compile(r"v?\d+(\.\d+)*")
    if operator == "Equal" or not (model and runtime and official.fullmatch(model) and official.fullmatch(runtime)):
        return model == runtime
    ours, theirs = ([int(part) for part in version.lstrip("v").split(".")] for version in (model, runtime))
    return theirs > ours or (operator == "GreaterThanOrEqual" and theirs == ours)


def _billions(size: str) -> float:
    """Parses "70.6B" to 70.6; an unknown suffix counts as nothing, as in OME."""
    unit = _SIZE_UNITS.get(size[-1:], 0.0)
    return float(size[:-1]) * unit / 1e9 if unit else 0.0
