"""Whether prompts and answers fit into the context that an engine is started with."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.traffic_scenarios import Scenario
from autotuner.backend_choice import DEFAULT as OME
from autotuner.kubernetes_object import Object
from autotuner.policy.preflight import Surroundings, check, context, space, warnings
from autotuner.validation_messages import Finding, Kind
from tests.unit.task_builders import live_model, make_spec, shipped

VLLM: Object = {"runtime": {"preset": "simulated-vllm"}}
SEARCHED = [{"name": "max-num-seqs", "values": [8, 16]}]
FIELD = "benchmark.scenarios[chat].load"


@pytest.mark.parametrize(
    ("load", "tokens"),
    [
        ("D(1000,250)", (1250, 1250)),
        ("N(1000,100)/(250,50)", (1250, 1550)),
        ("U(10,1000)/(20,250)", (1250, 1250)),
        ("U(1000,250)", (1250, 1250)),
    ],
)
def test_the_tokens_of_a_load(load: str, tokens: tuple[int, int]) -> None:
    assert context.of_load(load) == tokens


@pytest.mark.parametrize(
    ("more", "tokens"),
    [
        ({}, (1250, 1550)),
        ({"prefix": {"tokens": 500}}, (1750, 2050)),
        ({"prefix": {"tokens": 500}, "turns": {"count": 3}}, (4250, 4550)),
    ],
)
def test_the_longest_request_of_a_scenario(more: Object, tokens: tuple[int, int]) -> None:
    scenario = Scenario.model_validate({"name": "chat", "load": "N(1000,100)/(250,50)", **more})
    assert context.of_scenario(scenario) == tokens


def test_nobody_knows_the_requests_of_a_trace() -> None:
    trace = {"format": "Azure", "configMap": "traces", "path": "a"}
    scenario = {"name": "chat", "trace": trace}
    assert context.of_scenario(Scenario.model_validate(scenario)) is None
    assert context.longest_request(make_spec(benchmark={"scenarios": [scenario], "concurrency": None})) == 0


def found(load: str, extra: list[str], **changes: Any) -> tuple[list[Finding], list[Finding]]:
    """What is wrong and what may mislead of a task for vLLM."""
    spec = make_spec(
        **{
            "runtime": {"preset": "simulated-vllm", "extraArgs": extra},
            "baseline": None,
            "parameters": SEARCHED,
            "benchmark": {"scenarios": [{"name": "chat", "load": load}]},
            **changes,
        }
    )
    around = Surroundings(OME, model=changes.get("live", live_model()), runtime=None)
    return check(spec, shipped(), around), [one for one in warnings(spec, shipped(), around) if one.field == FIELD]


@pytest.mark.parametrize(
    ("load", "extra", "problems", "misleading"),
    [
        ("D(1000,250)", ["--max-model-len=1024"], [Kind.REQUESTS_TOO_LONG], []),
        ("D(1000,250)", ["--max-model-len=1k"], [Kind.REQUESTS_TOO_LONG], []),
        ("D(1000,24)", ["--max-model-len=1K"], [], []),
        ("N(900,50)/(100,10)", ["--max-model-len=1024"], [], [Kind.SOME_REQUESTS_TOO_LONG]),
        ("N(900,100)/(200,10)", ["--max-model-len=1024"], [Kind.REQUESTS_TOO_LONG], []),
        ("U(10,900)/(10,200)", ["--max-model-len=1024"], [Kind.REQUESTS_TOO_LONG], []),
        ("D(1000,250)", ["--max-model-len=auto"], [], []),
        ("D(1000,250)", ["--max-model-len=-1"], [], []),
        ("D(1000,250)", [], [], []),
        ("D(131000,250)", [], [], [Kind.REQUESTS_BEYOND_MODEL]),
    ],
)
def test_a_fixed_context_holds_the_requests(
    load: str, extra: list[str], problems: list[Kind], misleading: list[Kind]
) -> None:
    wrong, doubtful = found(load, extra)

    assert [one.kind for one in wrong] == problems
    assert [one.kind for one in doubtful] == misleading


def test_both_numbers_and_the_place_are_named() -> None:
    (finding,), _ = found("D(1000,250)", ["--max-model-len=1024"])

    assert finding.field == FIELD
    assert finding.details == {"tokens": 1250, "flag": "max-model-len", "limit": 1024, "where": "runtime.extraArgs"}


def test_the_baseline_is_looked_at_too() -> None:
    (finding,), _ = found("D(1000,250)", [], baseline={"args": ["--max-model-len=512"]})

    assert (finding.details["limit"], finding.details["where"]) == (512, "baseline.args")


@pytest.mark.parametrize(("lengths", "size"), [([512, 2048, 4096], 2), ([512, 1024], 0)])
def test_a_searched_context_is_ruled_out_where_it_is_too_short(lengths: list[int], size: int) -> None:
    spec = make_spec(
        **VLLM,
        baseline=None,
        parameters=[{"name": "max-model-len", "values": lengths}],
        benchmark={"scenarios": [{"name": "chat", "load": "D(1000,250)"}]},
    )
    around = Surroundings(OME, model=live_model(), runtime=None)

    assert space(spec, shipped(), around, "VLLM").size == size
    assert [one.kind for one in check(spec, shipped(), around)] == ([] if size else [Kind.SPACE_EMPTY])


def test_a_variant_may_set_its_own_context() -> None:
    wrong, _ = found(
        "D(1000,250)",
        [],
        runtime={
            "preset": "simulated-vllm",
            "overrides": {"engineConfig": {"runner": {"args": ["--max-model-len=512"]}}},
        },
        parameters=[
            {
                "name": "length",
                "variants": [
                    {"name": "short", "args": ["--max-model-len=2048"]},
                    {"name": "long", "args": ["--max-model-len=4096"]},
                ],
            }
        ],
    )

    assert wrong == []
