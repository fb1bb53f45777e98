"""TuningExperiment: one measured configuration. Usable alone: deploy this, measure it, clean up."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from autotuner.api.benchmark import LADDER_RULE, Timeouts, Traffic
from autotuner.api.common import (
    EXPERIMENT_NAME_MAX,
    Arguments,
    Concurrency,
    Conditions,
    Count,
    EngineName,
    Environment,
    ImageRef,
    LabelMap,
    Model,
    ModelKind,
    ObjectName,
    Parameter,
    Real,
    RuntimeKind,
    ShortName,
    ThroughputMetric,
    Timestamp,
    Tolerations,
    Volume,
    Word,
    cel,
    list_map,
    name_rule,
    rules,
    unchanged,
)
from autotuner.api.goals import Slos

ACCELERATORS_MAX = 1024
Purpose = Literal["Baseline", "Start", "Search", "Confirm"]
ExperimentPhase = Literal[
    "Pending", "Queued", "Pulling", "Starting", "Benchmarking", "Releasing", "Succeeded", "Failed"
]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$", max_length=32)]
Ladder = Literal["Complete", "StoppedSLO", "StoppedHopeless", "Broken"]


class ModelRef(Model):
    """An OME model."""

    kind: ModelKind = "ClusterBaseModel"
    name: ObjectName


class RuntimeRef(Model):
    """An OME serving runtime."""

    kind: RuntimeKind = "ClusterServingRuntime"
    name: ObjectName


class Accelerator(Model):
    """What the engine's pod asks for."""

    resource: Annotated[str, StringConstraints(max_length=253)] = Field(
        default="nvidia.com/gpu", description="The extended resource; empty for engines without one."
    )
    count: Annotated[int, Field(ge=1, le=ACCELERATORS_MAX)] = Field(
        default=1, description="Accelerators of one engine; figures per GPU divide by it."
    )
    product: Annotated[str, StringConstraints(max_length=63)] | None = Field(
        default=None, description="Required node label nvidia.com/gpu.product: comparable experiments run on one kind."
    )


class Service(Model):
    """The InferenceService to measure, fully resolved."""

    model: ModelRef
    runtime: RuntimeRef
    engine: EngineName
    args: Arguments = Field(default=[], description="The engine's complete tunable argument list.")
    env: Environment | None = None
    image: ImageRef = Field(default="", description="Overrides the runtime's image.")
    accelerator: Accelerator = Accelerator()
    volume: Volume | None = None
    node_selector: LabelMap | None = None
    tolerations: Tolerations | None = None


class Resources(Model):
    """Resources of the benchmark's container."""

    requests: LabelMap | None = None
    limits: LabelMap | None = None


class Benchmark(Traffic):
    """The measurement, fully resolved."""

    model_config = ConfigDict(json_schema_extra=rules(LADDER_RULE))

    seed: Annotated[str, StringConstraints(max_length=63)] = Field(
        default="", description="Prompts are drawn from it; equal seeds send equal prompts."
    )
    image: ImageRef = Field(default="", description="The benchmark image; the operator's own if empty.")
    resources: Resources | None = None


THRESHOLD_MIN, THRESHOLD_MAX = 0.001, 1e15


NOISE_MARGIN = 0.06


class Stop(Model):
    """When the ladder need not be climbed further; never decided by a scenario's first level alone."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("has(self.metric) == has(self.threshold)", "give metric and threshold together", fieldPath=".metric")
        )
    )

    slos: Slos | None = Field(
        default=None,
        description=(
            "The hard SLOs: a ceiling that is broken by more than noiseMargin ends the ladder; TPOT's tail must break"
            " it by 10 % more, because it may fall when the engine is full."
        ),
    )
    metric: ThroughputMetric | None = Field(default=None, description="What threshold is of.")
    threshold: Annotated[float, Field(ge=THRESHOLD_MIN, le=THRESHOLD_MAX, allow_inf_nan=False)] | None = Field(
        default=None,
        description=(
            "The ladder ends when even throughput in proportion to the users could not reach it any more, less"
            " noiseMargin."
        ),
    )
    noise_margin: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=NOISE_MARGIN,
        description="How far beyond threshold or ceiling a figure may be by chance, as a share of it.",
    )


_UNCHANGED = " && ".join(
    [unchanged(field) for field in ("purpose", "block", "service", "benchmark", "timeouts")]
    + [unchanged(field, optional=True) for field in ("parameters", "stop")]
)


class ExperimentSpec(Model):
    """What to deploy and measure. Immutable, except that it can be cancelled."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                _UNCHANGED,
                "a TuningExperiment cannot be changed, only cancelled (cancel: true); create another one",
                reason="FieldValueForbidden",
            ),
            cel(
                "self.cancel || !oldSelf.cancel",
                "cancel cannot be taken back; create another TuningExperiment",
                fieldPath=".cancel",
                reason="FieldValueForbidden",
            ),
        )
    )

    cancel: bool = Field(default=False, description="End it now: everything is deleted and the GPUs are freed.")
    purpose: Purpose = Field(default="Search", description="Why the task wants it.")
    block: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0, description="Repeat block; another block sends other prompts."
    )
    parameters: Annotated[list[Parameter], Field(max_length=32, json_schema_extra=list_map("name"))] | None = None
    service: Service
    benchmark: Benchmark
    stop: Stop | None = None
    timeouts: Timeouts = Timeouts()


class Distribution(Model):
    """A latency over the requests of a level, in seconds."""

    mean: Real
    p50: Real
    p90: Real
    p95: Real
    p99: Real


class Level(Model):
    """What was measured at one scenario and concurrency, in SI units; what could not be measured is absent."""

    scenario: ShortName
    concurrency: Concurrency
    requests: Count = Field(description="Requests in the steady window that the figures are of.")
    errors: Count = Field(description="Failed requests of the whole level.")
    duration_seconds: Real = Field(description="Length of the steady window.")
    output_tokens_per_second: Real
    total_tokens_per_second: Real
    requests_per_second: Real
    ttft_seconds: Distribution = Field(description="Time to first token.")
    tpot_seconds: Distribution | None = Field(default=None, description="Time per output token after the first.")
    e2e_latency_seconds: Distribution = Field(
        alias="e2eLatencySeconds", description="From sending a request to its last token."
    )
    output_tokens_mean: Real


Levels = Annotated[list[Level], Field(max_length=12, json_schema_extra=list_map("scenario", "concurrency"))]


class Times(Model):
    """When each step was reached."""

    created: Timestamp | None = None
    scheduled: Timestamp | None = None
    container_started: Timestamp | None = None
    engine_ready: Timestamp | None = None
    first_request: Timestamp | None = None
    benchmark_finished: Timestamp | None = None
    released: Timestamp | None = None


class EnginePod(Model):
    """The engine pod that was measured: levels count only while it stays the same and does not restart."""

    uid: Word
    restarts: Count = 0


class Hashes(Model):
    """What it was deployed from; an edit of either makes another deployment of it."""

    model: Digest = Field(description="Of the model's spec.")
    runtime: Digest = Field(description="Of the runtime's spec.")


class Evidence(Model):
    """The last words of the container that failed."""

    exit_code: Annotated[int, Field(ge=-1, le=255)] | None = None
    log_tail: Annotated[str, StringConstraints(max_length=2048)] = ""


class ExperimentStatus(Model):
    """What was observed; a function of the experiment's objects."""

    observed_generation: Count | None = None
    phase: ExperimentPhase | None = None
    conditions: Conditions | None = None
    reason: Word | None = None
    message: Annotated[str, StringConstraints(max_length=1024)] | None = None
    levels: Levels | None = None
    ladder: Ladder | None = None
    times: Times | None = None
    node: ObjectName | None = None
    benchmark_node: ObjectName | None = None
    accelerator_product: Word | None = None
    image: ImageRef | None = None
    image_id: ImageRef | None = Field(default=None, alias="imageID")
    engine_pod: EnginePod | None = None
    hashes: Hashes | None = Field(default=None, description="Of model and runtime, as the InferenceService found them.")
    fingerprint: Word | None = Field(
        default=None,
        description=(
            "Hash of model, runtime, image, accelerator, arguments and benchmark: equal ones are comparable. Absent"
            " where nothing was learned that would be so again."
        ),
    )
    gpu_seconds: Real | None = Field(default=None, description="From scheduled to released, times accelerators.")
    evidence: Evidence | None = None


class TuningExperiment(Model):
    """One configuration of an inference engine: deployed, measured, and cleaned up."""

    model_config = ConfigDict(json_schema_extra=rules(name_rule(EXPERIMENT_NAME_MAX)))

    spec: ExperimentSpec
    status: ExperimentStatus | None = None
