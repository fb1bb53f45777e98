"""What to reach and what to keep: objectives and SLOs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema

from autotuner.api import quantity
from autotuner.api.common import (
    ATOMIC,
    Concurrency,
    LatencyMetric,
    Model,
    Statistic,
    ThroughputMetric,
    cel,
    rules,
)

# The API server sees the pattern in the rule about units below: one mistake, one message.
Quantity = Annotated[
    str,
    StringConstraints(pattern=quantity.PATTERN, max_length=24),
    WithJsonSchema({"type": "string", "maxLength": 24}),
]
_SLO_RULES = rules(
    cel("has(self.max) != has(self.min)", "give exactly one of max and min"),
    cel(
        "!has(self.statistic) || self.metric in ['TTFT', 'TPOT', 'E2ELatency']",
        "only with TTFT, TPOT and E2ELatency",
        fieldPath=".statistic",
    ),
    cel(
        "has(self.max) == has(self.min) || (has(self.max) ? self.max : self.min).matches("
        f"r'{quantity.NUMBER_PATTERN}' + (self.metric in ['TTFT', 'TPOT', 'E2ELatency'] ? '(ms|s)$' :"
        " self.metric == 'ErrorRate' ? '%$' : self.metric == 'RequestThroughput' ? 'req/s$' : 'tok/s$'))",
        "write a number and the metric's unit: ms or s for TTFT, TPOT and E2ELatency, % for ErrorRate,"
        " req/s for RequestThroughput, tok/s for the other throughputs (for example 500ms)",
    ),
)


class Slo(Model):
    """A promise that every level counted must keep."""

    model_config = ConfigDict(json_schema_extra=_SLO_RULES)

    metric: Literal[LatencyMetric, "ErrorRate", ThroughputMetric]
    statistic: Statistic | None = Field(default=None, description="Of a latency; P99 if absent.")
    max: Quantity | None = Field(default=None, description="A ceiling with its unit, for example 500ms or 1%.")
    min: Quantity | None = Field(default=None, description="A floor with its unit, for example 900tok/s.")


Slos = Annotated[list[Slo], Field(max_length=10, json_schema_extra=ATOMIC)]


class Objective(Model):
    """What to make as good as possible: throughput is maximised, latency minimised."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.metric in ['TTFT', 'TPOT', 'E2ELatency'] || (!has(self.statistic) && !has(self.concurrency))",
                "statistic and concurrency go with TTFT, TPOT and E2ELatency only;"
                " a throughput is that of its best level",
            )
        )
    )

    metric: Literal[ThroughputMetric, LatencyMetric]
    statistic: Statistic | None = Field(default=None, description="Of a latency; P99 if absent.")
    concurrency: Concurrency | None = Field(
        default=None, description="The level at which a latency is judged; the highest of the ladder if absent."
    )
