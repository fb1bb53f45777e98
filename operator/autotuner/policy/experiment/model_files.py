"""Can an experiment read its weights, and where to look when its engine did not find them."""

from __future__ import annotations

from autotuner.objects import Object
from autotuner.policy.experiment.observed import ObservedExperiment


def unreadable(seen: ObservedExperiment, model: Object) -> str:
    """Why an experiment cannot read its weights or its tokenizer, whatever happens; empty if it can."""
    storage, benchmark = seen.storage, seen.spec.benchmark
    if storage is not None:
        if fault := storage.fault:
            field = "service.volume.claimName" if seen.spec.service.volume else "service.model.name"
            return f"{field}: {fault.message}"
        if why := storage.unreadable(benchmark.tokenizer.source, benchmark.placement):
            return why
    weights = seen.backend.weights(model.get("spec") or {})
    if benchmark.tokenizer.source == "ModelVolume" and not (seen.spec.service.volume or weights.claim or weights.path):
        return (
            "benchmark.tokenizer.source: ModelVolume needs service.volume or a model with spec.storage.path; use Hub"
            " with an id"
        )
    return ""


def where(seen: ObservedExperiment) -> str:
    """Where an engine that found no weights looked for them."""
    product = seen.backend.capabilities.name
    node = f" on {seen.engine.node}" if seen.engine and seen.engine.node else ""
    if volume := seen.spec.service.volume:
        folder = f"folder {volume.sub_path}" if volume.sub_path else "the root"
        mounted = f" if this {product} mounts it (volume.annotations)" if volume.annotations else ""
        return f"check that {folder} of PersistentVolumeClaim {volume.claim_name} has the model's files{mounted}"
    if path := seen.backend.weights((seen.model or {}).get("spec") or {}).path:
        return (
            f"check that {path}{node} has the model's files: if {product}'s model agent keeps them elsewhere, the"
            " model's storage.path is wrong"
        )
    return "check the model's storage: it names no storage.path"
