"""What people say on a command line, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from autotuner.policy.proposal import wishes

MEANT: list[tuple[Callable[[str], Any], str, Any]] = [
    (wishes.scenario, "chat", {"name": "chat", "load": "N(1024,256)/(256,64)"}),
    (wishes.scenario, "U(1,9)/(1,9)", {"name": "traffic", "load": "U(1,9)/(1,9)"}),
    (wishes.scenario, "mail=D(100,20)", {"name": "mail", "load": "D(100,20)"}),
    (wishes.users, "32, 8,8", [8, 32]),
    (wishes.slo, "TTFT:P99=500ms", {"metric": "TTFT", "statistic": "P99", "max": "500ms"}),
    (wishes.slo, "ttft=1s", {"metric": "TTFT", "statistic": "P99", "max": "1s"}),
    (wishes.slo, "e2elatency:mean=5s", {"metric": "E2ELatency", "statistic": "Mean", "max": "5s"}),
    (wishes.slo, "ErrorRate=1%", {"metric": "ErrorRate", "max": "1%"}),
    (wishes.slo, "OutputThroughput=900tok/s", {"metric": "OutputThroughput", "min": "900tok/s"}),
    (wishes.objective, "TPOT:p95", {"metric": "TPOT", "statistic": "P95"}),
    (wishes.objective, "MaxConcurrency", {"metric": "MaxConcurrency"}),
    (wishes.secret, "keys/token", {"name": "keys", "key": "token"}),
]
NOT_MEANT: list[tuple[Callable[[str], Any], str, str]] = [
    (wishes.scenario, "chatty", "write one of chat, rag, code, reasoning, or a load such as"),
    (wishes.scenario, "A B=D(1,2)", "is no traffic"),
    (wishes.users, "8,many", "write whole numbers, for example 8,16,32"),
    (wishes.users, "0", "is no ladder of users"),
    (wishes.slo, "TTFT", "write METRIC:STATISTIC=LIMIT"),
    (wishes.slo, "TTFT:P42=1s", "is no SLO"),
    (wishes.slo, "ErrorRate:P99=1%", "is no SLO"),
    (wishes.slo, "Speed=1", "the metrics are TTFT, TPOT, E2ELatency, ErrorRate"),
    (wishes.objective, "speed", "is no objective: write one of OutputThroughput"),
    (wishes.secret, "keys", "write NAME/KEY"),
]


@pytest.mark.parametrize(("read", "text", "meant"), MEANT)
def test_a_text_means_a_part_of_a_task(read: Callable[[str], Any], text: str, meant: Any) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(("read", "text", "way_out"), NOT_MEANT)
def test_what_means_nothing_is_told_with_the_way_out(read: Callable[[str], Any], text: str, way_out: str) -> None:
    with pytest.raises(ValueError) as caught:
        read(text)
    assert way_out in str(caught.value)


def test_the_default_limits_are_limits() -> None:
    assert [wishes.slo(one)["metric"] for one in wishes.SLOS] == ["TTFT", "TPOT", "ErrorRate"]


def test_each_level_of_the_default_ladder_has_at_most_twice_as_many_users() -> None:
    assert all(after <= 2 * before for before, after in zip(wishes.LADDER, wishes.LADDER[1:], strict=False))
