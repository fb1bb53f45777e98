"""The traffic that an experiment is measured with, and its timeouts: both kinds of the API carry them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from autotuner.api.common import (
    ATOMIC,
    UNIQUE,
    Concurrency,
    Environment,
    EnvironmentVariable,
    ImageRef,
    LabelMap,
    Model,
    ObjectName,
    OwnAnnotations,
    OwnLabels,
    Rate,
    Reserved,
    ResourceMap,
    SecretKey,
    ShortName,
    Tolerations,
    cel,
    explained,
    list_map,
    rules,
)

LOAD_PATTERN = (
    r"^(D\([0-9]{1,6},[0-9]{1,6}\)"
    r"|N\([0-9]{1,6},[0-9]{1,6}\)/\([0-9]{1,6},[0-9]{1,6}\)"
    r"|U\([0-9]{1,6},[0-9]{1,6}\)(/\([0-9]{1,6},[0-9]{1,6}\))?)$"
)
LEVELS_MAX = 12
"""The most levels of a ladder, over all scenarios."""
LADDER_RULES = (
    cel(
        "[has(self.concurrency), has(self.concurrencySearch), has(self.rates), has(self.rateSearch)]"
        ".filter(x, x).size() == 1",
        "give exactly one of concurrency and concurrencySearch (users in a closed loop), rates and rateSearch (requests"
        " per second in an open loop)",
    ),
    cel(
        "(!has(self.concurrencySearch) && !has(self.rateSearch)) || self.scenarios.size() <= 3",
        "a search for the boundary measures at most 3 scenarios; give fewer, or a ladder",
        fieldPath=".scenarios",
    ),
    cel(
        "self.scenarios.size() * (has(self.concurrency) ? self.concurrency.size() :"
        " has(self.rates) ? self.rates.size() : 0) <= 12",
        "scenarios x concurrency or rates make more than 12 levels; measure fewer of one",
    ),
    cel(
        "!has(self.arrivals) || has(self.rates) || has(self.rateSearch)",
        "only with rates or rateSearch",
        fieldPath=".arrivals",
    ),
)
ArrivalProcess = Literal["Poisson", "Constant", "Gamma"]
Burstiness = Annotated[float, Field(ge=0.01, le=100, allow_inf_nan=False)]


_SET_BY_THE_BENCHMARK = "set by the benchmark itself; remove it"
_SET_BY_THE_LOAD = "the scenario's load says how long answers are; remove it"
_TEXT, _BOOLEAN = {"type": "string", "maxLength": 1024}, {"type": "boolean"}
_WHOLE = {"type": "integer", "minimum": 0, "maximum": 1_000_000_000}
_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
# Request parameters that the benchmark cannot be given, each with its schema and why: the runner reads streams and
# counts tokens, and a request that changes those would be measured wrongly, not differently.
_REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "model": (_TEXT, _SET_BY_THE_BENCHMARK),
    "messages": ({"type": "array", "items": _ANYTHING, "maxItems": 64, **ATOMIC}, _SET_BY_THE_BENCHMARK),
    "prompt": (_TEXT, _SET_BY_THE_BENCHMARK),
    "stream": (_BOOLEAN, _SET_BY_THE_BENCHMARK),
    "stream_options": (_ANYTHING, _SET_BY_THE_BENCHMARK),
    "n": (_WHOLE, _SET_BY_THE_BENCHMARK),
    "best_of": (_WHOLE, _SET_BY_THE_BENCHMARK),
    "max_tokens": (_WHOLE, _SET_BY_THE_LOAD),
    "max_completion_tokens": (_WHOLE, _SET_BY_THE_LOAD),
    "min_tokens": (_WHOLE, _SET_BY_THE_LOAD),
}
_IGNORE_EOS = "ignore_eos"
_ENDS_EARLY = "false would end answers early and make their lengths incomparable; remove it"


def refused_params(params: Mapping[str, Any]) -> dict[str, str]:
    """The request parameters that no benchmark can be given, each with why; the schemas of both kinds say the same."""
    refused = {name: why for name, (_, why) in _REFUSED.items() if params.get(name) is not None}
    return refused | ({_IGNORE_EOS: _ENDS_EARLY} if params.get(_IGNORE_EOS) is False else {})


_PARAMS_SCHEMA = {
    **_ANYTHING,
    "properties": {
        **{name: {**schema, "description": f"Refused: {why}."} for name, (schema, why) in _REFUSED.items()},
        _IGNORE_EOS: {**_BOOLEAN, "description": f"Only true, which is the default: {_ENDS_EARLY}."},
    },
    **rules(
        *(cel(f"!has(self.{name})", why, fieldPath=f".{name}") for name, (_, why) in _REFUSED.items()),
        cel(f"!has(self.{_IGNORE_EOS}) || self.{_IGNORE_EOS}", _ENDS_EARLY, fieldPath=f".{_IGNORE_EOS}"),
    ),
}
RequestParams = Annotated[dict[str, Any], WithJsonSchema(_PARAMS_SCHEMA)]


class Scenario(Model):
    """One kind of traffic: a distribution of prompt and output lengths."""

    name: ShortName = Field(description="The scenario's name in results and reports, for example chat.")
    load: Annotated[str, StringConstraints(pattern=LOAD_PATTERN, max_length=64)] = Field(
        json_schema_extra=explained("write N(mean,sd)/(mean,sd), U(min,max)/(min,max) or D(in,out)"),
        description=(
            "Input and output tokens of a request, as genai-bench writes them. N(1024,128)/(256,32) draws them from"
            " normal distributions (mean, standard deviation), U(min,max)/(min,max) from uniform ones. D(in,out) sends"
            " requests of one fixed size, which move in lock-step and bias TTFT at high concurrency."
        ),
    )
    weight: Annotated[float, Field(ge=0.01, le=1000)] = Field(
        default=1.0,
        description="The weight of this scenario in the objective, relative to the weights of the other scenarios.",
    )


class Tokenizer(Model):
    """The tokenizer with which the benchmark makes prompts and counts tokens."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "(self.source == 'Hub') == has(self.id)",
                "source Hub needs an id (for example meta-llama/Llama-3.2-1B-Instruct); the other sources take none",
                fieldPath=".id",
            ),
            cel(
                "!has(self.tokenSecret) || self.source == 'Hub'",
                "only with source Hub",
                fieldPath=".tokenSecret",
            ),
        ),
    )

    source: Literal["Hub", "ModelVolume", "Builtin"] = Field(
        description=(
            "Where the benchmark gets the tokenizer. Hub: it downloads the one with the given id. ModelVolume: it reads"
            " the model's own files, on the node or on the model's volume. Builtin: one token per byte, for the"
            " simulated engine only."
        )
    )
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="The repository on the Hugging Face hub, for example meta-llama/Llama-3.2-1B-Instruct.",
    )
    token_secret: SecretKey | None = Field(
        default=None, description="The Secret key that holds an access token of the hub; gated repositories need one."
    )


class Resources(Model):
    """The resources of the benchmark's container."""

    requests: ResourceMap | None = Field(default=None, description="Resources that the container requests.")
    limits: ResourceMap | None = Field(default=None, description="Resources that the container may use at most.")


class PullSecret(Model):
    """A Secret of the same namespace with which nodes pull images."""

    name: ObjectName = Field(description="The Secret's name.")


_RESERVED_VARIABLES = Reserved(
    ("AUTOTUNER_",),
    ("HOME", "HF_TOKEN", "PYTHONHOME", "PYTHONPATH", "TERMINATION_LOG"),
    "AUTOTUNER_*, HOME, HF_TOKEN, PYTHONHOME, PYTHONPATH and TERMINATION_LOG are set by the operator or the image;"
    " remove them (a token of the hub is named in benchmark.tokenizer.tokenSecret, an engine's key in apiKeySecret)",
)


def _unreserved(given: list[EnvironmentVariable]) -> list[EnvironmentVariable]:
    _RESERVED_VARIABLES.refuse(variable.name for variable in given)
    return given


class BenchmarkPod(Model):
    """The pod that measures an engine: what a cluster or a team demands of its pods."""

    image: ImageRef = Field(default="", description="The benchmark's container image; empty: the operator's default.")
    resources: Resources | None = None
    node_selector: LabelMap | None = Field(
        default=None, description="Labels that a node must have to run the benchmark, for example kubernetes.io/arch."
    )
    tolerations: Tolerations | None = Field(
        default=None,
        description=(
            "Taints of nodes that the benchmark tolerates, beside those of placement where it runs on the engine's"
            " node."
        ),
    )
    env: (
        Annotated[
            Environment,
            Field(
                json_schema_extra=rules(
                    _RESERVED_VARIABLES.rule("self.map(e, e.name).all(k, {})"),
                )
            ),
            AfterValidator(_unreserved),
        ]
        | None
    ) = Field(
        default=None,
        description=(
            "Environment variables of the benchmark's container, for example a proxy for the download of a tokenizer."
            " Requests to the engine never go through a proxy."
        ),
    )
    image_pull_secrets: Annotated[list[PullSecret], Field(max_length=8, json_schema_extra=list_map("name"))] | None = (
        Field(default=None, description="Secrets of the namespace with which nodes pull the benchmark's image.")
    )
    labels: OwnLabels | None = Field(
        default=None, description="Labels of the benchmark's pod, beside those of placement.labels."
    )
    annotations: OwnAnnotations | None = Field(
        default=None, description="Annotations of the benchmark's pod, beside those of placement.annotations."
    )
    priority_class_name: ObjectName | None = Field(
        default=None, description="The PriorityClass of the benchmark's pod; absent: that of placement."
    )
    security_context: Literal["Restricted", "Platform"] | None = Field(
        default=None,
        description=(
            "Who decides as which user the pod runs. Restricted: user, group and fsGroup 65532. Platform: the platform"
            " does, as OpenShift's restricted-v2 demands; the pod names no user, group or fsGroup. Absent: Restricted."
            " Both keep Pod Security's level restricted."
        ),
    )


class Arrivals(Model):
    """How requests of an open loop arrive. The times are drawn before, and are equal for every experiment of a task."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "(has(self.process) && self.process == 'Gamma') == has(self.burstiness)",
                "required with process Gamma, and with no other",
                fieldPath=".burstiness",
            )
        )
    )

    process: ArrivalProcess = Field(
        default="Poisson",
        description=(
            "The arrival process. Poisson: independently of each other, as from many users. Constant: one every 1/rate"
            " seconds. Gamma: in bursts, or more regularly than Poisson, as burstiness says."
        ),
    )
    burstiness: Burstiness | None = Field(
        default=None,
        description=(
            "The shape of the gamma distribution of the gaps between requests, as vLLM's benchmark calls it: below 1"
            " requests come in bursts, 1 is Poisson, above 1 they come more regularly."
        ),
    )


MOST_SEARCHED = 12
"""The most levels that a search for the boundary measures of each scenario."""
_SEARCH_RULES = rules(cel("self.min < self.max", "must be above min", fieldPath=".max"))
Precision = Annotated[str, StringConstraints(pattern=r"^(([1-9]|[1-4][0-9])(\.[0-9]{1,2})?|50)%$", max_length=8)]


def _share(precision: str) -> float:
    return float(precision.removesuffix("%")) / 100


class ConcurrencySearch(Model):
    """The search for the largest number of users that keeps the hard SLOs, in place of a ladder."""

    model_config = ConfigDict(json_schema_extra=_SEARCH_RULES)

    min: Concurrency = Field(default=1, description="The fewest users that are tried.")
    max: Concurrency = Field(default=256, description="The most users that are tried.")
    precision: Precision = Field(
        default="10%", description="How close to each other the last two levels are: from 1% to 50%."
    )

    @property
    def grid(self) -> list[float]:
        """The levels that may be tried, upwards; equal for every configuration of a task."""
        found = [self.min]
        while found[-1] < self.max:
            found.append(min(self.max, max(found[-1] + 1, math.floor(found[-1] * (1 + _share(self.precision))))))
        return [float(users) for users in found]


class RateSearch(Model):
    """The search for the largest rate that keeps the hard SLOs, in place of a ladder."""

    model_config = ConfigDict(json_schema_extra=_SEARCH_RULES)

    min: Rate = Field(description="The lowest rate that is tried, in requests per second.")
    max: Rate = Field(description="The highest rate that is tried, in requests per second.")
    precision: Precision = Field(
        default="5%", description="How close to each other the last two levels are: from 1% to 50%."
    )

    @property
    def grid(self) -> list[float]:
        """The levels that may be tried, upwards; equal for every configuration of a task."""
        steps = max(1, math.ceil(math.log(self.max / self.min) / math.log1p(_share(self.precision)) - 1e-9))
        growth = (self.max / self.min) ** (1 / steps)
        inner = (float(f"{self.min * growth**step:.4g}") for step in range(1, steps))
        return sorted({self.min, *(rate for rate in inner if self.min < rate < self.max), self.max})


class Traffic(Model):
    """The requests that the benchmark sends to the engine; they are equal for every experiment of a task."""

    task: Literal["text-to-text"] = Field(
        default="text-to-text", description="The kind of request, as genai-bench names its tasks."
    )
    scenarios: Annotated[list[Scenario], Field(min_length=1, max_length=12, json_schema_extra=list_map("name"))] = (
        Field(description="The kinds of traffic. The benchmark measures each scenario at each concurrency or rate.")
    )
    concurrency: (
        Annotated[list[Concurrency], Field(min_length=1, max_length=12, json_schema_extra={**ATOMIC, **UNIQUE})] | None
    ) = Field(
        default=None,
        description=(
            "The ladder of a closed loop: for each level, how many users send requests at the same time. Each user"
            " sends the next request when the last one is answered. Example: [1, 8, 32, 128]. Exactly one of"
            " concurrency, concurrencySearch, rates and rateSearch is required."
        ),
    )
    concurrency_search: ConcurrencySearch | None = Field(
        default=None,
        description=(
            "Instead of a ladder: the range in which the largest number of users that keeps the hard SLOs is searched"
            " for, by doubling or halving and then by bisection."
        ),
    )
    rates: Annotated[list[Rate], Field(min_length=1, max_length=12, json_schema_extra={**ATOMIC, **UNIQUE})] | None = (
        Field(
            default=None,
            description=(
                "The ladder of an open loop: for each level, how many requests per second are sent, whether earlier"
                " ones are answered or not. Example: [0.5, 1, 2, 4]."
            ),
        )
    )
    rate_search: RateSearch | None = Field(
        default=None,
        description=(
            "Instead of a ladder: the range in which the largest rate that keeps the hard SLOs is searched for, by"
            " doubling or halving and then by bisection."
        ),
    )
    arrivals: Arrivals | None = Field(
        default=None, description="How the requests of an open loop arrive; absent: as a Poisson process."
    )
    max_minutes_per_level: Annotated[int, Field(ge=1, le=120)] = Field(
        default=2,
        description="The most minutes that one level (a scenario at one concurrency or rate) may take; then it ends.",
    )
    max_requests_per_level: Annotated[int, Field(ge=10, le=1_000_000)] = Field(
        default=400,
        description="The number of finished requests after which a level ends, if its minutes are not up before.",
    )
    tokenizer: Tokenizer
    request_params: RequestParams | None = Field(
        default=None,
        description='Fields that the benchmark merges into the body of every request, for example {"temperature": 0}.',
    )
    placement: Literal["Any", "SameNode", "OtherNode"] = Field(
        default="Any",
        description=(
            "Where the benchmark's pod runs. SameNode: on the engine's node. OtherNode: on another node, as remote"
            " clients do. Any: wherever the scheduler puts it."
        ),
    )
    pod: BenchmarkPod | None = None

    @property
    def ladder(self) -> list[float]:
        """What is offered at each level: users, or requests per second; of a search all that it may try."""
        return self.search.grid if self.search else list(self.rates or self.concurrency or ())

    @property
    def search(self) -> ConcurrencySearch | RateSearch | None:
        """The search for the boundary; None where a ladder is measured."""
        return self.concurrency_search or self.rate_search

    @property
    def open_loop(self) -> bool:
        """Whether levels are requests per second, and not users."""
        return self.rates is not None or self.rate_search is not None

    @property
    def most_levels(self) -> int:
        """The most levels that are measured of each scenario."""
        return min(len(self.ladder), MOST_SEARCHED) if self.search else len(self.ladder)

    def on(self, ladder: Sequence[float]) -> Self:
        """Copy the traffic with a ladder of these levels, of the same loop."""
        given = {"rates": list(ladder)} if self.open_loop else {"concurrency": [int(users) for users in ladder]}
        return self.model_copy(update={"concurrency_search": None, "rate_search": None, **given})


class Timeouts(Model):
    """How long each step of an experiment may take, in seconds. A step that takes longer ends the experiment."""

    queue_seconds: Annotated[int, Field(ge=1, le=604800)] = Field(
        default=3600,
        description=(
            "Seconds that an experiment may wait for a place for the engine: for quota, admission by a queue, and a"
            " node. The benchmark's pod may wait as long once the engine has its node."
        ),
    )
    pull_seconds: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=1800, description="Seconds from the moment a node takes the pod until the engine's container starts."
    )
    startup_seconds: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=1800, description="Seconds from the start of the engine's container until the engine is ready."
    )
    benchmark_seconds: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=3600, description="Seconds from the moment the engine is ready until the benchmark has its result."
    )
    teardown_seconds: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=300,
        description=(
            "Seconds that the pods may take to disappear after the experiment. If they take longer, the condition"
            " Released becomes TeardownStuck, and their GPUs count as used until they are gone."
        ),
    )
