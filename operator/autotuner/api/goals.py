"""Objectives and SLOs: what a task optimises, and the limits that its result must keep."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema

from autotuner.api import quantity
from autotuner.api.common import (
    ATOMIC,
    Concurrency,
    DerivedMetric,
    LatencyMetric,
    Model,
    Rate,
    ShareMetric,
    Statistic,
    Switch,
    ThroughputMetric,
    cel,
    or_absent,
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
        " self.metric in ['ErrorRate', 'Attainment'] ? '%$' :"
        " self.metric in ['RequestThroughput', 'Goodput'] ? 'req/s$' : 'tok/s$'))",
        "write a number and the metric's unit: ms or s for TTFT, TPOT and E2ELatency, % for ErrorRate and Attainment,"
        " req/s for RequestThroughput and Goodput, tok/s for the other throughputs (for example 500ms)",
    ),
    cel(
        "(has(self.enforcement) && self.enforcement == 'Soft') || (!has(self.weight) && !has(self.steepness))",
        "weight and steepness go with enforcement: Soft only; a Hard promise is kept or broken",
    ),
    cel(
        "!has(self.perRequest) || !self.perRequest || (self.metric in ['TTFT', 'TPOT', 'E2ELatency'] && has(self.max)"
        " && !has(self.statistic) && (!has(self.enforcement) || self.enforcement == 'Hard'))",
        "goes with the max of TTFT, TPOT or E2ELatency, without statistic or enforcement: a request keeps it or not",
        fieldPath=".perRequest",
    ),
)
_OPTIONAL = ("statistic", "max", "min", "weight", "steepness")
SOFT_WEIGHT = 1.0
SOFT_STEEPNESS = 0.1


class Slo(Model):
    """A service level objective: a limit that a figure must keep."""

    model_config = ConfigDict(json_schema_extra=_SLO_RULES)

    metric: Literal[LatencyMetric, "ErrorRate", ShareMetric, ThroughputMetric] = Field(
        description=(
            "The figure that the limit is for. TTFT: time to first token; TPOT: time per output token after the first;"
            " E2ELatency: time from the request to its last token; ErrorRate: the share of failed requests; Goodput:"
            " the requests per second that keep every SLO marked perRequest; Attainment: their share of all requests."
        )
    )
    statistic: Statistic | None = Field(
        default=None, description="The statistic of a latency that must keep the limit; P99 if absent."
    )
    max: Quantity | None = Field(
        default=None, description="The highest value allowed, with its unit, for example 500ms or 1%."
    )
    min: Quantity | None = Field(
        default=None, description="The lowest value allowed, with its unit, for example 900tok/s."
    )
    per_request: Switch | None = Field(
        default=None,
        description=(
            "true: a limit of each single request, which Goodput and Attainment count; levels are judged by those"
            " two and not by this limit. Absent: false."
        ),
    )
    enforcement: Literal["Hard", "Soft"] = Field(
        default="Hard",
        description=(
            "Hard (if absent): a level that breaks the SLO does not count. Soft: it counts with a worse value; the"
            " further it is beyond the limit, the worse."
        ),
    )
    weight: Annotated[float, Field(ge=0.01, le=100)] | None = Field(
        default=None,
        description=(
            "How much breaking a Soft SLO costs; 1 if absent. If the limit is broken by the share v (0.1 is ten per"
            " cent), the value counts as worse by the factor 1 + weight * (exp(min(v, 1) / steepness) - 1)."
        ),
    )
    steepness: Annotated[float, Field(ge=0.02, le=10)] | None = Field(
        default=None,
        description=(
            "How fast the cost of a broken Soft SLO grows with the share by which it is broken; 0.1 if absent. The"
            " smaller, the faster."
        ),
    )


SLOS_MAX = 10
SLO_TEXTS = (
    "x.metric",
    or_absent("enforcement", "Hard"),
    or_absent("perRequest", "false"),
    *map(or_absent, _OPTIONAL),
)
Slos = Annotated[list[Slo], Field(max_length=SLOS_MAX, json_schema_extra=ATOMIC)]


class Objective(Model):
    """A figure to optimise. The search maximises throughput, users and rate, and minimises latency and cost."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.metric in ['TTFT', 'TPOT', 'E2ELatency'] || (!has(self.statistic) &&"
                " (self.metric == 'Attainment' || (!has(self.concurrency) && !has(self.rate))))",
                "statistic goes with TTFT, TPOT and E2ELatency only, concurrency and rate with these and Attainment;"
                " the other objectives are those of their best level",
            ),
            cel("!has(self.concurrency) || !has(self.rate)", "give concurrency or rate, not both"),
        )
    )

    metric: Literal[ThroughputMetric, LatencyMetric, ShareMetric, DerivedMetric] = Field(
        description=(
            "The figure to optimise. CostPerMillionTokens is the cost of a million output tokens and needs"
            " gpuHourPrice. MaxConcurrency is the highest number of users, and MaxRequestRate the highest rate, within"
            " the hard SLOs; they need one with max. Goodput is the requests per second, and Attainment the share of"
            " requests, that keep every SLO marked perRequest."
        )
    )
    statistic: Statistic | None = Field(
        default=None, description="The statistic of a latency to optimise; P99 if absent."
    )
    concurrency: Concurrency | None = Field(
        default=None,
        description=(
            "The concurrency at which a latency or Attainment is judged; the highest in benchmark.concurrency if"
            " absent."
        ),
    )
    rate: Rate | None = Field(
        default=None,
        description=(
            "The requests per second at which a latency or Attainment is judged; the highest in benchmark.rates if"
            " absent."
        ),
    )

    @property
    def offered(self) -> float | None:
        """What is offered where it is judged: users, or requests per second; None for the most of the ladder."""
        return self.rate or self.concurrency
