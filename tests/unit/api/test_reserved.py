"""Names that would break the operator are refused by the models and by the API server's rules, in the same words."""

from __future__ import annotations

from typing import Any

import cel
import pytest
from pydantic import TypeAdapter, ValidationError

from autotuner.api import crd
from autotuner.api.benchmark import BenchmarkPod
from autotuner.api.common import Model
from autotuner.api.experiment import Service
from autotuner.api.task import Placement
from autotuner.kubernetes_object import Object

LABELS = [
    "autotuner.io/experiment",
    "ome.io/inferenceservice",
    "batch.kubernetes.io/job-name",
    "job-name",
    "controller-uid",
    "kueue.x-k8s.io/queue-name",
    "argocd.argoproj.io/instance",
    "app.kubernetes.io/instance",
    "networking.knative.dev/visibility",
]
ANNOTATIONS = [
    "autotuner.io/withdrawn",
    "ome.io/deploymentMode",
    "argocd.argoproj.io/tracking-id",
    "kubectl.kubernetes.io/last-applied-configuration",
]
VARIABLES = ["AUTOTUNER_BENCHMARK", "AUTOTUNER_API_KEY", "HOME", "HF_TOKEN", "PYTHONPATH", "TERMINATION_LOG"]
ALLOWED: list[tuple[type[Model], Object]] = [
    (Placement, {"labels": {"app": "x", "cost-centre": "1", "sidecar.istio.io/inject": "false"}}),
    (
        Placement,
        {"annotations": {"kueue.x-k8s.io/podset-required-topology": "rack", "karpenter.sh/do-not-disrupt": ""}},
    ),
    (BenchmarkPod, {"labels": {"autotuner.io.example.com/x": "y"}}),
    (BenchmarkPod, {"env": [{"name": "HTTPS_PROXY", "value": "http://p"}, {"name": "HF_ENDPOINT"}]}),
]
REFUSED: list[tuple[type[Model], str, Any]] = [
    *((model, "labels", {"team": "a", key: "x"}) for key in LABELS for model in (Placement, BenchmarkPod)),
    *((model, "annotations", {key: "x"}) for key in ANNOTATIONS for model in (Placement, BenchmarkPod)),
    *((BenchmarkPod, "env", [{"name": "A"}, {"name": key, "value": "x"}]) for key in VARIABLES),
]


def rules(model: type[Model], field: str) -> list[Object]:
    found: list[Object] = crd.schema(model)["properties"][field].get("x-kubernetes-validations", [])
    return found


def holds(rule: Object, value: Any) -> bool:
    return bool(cel.evaluate(rule["rule"], {"self": value}))


@pytest.mark.parametrize(("model", "field", "value"), REFUSED, ids=[f"{m.__name__} {f} {v}" for m, f, v in REFUSED])
def test_is_refused_by_both_in_the_same_words(model: type[Model], field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as told:
        model.model_validate({field: value})

    (problem,) = told.value.errors()
    broken = [rule["message"] for rule in rules(model, field) if not holds(rule, value)]
    assert problem["loc"] == (field,)
    assert [problem["msg"].removeprefix("Value error, ")] == broken


@pytest.mark.parametrize(("model", "given"), ALLOWED)
def test_what_breaks_nothing_is_allowed(model: type[Model], given: Object) -> None:
    TypeAdapter(model).validate_python(given)
    for field, value in given.items():
        assert all(holds(rule, value) for rule in rules(model, field))


def test_an_experiment_is_held_to_the_same() -> None:
    for field in ("labels", "annotations"):
        assert rules(Service, field) == rules(Placement, field)
