"""The InferenceService that serves what won: what was measured, without what only an experiment needs."""

from __future__ import annotations

from autotuner.objects import Object
from autotuner.policy.evidence.measurements import Measured
from autotuner.serving.ome import inference_service

# Of one engine that is measured alone and thrown away; a service that stays has OME's own defaults.
_OF_EXPERIMENTS = ("minReplicas", "maxReplicas", "terminationGracePeriodSeconds")
_AUTOSCALER = "ome.io/autoscalerClass"


def of_winner(winner: Measured, name: str) -> Object:
    """The winner's InferenceService, ready to apply: no label, annotation or owner of ours.

    It asks for the accelerator product that was measured: on another one the same flags may be slow, or not fit.
    """
    body = inference_service.inference_service(winner.object, winner.spec.service)
    meta, engine = body["metadata"], body["spec"]["engine"]
    meta["name"] = name
    for key in ("labels", "ownerReferences"):
        del meta[key]
    del meta["annotations"][_AUTOSCALER]
    for key in _OF_EXPERIMENTS:
        del engine[key]
    return body
