"""Whether an experiment can read its weights, and where to look when its engine did not find them."""

from __future__ import annotations

from autotuner.kubernetes_object import Object
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.validation_messages import Finding, Kind


def unreadable(seen: ObservedExperiment, model: Object) -> Finding | None:
    """Why an experiment cannot read its weights or its tokenizer, whatever happens; None if it can."""
    storage, benchmark = seen.storage, seen.spec.benchmark
    if storage is not None:
        named_by = "service.volume.claimName" if seen.spec.service.volume else "service.model.name"
        if fault := storage.fault(named_by):
            return fault
        if finding := storage.unreadable(benchmark.tokenizer.source, benchmark.placement):
            return finding
    weights = seen.backend.weights(model.get("spec") or {})
    if benchmark.tokenizer.source == "ModelVolume" and not (seen.spec.service.volume or weights.claim or weights.path):
        return Finding("benchmark.tokenizer.source", Kind.TOKENIZER_WITHOUT_FILES, {"volume": "service.volume"})
    return None


def where_to_look(seen: ObservedExperiment) -> str:
    """The advice where to look when an engine found no weights."""
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
