"""What OME adds to the contract beyond its modules."""

from __future__ import annotations

import pytest

from autotuner.api.experiment import ExperimentSpec, Service
from autotuner.kubernetes_object import Object
from autotuner.serving import pods
from autotuner.serving.ome.adapter import Ome
from tests.unit.builders import make_experiment, make_isvc, make_model, make_pod, merged

EXPERIMENT = make_experiment()
SERVICE: Service = ExperimentSpec.model_validate(EXPERIMENT["spec"]).service


def test_an_engine_answers_at_the_service_that_ome_makes() -> None:
    endpoint = Ome().endpoint(EXPERIMENT, pods.view(make_pod(), "ome-container"))

    assert str(endpoint) == "http://chat-1-engine.team.svc:8080"


def test_the_deployment_of_the_engine_explains_why_there_is_no_pod() -> None:
    assert [(one.resource.kind, one.name) for one in Ome().related(EXPERIMENT)] == [("Deployment", "chat-1-engine")]


@pytest.mark.parametrize(
    ("finalizers", "model", "want"),
    [
        (["foregroundDeletion"], make_model(), ""),
        (["foregroundDeletion"], None, ""),
        (
            ["inferenceservice.finalizers", "foregroundDeletion"],
            make_model(),
            "OME's controller has not removed its finalizer inferenceservice.finalizers: is Deployment"
            " ome-controller-manager in namespace ome running?",
        ),
        (
            ["inferenceservice.finalizers"],
            None,
            "ClusterBaseModel llama was deleted, and OME cannot let go of an InferenceService without its model:"
            " re-create it",
        ),
    ],
    ids=["let go", "let go without its model", "OME is away", "the model is missing"],
)
def test_a_release_that_waits_for_ome_is_told_why(finalizers: list[str], model: Object | None, want: str) -> None:
    root = merged(make_isvc(), {"metadata": {"finalizers": finalizers}})

    assert Ome().release_advice(SERVICE, root, model) == want


@pytest.mark.parametrize(
    ("storage", "lacks"), [({"storageUri": "hf://a/b"}, False), ({"path": "/m"}, True), ({}, True)]
)
def test_a_model_needs_an_address(storage: Object, lacks: bool) -> None:
    assert bool(Ome().incomplete({"storage": storage})) is lacks
