"""What a copy of a predictor keeps, and in words what it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from autotuner.kubernetes_object import Object
from autotuner.serving.kserve.predictor_fields import OLD_FORMS, Runtime, own_container, predictor_of
from autotuner.serving.kserve.resource_kinds import CONTAINER, STORAGE_SECRET
from autotuner.serving.target import pod_copy

# Of one engine that is measured alone: how many there are, and who else gets or sees its traffic.
_NOT_COPIED = (
    *("labels", "annotations", "minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType"),
    *("autoScaling", "canaryTrafficPercent", "containerConcurrency", "timeout", "batcher", "logger"),
    "deploymentStrategy",
)
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Of other tools, which would take the copy for what they look after.
_OTHERS = ("argocd.argoproj.io/", "meta.helm.sh/", "opendatahub.io/", "security.opendatahub.io/")
_SHARED_STORAGE = ("pvc://", "oci://")


class CopiedPredictor(NamedTuple):
    """What a copy has of the original.

    Attributes:
        predictor: without arguments.
        annotations: of the InferenceService.
        dropped: what it lacks besides labels, replicas and traffic, by field, in words for people.
    """

    predictor: Object
    annotations: dict[str, str]
    dropped: tuple[str, ...]


def copied(original: Mapping[str, Any], predictor: Mapping[str, Any], labels: Mapping[str, str]) -> CopiedPredictor:
    """The predictor and the annotations of a copy."""
    annotations = {**(original["metadata"].get("annotations") or {}), **(predictor.get("annotations") or {})}
    rest = {key: value for key, value in predictor.items() if key not in _NOT_COPIED}
    model = rest.pop("model", None)
    containers = [*(rest.pop("containers", None) or ()), *([{**model, "name": CONTAINER}] if model else ())]
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": {**rest, "containers": containers}}
    found = pod_copy.without_traffic(template)
    spec = found.template["spec"]
    if model:
        spec["model"] = {**spec["containers"].pop(), "name": model.get("name", "")}
    if not spec["containers"]:
        del spec["containers"]
    own_container(spec).pop("args", None)  # type: ignore[attr-defined]
    kept = {
        key: value
        for key, value in ((found.template.get("metadata") or {}).get("annotations") or {}).items()
        if not key.startswith(_OTHERS)
    }
    if STORAGE_SECRET in annotations:
        kept[STORAGE_SECRET] = annotations[STORAGE_SECRET]
    return CopiedPredictor(spec, kept, found.dropped)


def old_form(original: Mapping[str, Any]) -> str:
    """The field of the file that was applied last which is stored as `model`; empty if it has `model` itself."""
    text = (original["metadata"].get("annotations") or {}).get(_APPLIED) or "{}"
    try:
        applied = json.loads(text)
    except ValueError:
        return ""
    written = predictor_of(applied) if isinstance(applied, dict) else {}
    return next((form for form in OLD_FORMS if form in written), "")


def notes(
    original: Mapping[str, Any], predictor: Mapping[str, Any], runtime: Runtime, dropped: Sequence[str]
) -> Iterator[str]:
    """How a copy differs from the original, and what it costs."""
    model, spec = predictor.get("model") or {}, original["spec"]
    address = str(model.get("storageUri") or "")
    several = model.get("storage") or model.get("storageUris")
    if several or (address and not address.startswith(_SHARED_STORAGE)):
        source = address or "its storage"
        yield f"each experiment downloads the model anew from {source}; a claim (storageUri: pvc://) is shared by all"
    if model and not address and not several and (model.get("modelFormat") or {}).get("name") != "huggingface":
        yield "without a storageUri KServe puts an agent beside each engine, for which it waits too"
    others = [part for part in ("transformer", "explainer") if spec.get(part)]
    if others:
        yield f"copies have no {' and no '.join(others)}: the predictor alone is measured"
    labels = [f"{key}={value}" for key, value in (runtime.spec.get("labels") or {}).items()]
    if labels:
        yield f"{runtime} gives its labels to copies too: nothing of yours must select pods by {', '.join(labels)}"
    if dropped:
        yield f"copies have no {', '.join(dropped)}"
