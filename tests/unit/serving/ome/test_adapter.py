"""What OME adds to the contract beyond its modules."""

from __future__ import annotations

import pytest

from autotuner.api.experiment import ExperimentSpec, Service
from autotuner.kubernetes_object import Object
from autotuner.serving import pods
from autotuner.serving.ome.adapter import Ome
from tests.unit.builders import make_experiment, make_model, make_pod

EXPERIMENT = make_experiment()
SERVICE: Service = ExperimentSpec.model_validate(EXPERIMENT["spec"]).service


def test_an_engine_answers_at_the_service_that_ome_makes() -> None:
    endpoint = Ome().endpoint(EXPERIMENT, pods.view(make_pod(), "ome-container"))

    assert str(endpoint) == "http://chat-1-engine.team.svc.cluster.local:8080"


def test_the_deployment_of_the_engine_explains_why_there_is_no_pod() -> None:
    assert [(resource.kind, name) for resource, name in Ome().related(EXPERIMENT)] == [("Deployment", "chat-1-engine")]


@pytest.mark.parametrize(
    ("model", "want"),
    [
        (make_model(), ""),
        (
            None,
            "ClusterBaseModel llama was deleted, and OME cannot let go of an InferenceService without its model:"
            " re-create it",
        ),
    ],
    ids=["there", "gone"],
)
def test_a_release_that_waits_for_the_model_is_told(model: Object | None, want: str) -> None:
    assert Ome().release_advice(SERVICE, model) == want


@pytest.mark.parametrize(
    ("storage", "lacks"), [({"storageUri": "hf://a/b"}, False), ({"path": "/m"}, True), ({}, True)]
)
def test_a_model_needs_an_address(storage: Object, lacks: bool) -> None:
    assert bool(Ome().incomplete({"storage": storage})) is lacks
