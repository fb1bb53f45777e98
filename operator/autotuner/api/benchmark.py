"""The traffic that an experiment is measured with, and its timeouts: both kinds of the API carry them."""

from __future__ import annotations

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
    Tolerations,
    cel,
    list_map,
    rules,
)
from autotuner.api.traffic_scenarios import Scenario

OWN_TIMES = 0.0
"""What is offered at the only level of a trace that is sent at its own times: no users and no rate of ours."""
LADDER_RULES = (
    cel(
        "has(self.concurrency) != has(self.rates) || (!has(self.concurrency) && !has(self.rates) &&"
        " self.scenarios.all(s, has(s.trace) && s.trace.format in ['Mooncake', 'Azure', 'BurstGPT']))",
        "give exactly one of concurrency (users in a closed loop) and rates (requests per second in an open loop);"
        " neither where every scenario is a trace with times of its own (Mooncake, Azure, BurstGPT)",
    ),
    cel(
        "self.scenarios.size() * (has(self.concurrency) ? self.concurrency.size() :"
        " has(self.rates) ? self.rates.size() : 1) <= 12",
        "scenarios x concurrency or rates make more than 12 levels; measure fewer of one",
    ),
    cel("!has(self.arrivals) || has(self.rates)", "only with rates", fieldPath=".arrivals"),
    cel(
        "!(has(self.concurrency) || has(self.rates)) || !self.scenarios.exists(s, has(s.trace) && has(s.trace.speed))",
        "speed scales a trace's own times, which concurrency and rates replace; remove speed, or the ladder",
        fieldPath=".scenarios",
    ),
    cel(
        "!has(self.concurrency) || !self.scenarios.exists(s, has(s.turns) ||"
        " (has(s.trace) && s.trace.format == 'OpenAI'))",
        "the load client of concurrency sends single prompts; for turns and OpenAI requests write rates instead",
        fieldPath=".scenarios",
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
            " concurrency and rates is required, but where every scenario is a trace with times of its own."
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
    arrivals: Arrivals | None = Field(
        default=None, description="How the requests of rates arrive; absent: as a Poisson process."
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
        """What is offered at each level: users, or requests per second; OWN_TIMES where traces say it themselves."""
        return list(self.rates or self.concurrency or (OWN_TIMES,))

    def on(self, ladder: Sequence[float]) -> Self:
        """Copy the traffic with other levels of the same kind."""
        if self.rates is not None:
            return self.model_copy(update={"rates": list(ladder)})
        if self.concurrency is None:
            return self
        return self.model_copy(update={"concurrency": [int(users) for users in ladder]})


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
