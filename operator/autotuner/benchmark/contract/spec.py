"""What one benchmark Job measures: written by the operator into the Job, read by the runner inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from autotuner.api.benchmark import (
    LOAD_PATTERN,
    MOST_SEARCHED,
    ArrivalProcess,
    Burstiness,
    ConcurrencySearch,
    RateSearch,
    refused_params,
)
from autotuner.api.common import ClientBackend, Concurrency, LatencyMetric, Rate, ShortName, Statistic
from autotuner.api.experiment import NOISE_MARGIN
from autotuner.benchmark.contract.boundary_search import next_level
from autotuner.benchmark.contract.load_clients import DEFAULT_CLIENT

SPEC_VARIABLE = "AUTOTUNER_BENCHMARK"
KEY_VARIABLE = "AUTOTUNER_API_KEY"
TERMINATION_LOG_VARIABLE = "TERMINATION_LOG"
DEFAULT_TERMINATION_LOG = "/dev/termination-log"


class SpecError(ValueError):
    """A spec that cannot be used; the message names the field."""


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class RunnerScenario(_Model):
    """One kind of traffic; `load` is written as in a TuningTask (LOAD_PATTERN)."""

    name: ShortName
    load: Annotated[str, StringConstraints(pattern=LOAD_PATTERN)]
    weight: Annotated[float, Field(gt=0)] = 1.0


class TokenizerSource(_Model):
    """Where the tokenizer comes from: a hub repository (id), a folder of the model's volume (path), or built in."""

    source: Literal["Hub", "ModelVolume", "Builtin"]
    id: str | None = None
    path: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.source == "Hub" and not self.id:
            raise ValueError("source Hub needs an id")
        if self.source == "ModelVolume" and not self.path:
            raise ValueError("source ModelVolume needs a path")
        return self


class SloBound(BaseModel):
    """A service-level objective of the engine as a whole, in SI units; only ceilings (`max`) can end a ladder early."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    metric: str
    statistic: Statistic | None = None
    max: float | None = None
    min: float | None = None


class RequestLimit(_Model):
    """The most seconds that a latency of a single request may have, for it to count in Goodput and Attainment."""

    metric: LatencyMetric
    max: Annotated[float, Field(gt=0)]


class RunnerArrivals(_Model):
    """How requests of an open loop arrive, as in a TuningTask."""

    process: ArrivalProcess = "Poisson"
    burstiness: Burstiness | None = None


class RequiredThroughput(_Model):
    """What the throughput of the whole engine has to reach; a ladder that no longer can is hopeless."""

    metric: Literal["OutputThroughput", "TotalThroughput", "RequestThroughput", "Goodput"]
    threshold: Annotated[float, Field(gt=0)]


class RunnerSpec(_Model):
    """Everything that the runner of one benchmark needs but the API key, which comes in its own variable."""

    api_base: Annotated[str, StringConstraints(pattern=r"^https?://[^/]+$")] = Field(description="http://host:port")
    model: str = Field(default="", description="The served name; if empty, the only one of /v1/models.")
    client: str = Field(default=DEFAULT_CLIENT, description="The load client, one of LOAD_CLIENTS.")
    backend: ClientBackend
    cache_flush: str = Field(default="", description="The call that empties the engine's prefix cache; empty for none.")
    version_calls: list[str] = Field(
        default=[], description="Calls that tell the engine's version, of which it has one; empty for none."
    )
    holds_length: bool = Field(default=True, description="Answers must have the length that was asked for.")
    task: Literal["text-to-text"] = "text-to-text"
    scenarios: Annotated[list[RunnerScenario], Field(min_length=1, max_length=12)]
    concurrency: Annotated[list[Concurrency], Field(min_length=1, max_length=12)] | None = Field(
        default=None, description="The ladder of a closed loop, in users; exactly one of concurrency and rates."
    )
    rates: Annotated[list[Rate], Field(min_length=1, max_length=12)] | None = Field(
        default=None, description="The ladder of an open loop, in requests per second."
    )
    concurrency_search: ConcurrencySearch | None = None
    rate_search: RateSearch | None = None
    start_at: Rate | None = Field(default=None, description="Where a search begins; None: in the middle.")
    required_boundary: Rate | None = Field(
        default=None, description="Where the best so far has its boundary; a search that must end below is hopeless."
    )
    arrivals: RunnerArrivals = RunnerArrivals()
    processes: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Processes that send the requests of an open loop: one for each core of the pod."
    )
    request_limits: list[RequestLimit] = []
    max_minutes_per_level: Annotated[int, Field(ge=1)] = 2
    max_requests_per_level: Annotated[int, Field(ge=1)] = 400
    tokenizer: TokenizerSource
    request_params: dict[str, Any] = {}
    seed: str = ""
    block: int = 0
    slos: list[SloBound] = []
    required_throughput: RequiredThroughput | None = None
    noise_margin: Annotated[float, Field(ge=0, lt=1)] = NOISE_MARGIN
    startup_seconds: Annotated[float, Field(gt=0)] = Field(default=1800, description="How long to wait for the engine.")
    work_dir: Path = Field(description="A writable folder; everything is written below it.")

    @field_validator("concurrency", "rates")
    @classmethod
    def _ascending(cls, ladder: list[float] | None) -> list[float] | None:
        return sorted(set(ladder)) if ladder is not None else None

    @model_validator(mode="after")
    def _one_loop(self) -> Self:
        given = (self.concurrency, self.rates, self.concurrency_search, self.rate_search)
        if sum(one is not None for one in given) != 1:
            raise ValueError("give exactly one of concurrency, concurrencySearch, rates and rateSearch")
        return self

    @field_validator("scenarios")
    @classmethod
    def _distinct(cls, scenarios: list[RunnerScenario]) -> list[RunnerScenario]:
        if len({scenario.name for scenario in scenarios}) < len(scenarios):
            raise ValueError("two scenarios have the same name")
        return scenarios

    @field_validator("request_params")
    @classmethod
    def _measurable(cls, params: dict[str, Any]) -> dict[str, Any]:
        for name, why in refused_params(params).items():
            raise ValueError(f"{name}: {why}")
        return params

    @property
    def ladder(self) -> Sequence[float]:
        """What is offered at each level, upwards: users of a closed loop, or requests per second of an open one."""
        search = self.concurrency_search or self.rate_search
        return search.grid if search else self.rates or self.concurrency or []

    @property
    def searches(self) -> bool:
        """Whether the boundary is searched for, so that nobody knows beforehand which levels are measured."""
        return (self.concurrency_search or self.rate_search) is not None

    @property
    def open_loop(self) -> bool:
        """Whether levels are requests per second, and not users."""
        return (self.rates or self.rate_search) is not None

    @property
    def most_levels(self) -> int:
        """The most levels that are measured of each scenario."""
        return min(len(self.ladder), MOST_SEARCHED) if self.searches else len(self.ladder)

    @property
    def planned(self) -> list[tuple[RunnerScenario, float]]:
        """The levels that are likely to be measured, in that order: the client gets them ready while it waits."""
        if not self.searches:
            return self.levels
        first = next_level(self.ladder, {}, self.start_at, self.most_levels)
        return [(scenario, first) for scenario in self.scenarios if first is not None]

    @property
    def levels(self) -> list[tuple[RunnerScenario, float]]:
        """The ladder in the order in which it is climbed: scenario by scenario, upwards."""
        return [(scenario, offered) for scenario in self.scenarios for offered in self.ladder]

    def dump_json(self) -> str:
        """The spec as JSON, the value of AUTOTUNER_BENCHMARK."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


def api_key(environment: Mapping[str, str]) -> str:
    """The engine's API key in the environment's AUTOTUNER_API_KEY, without white space around it; empty for none.

    A Secret made of a file or by `echo` ends with a line break, which no HTTP header can carry.

    Raises:
        ValueError: no HTTP header can carry it; the message does not quote it.
    """
    key = environment.get(KEY_VARIABLE, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ValueError(
            "the API key of runtime.apiKeySecret (of a TuningExperiment: service.apiKeySecret) has characters that no"
            " HTTP header can carry; store the key as one line of printable ASCII"
        )
    return key


def load_spec(environment: Mapping[str, str]) -> RunnerSpec:
    """The spec in the environment's AUTOTUNER_BENCHMARK.

    Raises:
        SpecError: the spec is missing or wrong.
    """
    text = environment.get(SPEC_VARIABLE, "")
    if not text:
        raise SpecError(f"{SPEC_VARIABLE} is not set; the operator writes it into the Job")
    try:
        return RunnerSpec.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise SpecError(f"benchmark.{field}: {message}" if field else f"{SPEC_VARIABLE}: {message}") from error
