from __future__ import annotations

import pytest

from autotuner.api.experiment import Distribution, Level
from autotuner.benchmark.ladder import broken_ceiling, ladder_top
from autotuner.benchmark.spec import Slo

CEILING = Slo(metric="TTFT", max=0.5)


def level(concurrency: int = 8, ttft: float = 0.1, scenario: str = "chat", errors: int = 0) -> Level:
    flat = Distribution(mean=ttft, p50=ttft, p90=ttft, p95=ttft, p99=ttft)
    return Level(
        scenario=scenario,
        concurrency=concurrency,
        requests=100,
        errors=errors,
        duration_seconds=10,
        output_tokens_per_second=100,
        total_tokens_per_second=200,
        requests_per_second=5,
        ttft_seconds=flat,
        e2e_latency_seconds=flat,
        output_tokens_mean=20,
    )


@pytest.mark.parametrize(
    ("slo", "broken"),
    [
        (Slo(metric="TTFT", max=0.5), True),
        (Slo(metric="TTFT", statistic="Mean", max=0.9), False),
        (Slo(metric="E2ELatency", statistic="P50", max=0.7), True),
        (Slo(metric="TPOT", max=0.001), False),
        (Slo(metric="ErrorRate", max=0.01), True),
        (Slo(metric="ErrorRate", max=0.1), False),
        (Slo(metric="OutputThroughput", min=1e6), False),
    ],
)
def test_only_ceilings_that_were_measured_break(slo: Slo, broken: bool) -> None:
    assert (broken_ceiling(level(ttft=0.8, errors=5), [slo]) is not None) is broken


@pytest.mark.parametrize(
    ("levels", "top"),
    [
        ([level(1, 0.1), level(8, 0.2)], None),
        ([level(1, 0.9)], None),
        ([level(1, 0.9), level(8, 0.2)], None),
        ([level(1, 0.9), level(8, 0.9)], 8),
        ([level(1, 0.1), level(8, 0.2), level(32, 0.9)], 32),
        ([level(1, 0.1), level(8, 0.9), level(1, 0.1, "long"), level(8, 0.1, "long")], 8),
        ([level(1), level(32, 0.9), level(1, 0.1, "long"), level(8, 0.9, "long")], 8),
    ],
    ids=["all kept", "first alone", "cold start", "second too", "third", "binds other scenarios", "lowest counts"],
)
def test_where_the_ladder_ends(levels: list[Level], top: int | None) -> None:
    found = ladder_top(levels, [CEILING])
    assert (found[0] if found else None) == top


def test_the_reason_names_figure_limit_and_level() -> None:
    found = ladder_top([level(1), level(8, 0.9)], [CEILING])
    assert found is not None
    assert found[1] == "TTFT P99 0.9 is above 0.5 (chat at concurrency 8)"
