"""Drift: whether figures are still of the deployment that experiment 0 measured; those of two are never mixed."""

from __future__ import annotations

from autotuner.api.experiment import ExperimentStatus
from autotuner.hashing import digest
from autotuner.kubernetes_object import Object, content
from autotuner.policy.experiment.fingerprint import image_digest

_ADVICE = "figures of two deployments cannot be compared"


def difference(first: ExperimentStatus, other: ExperimentStatus) -> str:
    """The property in which an experiment differs from the baseline that counts; empty if there is none.

    What one of the two does not know, since its engine never got so far, differs in nothing.
    """
    for what in ("model", "runtime"):
        if first.hashes and other.hashes and getattr(first.hashes, what) != getattr(other.hashes, what):
            return f"was deployed from another spec of the {what}"
    if first.image_id and other.image_id and image_digest(first.image_id) != image_digest(other.image_id):
        return f"ran the image {other.image_id} instead of {first.image_id}"
    here, there = other.accelerator_product, first.accelerator_product
    if here and there and here != there:
        return f"ran on {here} instead of {there}"
    read, expected = ({one.scenario: one.digest for one in status.traces or ()} for status in (other, first))
    if changed := [name for name in read if name in expected and read[name] != expected[name]]:
        return f"read other requests from the trace of scenario {changed[0]} than those"
    if other.node and first.node and other.accelerator_sharing != first.accelerator_sharing:
        return f"ran on {_shared(other)} instead of {_shared(first)}"
    return ""


def _shared(status: ExperimentStatus) -> str:
    sharing = status.accelerator_sharing
    return f"shared accelerators ({sharing})" if sharing else "accelerators of its own"


def explanation(name: str, difference: str, baseline: str) -> str:
    """The sentence about an experiment that differs, and what to do about it."""
    advice = "create a new TuningTask"
    if "image" in difference:
        advice = "name the image by its digest, which never changes, and create a new TuningTask"
    elif "ran on" in difference:
        advice = "choose one kind of accelerator with placement.nodeSelector in a new TuningTask"
    return f"{name} {difference}, which the baseline {baseline} measured: {_ADVICE}; {advice}"


def target_changed(what: str, baseline: str) -> str:
    """What to say of a target that is not any more what the baseline is a copy of."""
    return f"{what} was changed since the baseline {baseline} was made of it: {_ADVICE}; create a new TuningTask"


def changed_object(first: ExperimentStatus, baseline: str, model: Object | None, runtime: Object | None) -> str:
    """The live object that is not what the baseline was deployed from; empty if model and runtime both still are.

    Args:
        first: the baseline's status.
        baseline: its name.
        model: live; None: it is missing, which is another matter.
        runtime: as the model.
    """
    for what, live in (("model", model), ("runtime", runtime)):
        if first.hashes and live is not None and digest(content(live), 32) != getattr(first.hashes, what):
            return (
                f"{live['kind']} {live['metadata']['name']} was changed since the baseline {baseline} was deployed:"
                f" {_ADVICE}; create a new TuningTask"
            )
    return ""
