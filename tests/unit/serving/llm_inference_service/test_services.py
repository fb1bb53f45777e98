"""What the backend for LLMInferenceServices tells of itself, and of a release that hangs."""

from __future__ import annotations

import pytest

from autotuner.serving.backend import EngineTemplate
from tests.unit.serving.llm_inference_service.made_up_service import BACKEND, data_of, served


def test_its_runtimes_are_snapshots_and_it_has_no_models() -> None:
    known = BACKEND.capabilities
    assert (known.snapshots, known.replaces_arguments, dict(known.models)) == (True, True, {})
    assert known.root.plural == "llminferenceservices"
    assert list(known.references) == ["ControllerRevision"]


def test_kserve_makes_all_that_an_engine_needs() -> None:
    body, service = served()
    root = BACKEND.render(body, service, {"data": data_of()})
    assert BACKEND.companions(body, service, root) == ()
    assert BACKEND.container(service) == "main"


def test_nothing_is_known_of_the_engine_of_a_target_that_cannot_be_read() -> None:
    assert BACKEND.engine_template({"engineConfig": {}}) == BACKEND.engine_template(None) == EngineTemplate()


@pytest.mark.parametrize(
    ("finalizers", "advice"),
    [
        (["serving.kserve.io/llmisvc-finalizer", "foregroundDeletion"], "is Deployment llmisvc-controller-manager"),
        (["foregroundDeletion"], ""),
        (None, ""),
    ],
)
def test_a_finalizer_that_stays_is_its_controllers(finalizers: list[str] | None, advice: str) -> None:
    _, service = served()
    told = BACKEND.release_advice(service, {"metadata": {"finalizers": finalizers}}, None)
    assert (advice in told, bool(told)) == (True, bool(advice))
