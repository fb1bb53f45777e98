"""Which differences of two experiments keep their figures from being compared."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.experiment import ExperimentSpec, Hashes, TraceSummary
from autotuner.policy.experiment.fingerprint import fingerprint
from tests.unit.builders import make_experiment

HASHES = Hashes(model="a" * 32, runtime="b" * 32)


def mark(**spec: Any) -> str:
    read = ExperimentSpec.model_validate(make_experiment(**spec)["spec"])
    return fingerprint(read, HASHES, "sha256:1", "H100")


def pod(**fields: Any) -> Any:
    return {"benchmark": {"pod": fields}}


@pytest.mark.parametrize(
    ("spec", "comparable"),
    [
        (pod(labels={"team": "b"}), True),
        (pod(annotations={"team": "b"}), True),
        (pod(imagePullSecrets=[{"name": "x"}]), True),
        (pod(priorityClassName="low"), True),
        (pod(securityContext="Platform"), True),
        (pod(nodeSelector={"pool": "x"}), True),
        (pod(image="other:2"), False),
        (pod(resources={"limits": {"cpu": "1"}}), False),
        (pod(env=[{"name": "X", "value": "1"}]), False),
        ({"service": {"labels": {"cost": "1"}, "apiKeySecret": {"name": "a", "key": "b"}}}, True),
        ({"service": {"servedModelName": "lora-a"}}, False),
        ({"benchmark": {"seed": "other"}}, True),
    ],
)
def test_what_may_change_the_figures_is_in_it(spec: Any, comparable: bool) -> None:
    assert (mark(**spec) == mark()) is comparable


def test_the_content_of_a_trace_is_in_it() -> None:
    def with_trace(digest: str) -> str:
        read = ExperimentSpec.model_validate(make_experiment()["spec"])
        trace = TraceSummary(
            scenario="day", requests=9, output_tokens_mean=2.5, output_tokens_max=4, digest=digest * 32
        )
        return fingerprint(read, HASHES, "sha256:1", "H100", None, [trace])

    assert with_trace("3") == with_trace("3") != with_trace("4")
    assert mark() not in (with_trace("3"), with_trace("4"))
