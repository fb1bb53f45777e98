"""Small builders with defaults, so that a test states only what it is about."""

from __future__ import annotations

from autotuner.api.benchmark import Scenario, Slo
from autotuner.api.common import LatencyMetric, Statistic, ThroughputMetric
from autotuner.api.experiment import Distribution, Level
from autotuner.api.task import Objective, SearchParameter


def make_distribution(p99: float, mean: float | None = None) -> Distribution:
    """A latency in seconds of which only P99, and perhaps the mean, matter."""
    mean = p99 / 2 if mean is None else mean
    return Distribution(mean=mean, p50=mean, p90=(mean + p99) / 2, p95=(mean + 3 * p99) / 4, p99=p99)


def make_level(
    concurrency: int = 8,
    *,
    scenario: str = "chat",
    throughput: float = 1000.0,
    ttft: float = 0.2,
    tpot: float | None = 0.01,
    e2e: float = 2.0,
    requests: int = 100,
    errors: int = 0,
) -> Level:
    """A level; latencies are P99 in seconds."""
    return Level(
        scenario=scenario,
        concurrency=concurrency,
        requests=requests,
        errors=errors,
        duration_seconds=60.0,
        output_tokens_per_second=throughput,
        total_tokens_per_second=throughput * 5,
        requests_per_second=throughput / 250,
        ttft_seconds=make_distribution(ttft),
        tpot_seconds=None if tpot is None else make_distribution(tpot),
        e2e_latency_seconds=make_distribution(e2e),
        output_tokens_mean=250.0,
    )


def make_scenario(name: str = "chat", weight: float = 1.0) -> Scenario:
    return Scenario(name=name, load="D(100,250)", weight=weight)


def make_slo(metric: str = "TTFT", statistic: Statistic | None = None, **limit: str) -> Slo:
    """An SLO, for example make_slo("TTFT", max="500ms")."""
    return Slo.model_validate({"metric": metric, "statistic": statistic, **(limit or {"max": "500ms"})})


def make_objective(
    metric: ThroughputMetric | LatencyMetric = "OutputThroughput",
    statistic: Statistic | None = None,
    concurrency: int | None = None,
) -> Objective:
    return Objective(metric=metric, statistic=statistic, concurrency=concurrency)


def make_parameters(**values: list[int] | list[float] | list[str] | bool) -> list[SearchParameter]:
    """Search parameters: numbers, strings, or True for a toggle; `tp_size=[1, 2]` is called tp-size."""
    return [_parameter(name.replace("_", "-"), given) for name, given in values.items()]


def _parameter(name: str, given: list[int] | list[float] | list[str] | bool) -> SearchParameter:
    if isinstance(given, bool):
        return SearchParameter(name=name, toggle=True)
    kind = "choices" if isinstance(given[0], str) else "values"
    return SearchParameter.model_validate({"name": name, kind: given})
