"""The engine's advice as configurations of a space: at most two, and only what the rules allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autotuner.api.common import EngineName
from autotuner.api.parameters import Constraint, SearchParameter
from autotuner.engines import get
from autotuner.search.advised_starts import advised
from autotuner.search.space.space import Space

PARAMETERS: tuple[dict[str, Any], ...] = (
    {"name": "tp-size", "values": [1, 2, 4, 8]},
    {"name": "mem-fraction-static", "values": [0.8, 0.85, 0.9]},
    {"name": "chunked-prefill-size", "values": [2048, 4096], "allowUnset": True},
    {"name": "page-size", "values": [1, 16, 64]},
)


def over(*rules: str, engine: EngineName = "SGLang", parameters: Sequence[dict[str, Any]] = PARAMETERS) -> Space:
    return Space.over(
        [SearchParameter.model_validate(one) for one in parameters],
        [Constraint(rule=rule) for rule in rules],
        engine=engine,
    )


def test_throughput_begins_at_the_two_smallest_degrees() -> None:
    usual = {"mem-fraction-static": 0.9, "chunked-prefill-size": 4096, "page-size": 16}
    found = advised(over(), get("SGLang"), "throughput")
    assert [dict(one) for one in found] == [{"tp-size": 1, **usual}, {"tp-size": 2, **usual}]


def test_latency_begins_at_the_two_largest() -> None:
    assert [one["tp-size"] for one in advised(over(), get("SGLang"), "latency")] == [8, 4]


def test_degrees_that_rules_forbid_are_passed_over() -> None:
    found = advised(over("p.tp_size >= 4"), get("SGLang"), "throughput")
    assert [one["tp-size"] for one in found] == [4, 8]


def test_advice_that_rules_forbid_together_is_kept_as_far_as_they_allow() -> None:
    space = over("p.tp_size > 1 || p.mem_fraction_static < 0.85")
    assert all(
        space.settle(space.places(one)) == space.places(one) for one in advised(space, get("SGLang"), "throughput")
    )


def test_one_possible_configuration_is_advised_once() -> None:
    space = over("p.tp_size == 2", "p.mem_fraction_static == 0.8", "p.page_size == 1", "!has(p.chunked_prefill_size)")
    assert [dict(one) for one in advised(space, get("SGLang"), "throughput")] == [
        {"tp-size": 2, "mem-fraction-static": 0.8, "page-size": 1}
    ]


def test_another_engine_has_no_advice() -> None:
    parameters = [{"name": "batch", "values": [1, 2]}]
    assert advised(over(engine="Custom", parameters=parameters), get("Custom"), "slo") == []


def test_an_empty_space_has_no_advice() -> None:
    assert advised(over("false"), get("SGLang"), "throughput") == []
