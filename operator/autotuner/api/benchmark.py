"""Traffic, objectives and SLOs: the part of the API that both kinds carry."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from autotuner.api.common import (
    ATOMIC,
    UNIQUE,
    Concurrency,
    FreeObject,
    Model,
    SecretKey,
    ShortName,
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
LADDER_RULE = cel(
    "self.scenarios.size() * self.concurrency.size() <= 12",
    "scenarios x concurrency make more than 12 levels; measure fewer of one",
)


class Scenario(Model):
    """One kind of traffic."""

    name: ShortName = Field(description="Its name in the results.")
    load: Annotated[str, StringConstraints(pattern=LOAD_PATTERN, max_length=64)] = Field(
        json_schema_extra=explained("write N(mean,sd)/(mean,sd), U(min,max)/(min,max) or D(in,out)"),
        description=(
            "Tokens in and out in genai-bench's language: N(mean,sd)/(mean,sd), U(min,max)/(min,max) or D(in,out)."
            " D moves in lock-step and biases TTFT at high concurrency."
        ),
    )
    weight: Annotated[float, Field(ge=0.01, le=1000)] = Field(
        default=1.0, description="Its share in the objective when there are several scenarios."
    )


class Tokenizer(Model):
    """Where the benchmark gets its tokenizer from."""

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
            "Hub: downloaded by id. ModelVolume: read from the model's own path on the node, or from its claim."
            " Builtin: one token per byte, only for the simulated engine."
        )
    )
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="The hub repository."
    )
    token_secret: SecretKey | None = Field(default=None, description="The hub's access token, for gated repositories.")


class Traffic(Model):
    """What is sent to the engine; equal for every experiment of a task."""

    task: Literal["text-to-text"] = Field(default="text-to-text", description="genai-bench's task.")
    scenarios: Annotated[list[Scenario], Field(min_length=1, max_length=12, json_schema_extra=list_map("name"))] = (
        Field(description="The kinds of traffic; each is measured at each concurrency.")
    )
    concurrency: Annotated[
        list[Concurrency], Field(min_length=1, max_length=12, json_schema_extra={**ATOMIC, **UNIQUE})
    ] = Field(description="The ladder: numbers of users that each send the next request when the last one is answered.")
    max_minutes_per_level: Annotated[int, Field(ge=1, le=120)] = Field(
        default=2, description="A level ends after so many minutes,"
    )
    max_requests_per_level: Annotated[int, Field(ge=10, le=1_000_000)] = Field(
        default=400, description="or when so many requests have finished."
    )
    tokenizer: Tokenizer
    request_params: FreeObject | None = Field(
        default=None, description="Merged into the body of every request, for example temperature."
    )
    placement: Literal["Any", "SameNode", "OtherNode"] = Field(
        default="Any", description="Where the benchmark runs in relation to the engine."
    )


class Timeouts(Model):
    """How long each step of an experiment may take, in seconds."""

    queue_seconds: Annotated[int, Field(ge=1, le=604800)] = Field(default=3600, description="Until a node is found.")
    pull_seconds: Annotated[int, Field(ge=1, le=86400)] = Field(default=1800, description="Until the image is there.")
    startup_seconds: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=1800, description="From the container's start until the engine answers."
    )
    benchmark_seconds: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=3600, description="From the first request to the result."
    )
    teardown_seconds: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=300, description="Until the pods are gone; longer is told in a condition and keeps the GPUs booked."
    )
