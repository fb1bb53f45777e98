"""TuningExperiment: one configuration to deploy, measure and clean up; usable without a TuningTask."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from autotuner.api import quantity
from autotuner.api.benchmark import LADDER_RULES, Timeouts, Traffic
from autotuner.api.common import (
    ATOMIC,
    EXPERIMENT_NAME_MAX,
    WITH_DEFAULTS,
    Arguments,
    BackendName,
    BoundaryMetric,
    Concurrency,
    Conditions,
    Count,
    EngineName,
    Environment,
    ImageId,
    ImageRef,
    LabelKey,
    LabelMap,
    LabelValue,
    LatencyMetric,
    Model,
    ModelKind,
    ObjectName,
    ObservedGeneration,
    OnlyTrue,
    OwnAnnotations,
    OwnLabels,
    Parameter,
    QueueName,
    Rate,
    Real,
    ResourceName,
    RuntimeKind,
    SecretKey,
    ServedName,
    ShortName,
    Switch,
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
    unchanged_items,
)
from autotuner.api.goals import SLO_TEXTS, SLOS_MAX, Quantity, Slo

ACCELERATORS_MAX = 1024
Purpose = Literal["Baseline", "Start", "Search", "Confirm"]
ExperimentPhase = Literal[
    "Pending", "Queued", "Pulling", "Starting", "Benchmarking", "Releasing", "Succeeded", "Failed"
]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$", max_length=32)]
Ladder = Literal["Complete", "StoppedSLO", "StoppedHopeless", "Broken"]


class ModelRef(Model):
    """The OME model that the engine serves."""

    kind: ModelKind = Field(default="ClusterBaseModel", description="The kind of the model.")
    name: ObjectName = Field(description="The name of the model.")


class RuntimeRef(Model):
    """The OME serving runtime that starts the engine, or the snapshot of its pod: a ControllerRevision."""

    kind: RuntimeKind = Field(default="ClusterServingRuntime", description="The kind of the runtime.")
    name: ObjectName = Field(description="The name of the runtime.")


class Accelerator(Model):
    """The accelerators that the engine's pod requests."""

    resource: ResourceName = Field(
        default="nvidia.com/gpu", description="The extended resource to request; empty: the pod requests none."
    )
    count: Annotated[int, Field(ge=1, le=ACCELERATORS_MAX)] = Field(
        default=1, description="The number of accelerators of the engine. Figures per GPU are divided by it."
    )
    product: LabelValue | None = Field(
        default=None,
        description=(
            "The model of accelerator that the label of a node must say, so that all experiments run on equal ones;"
            " absent: any model."
        ),
    )
    label: LabelKey | None = Field(
        default=None,
        description=(
            "The node label that says the model of accelerator; absent: the resource's own, for example"
            " nvidia.com/gpu.product or amd.com/gpu.product-name."
        ),
    )
    allow_shared: Switch = Field(
        default=False,
        description=(
            "true: also run on accelerators that other pods may use at the same time (time slicing, MPS), whose figures"
            " depend on what these do; false: end as AcceleratorShared there."
        ),
    )

    @property
    def held(self) -> int:
        """The accelerators that the engine's pod takes away from others: none where it requests none."""
        return self.count if self.resource else 0


class Service(Model):
    """The engine to deploy, fully resolved."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("self.backend == 'OME' || has(self.container)", "required unless OME serves", fieldPath=".container"),
            cel("self.backend != 'OME' || has(self.model)", "required where OME serves", fieldPath=".model"),
        )
    )

    backend: BackendName = Field(
        default="OME",
        description=(
            "What serves the engine. OME: an InferenceService. Deployment: a Deployment and a Service, made of a"
            " snapshot of the engine's pod."
        ),
    )
    model: ModelRef | None = None
    runtime: RuntimeRef
    container: Annotated[str, StringConstraints(max_length=63)] | None = Field(
        default=None, description="The container of the snapshot that runs the engine; absent with backend OME."
    )
    engine: EngineName = Field(description="The inference engine that the runtime starts.")
    args: Arguments = Field(
        default=[],
        description="The complete engine arguments, which replace the runtime's; empty: the runtime's own arguments.",
    )
    env: Environment | None = Field(default=None, description="Environment variables of the engine.")
    image: ImageRef = Field(default="", description="The engine's container image; empty: the image of the runtime.")
    accelerator: Accelerator = Accelerator()
    volume: Volume | None = None
    node_selector: LabelMap | None = Field(default=None, description="Labels that a node must have to run the engine.")
    tolerations: Tolerations | None = Field(
        default=None,
        description="Taints of nodes that the engine tolerates, and the benchmark if it runs on the engine's node.",
    )
    queue_name: QueueName | None = Field(
        default=None,
        description=(
            "The LocalQueue of this namespace in which Kueue queues the engine and the benchmark; absent: none. Both"
            " need room at the same time, also for CPU and memory if the queue covers them."
        ),
    )
    priority_class_name: ObjectName | None = Field(
        default=None, description="The PriorityClass of the engine's and the benchmark's pod."
    )
    workload_priority_class_name: QueueName | None = Field(
        default=None, description="The WorkloadPriorityClass by which Kueue orders the engine and the benchmark."
    )
    labels: OwnLabels | None = Field(
        default=None, description="Labels of what serves the engine, of the benchmark's Job, and of their pods."
    )
    annotations: OwnAnnotations | None = Field(
        default=None, description="Annotations of what serves the engine, of the benchmark's Job, and of their pods."
    )
    api_key_secret: SecretKey | None = Field(
        default=None,
        description="The Secret key that holds the API key with which the benchmark asks the engine; absent: none.",
    )
    served_model_name: ServedName | None = Field(
        default=None,
        description="The name of the model to measure, for an engine that lists several; absent: the only one.",
    )


class Boundary(Model):
    """Where the hard SLOs begin to break: users, or requests per second."""

    kept: Real | None = Field(default=None, description="The largest level that keeps all of them; absent: none does.")
    broken: Real | None = Field(
        default=None, description="The smallest level above that breaks one; absent: none was found."
    )


class RequestLimit(Model):
    """The most that a latency of a single request may be, for the request to count in Goodput and Attainment."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                f"self.max.matches(r'{quantity.NUMBER_PATTERN}(ms|s)$')",
                "write a number and its unit, for example 500ms",
                fieldPath=".max",
            )
        )
    )

    metric: LatencyMetric = Field(description="The latency: TTFT, TPOT or E2ELatency.")
    max: Quantity = Field(description="The most that it may be, with its unit, for example 500ms.")


class Benchmark(Traffic):
    """The measurement: the traffic that the benchmark sends to the engine, fully resolved."""

    model_config = ConfigDict(json_schema_extra=rules(*LADDER_RULES))

    request_limits: Annotated[list[RequestLimit], Field(max_length=3, json_schema_extra=list_map("metric"))] | None = (
        Field(
            default=None,
            description="The limits that a request keeps to count in Goodput and Attainment; absent: neither is told.",
        )
    )

    seed: Annotated[str, StringConstraints(max_length=63)] = Field(
        default="", description="The seed of the prompts: equal seeds send equal prompts."
    )


THRESHOLD_MIN, THRESHOLD_MAX = 0.001, 1e15
NOISE_MARGIN = 0.06


class Stop(Model):
    """When the benchmark may skip the remaining levels of the ladder.

    It never decides on a scenario's first level alone.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("has(self.metric) == has(self.threshold)", "give metric and threshold together", fieldPath=".metric")
        )
    )

    # One more than a task has: that few requests may fail goes without saying.
    slos: Annotated[list[Slo], Field(max_length=SLOS_MAX + 1, json_schema_extra=ATOMIC)] | None = Field(
        default=None,
        description=(
            "The hard SLOs. The benchmark skips higher concurrencies after a level that breaks a max by more than"
            " noiseMargin. A tail of TPOT must break it by 10 % more, because it may fall again when the engine is"
            " full."
        ),
    )
    metric: Literal[ThroughputMetric, BoundaryMetric] | None = Field(
        default=None,
        description="The throughput, or the boundary, that threshold is about, for example OutputThroughput.",
    )
    threshold: Annotated[float, Field(ge=THRESHOLD_MIN, le=THRESHOLD_MAX, allow_inf_nan=False)] | None = Field(
        default=None,
        description=(
            "The value of metric that makes the experiment worth while. The benchmark skips the remaining levels when"
            " even a throughput that grows in proportion to the users would stay below it by more than noiseMargin."
            " A search for the boundary ends once it must lie below."
        ),
    )
    start_at: Rate | None = Field(
        default=None,
        description=(
            "Where a search for the boundary begins: the users or the rate at which the best experiment so far keeps"
            " the SLOs; absent: in the middle of its range."
        ),
    )
    noise_margin: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=NOISE_MARGIN,
        description="How far a figure may miss a limit by chance, as a share of the limit: 0.06 is six per cent.",
    )


_STOP_UNCHANGED = " && ".join(
    [
        unchanged_items("slos", SLO_TEXTS, root="stop."),
        *(unchanged(field, root="stop.", optional=True) for field in ("metric", "threshold", "startAt")),
        unchanged("noiseMargin", root="stop."),
    ]
)
_UNCHANGED = " && ".join(
    [unchanged(field) for field in ("purpose", "block", "service", "benchmark", "timeouts")]
    + [unchanged(field, optional=True) for field in ("retryOf", "parameters")]
    + [f"has(self.stop) == has(oldSelf.stop) && (!has(self.stop) || ({_STOP_UNCHANGED}))"]
)


class ExperimentSpec(Model):
    """What to deploy and measure. It cannot be changed, only cancelled."""

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

    cancel: Switch = Field(
        default=False,
        description=("true: end the experiment now, delete what it made and free its GPUs. It cannot be taken back."),
    )
    purpose: Purpose = Field(
        default="Search",
        description=(
            "Why the task made the experiment. Baseline: what runs today. Start: a start point. Search: chosen by the"
            " search. Confirm: a repeat."
        ),
    )
    block: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0, description="The block of repeats that the experiment belongs to. Each block sends other prompts."
    )
    retry_of: ObjectName | None = Field(
        default=None,
        description=(
            "The experiment that measured the same first, if this one does so again because its end was not to be"
            " believed: the surroundings spoiled it, or it died by what may have been chance."
        ),
    )
    parameters: Annotated[list[Parameter], Field(max_length=32, json_schema_extra=list_map("name"))] | None = Field(
        default=None,
        description="The parameters that the search chose, for readers; the engine gets service.args.",
    )
    service: Service
    benchmark: Benchmark
    stop: Stop | None = None
    timeouts: Timeouts = Timeouts()


class Distribution(Model):
    """The distribution of a latency over the requests of a level, in seconds.

    A failed request counts as slower than all that were answered. A percentile that lies among failed ones is absent.
    """

    mean: Real = Field(description="The mean of the requests that were answered, in seconds.")
    p50: Real | None = Field(default=None, description="The 50th percentile (the median), in seconds.")
    p90: Real | None = Field(default=None, description="The 90th percentile, in seconds.")
    p95: Real | None = Field(default=None, description="The 95th percentile, in seconds.")
    p99: Real | None = Field(default=None, description="The 99th percentile, in seconds.")


class Attainment(Model):
    """The share of requests that kept every limit of a request, with its 95 % interval (Wilson, JASA 22, 1927)."""

    share: Real = Field(description="The share, from 0 to 1. A failed request keeps no limit.")
    low: Real = Field(description="The lower bound of its interval.")
    high: Real = Field(description="The upper bound of its interval.")


class Level(Model):
    """The figures of one level (a scenario at one concurrency or rate), in SI units.

    Figures that could not be measured are absent.
    """

    scenario: ShortName = Field(description="The name of the scenario.")
    concurrency: Concurrency | None = Field(
        default=None, description="The number of users that sent requests at the same time; absent in an open loop."
    )
    rate: Rate | None = Field(
        default=None, description="The requests per second that were asked for; absent in a closed loop."
    )
    requests: Count = Field(
        description="The number of requests that were answered in the steady window, from which the figures come."
    )
    errors: Count = Field(description="The number of failed requests in the whole level.")
    duration_seconds: Real = Field(description="The length of the steady window, in seconds.")
    output_tokens_per_second: Real = Field(description="Output tokens of all users together per second.")
    total_tokens_per_second: Real = Field(description="Input and output tokens of all users together per second.")
    requests_per_second: Real = Field(description="Answered requests of all users together per second.")
    sent_per_second: Real | None = Field(
        default=None, description="The requests per second that were really sent in an open loop."
    )
    lateness_p99_seconds: Real | None = Field(
        default=None,
        description="How late the requests of an open loop were sent, by the 99th percentile, in seconds.",
    )
    good_requests_per_second: Real | None = Field(
        default=None,
        description="Goodput: the requests per second that kept every limit of a request; absent without limits.",
    )
    attainment: Attainment | None = Field(
        default=None,
        description="The share of requests that kept every limit of a request; absent without limits.",
    )
    ttft_seconds: Distribution | None = Field(default=None, description="Time to first token (TTFT), in seconds.")
    tpot_seconds: Distribution | None = Field(
        default=None, description="Time per output token after the first (TPOT), in seconds."
    )
    e2e_latency_seconds: Distribution | None = Field(
        default=None,
        alias="e2eLatencySeconds",
        description=("End-to-end latency: from sending a request to its last token, in seconds."),
    )
    output_tokens_mean: Real = Field(description="The mean number of output tokens of a request.")
    ended: Literal["Saturated"] | None = Field(
        default=None,
        description=(
            "Why the level ended before its time. Saturated: the engine cannot keep up with the rate, so that requests"
            " queue without end; the level breaks every hard SLO. Absent: it did not."
        ),
    )
    evidence: Annotated[str, StringConstraints(max_length=160)] | None = Field(
        default=None, description="What showed that, in words."
    )

    @property
    def offered(self) -> float:
        """What was offered: users in a closed loop, requests per second in an open one."""
        return self.rate or self.concurrency or 0


# No map: concurrency or rate is its second key, and a key is never absent.
Levels = Annotated[list[Level], Field(max_length=36, json_schema_extra=ATOMIC)]


class Times(Model):
    """When the experiment reached each of its steps; steps that it has not reached are absent.

    All times are of the operator's clock, of the moment when it first saw the step.
    """

    created: Timestamp | None = Field(default=None, description="When there was an InferenceService.")
    scheduled: Timestamp | None = Field(default=None, description="When a node took the engine's pod.")
    container_started: Timestamp | None = Field(default=None, description="When the engine's container started.")
    engine_ready: Timestamp | None = Field(default=None, description="When the engine was ready.")
    benchmark_scheduled: Timestamp | None = Field(default=None, description="When a node took the benchmark's pod.")
    first_request: Timestamp | None = Field(default=None, description="When the benchmark sent its first request.")
    benchmark_finished: Timestamp | None = Field(default=None, description="When the benchmark had ended.")
    pods_gone: Timestamp | None = Field(
        default=None,
        description=(
            "When its InferenceService was being deleted and no pod of the experiment was left: its GPUs were free,"
            " whatever else still waited for its deletion."
        ),
    )
    released: Timestamp | None = Field(
        default=None,
        description=(
            "When the next experiment could begin: everything that this one made was deleted, or only a finalizer held"
            " it for teardownSeconds after its last pod."
        ),
    )


class EnginePod(Model):
    """The engine's pod that was measured. Results count only if it stays the same and does not restart."""

    uid: Word = Field(description="The metadata.uid of the pod.")
    restarts: Count = Field(default=0, description="How often the engine's container had restarted when it was ready.")


class Hashes(Model):
    """Hashes of the model and the runtime that the engine was deployed from. An edit of either changes its hash."""

    model: Digest = Field(description="The hash of the model's spec.")
    runtime: Digest = Field(description="The hash of the runtime's spec.")


class Evidence(Model):
    """What the container that failed left behind."""

    exit_code: Annotated[int, Field(ge=-1, le=255)] | None = Field(
        default=None, description="The exit code of the container."
    )
    never_ran: OnlyTrue | None = Field(
        default=None,
        description="The program never ran: the image does not have it, or the container could not be made.",
    )
    log_tail: Annotated[str, StringConstraints(max_length=2048)] = Field(
        default="",
        description="The last lines of the container's log; where the cause stands further up, its lines and the last.",
    )


Notes = Annotated[
    list[Annotated[str, StringConstraints(max_length=300)]], Field(max_length=8, json_schema_extra=ATOMIC)
]


class ExperimentStatus(Model):
    """What the operator observed and measured for this experiment."""

    observed_generation: ObservedGeneration = None
    phase: ExperimentPhase | None = Field(
        default=None, description="Where the experiment stands, in one word. Programs should read the conditions."
    )
    conditions: Conditions | None = Field(
        default=None,
        description=(
            "Scheduled: a node took the engine. EngineReady: the engine answers. Benchmarked: it was measured."
            " Released: its GPUs are free. Succeeded: it has a result. Finished: it is over. NodesReady: only once a"
            " node that it needed did not answer. Reconciled: only while the operator meets the same error again and"
            " again."
        ),
    )
    reason: Word | None = Field(
        default=None,
        description="How the experiment ended, for example Completed or OutOfMemory; docs/operations.md explains all.",
    )
    reproducible: Switch | None = Field(
        default=None,
        description=(
            "Whether the same configuration would end like this again: it was measured, or its engine named a cause."
            " What is not reproducible is measured again before it is believed."
        ),
    )
    message: Annotated[str, StringConstraints(max_length=1024)] | None = Field(
        default=None, description="What the experiment does or waits for, or how it ended, for people."
    )
    levels: Levels | None = Field(
        default=None,
        description="The figures of every level that was measured: each scenario at each concurrency or rate.",
    )
    boundary: Boundary | None = None
    ladder: Ladder | None = Field(
        default=None,
        description=(
            "How the ladder ended. Complete: all levels were measured. StoppedSLO: higher concurrencies would break the"
            " hard SLOs. StoppedHopeless: the rest could not reach stop.threshold. Broken: the benchmark failed."
        ),
    )
    times: Times | None = None
    node: ObjectName | None = Field(default=None, description="The node that ran the engine.")
    benchmark_node: ObjectName | None = Field(default=None, description="The node that ran the benchmark.")
    accelerators: Count | None = Field(
        default=None, description="The accelerators that the engine requests; 0 for an engine without."
    )
    accelerator_product: Word | None = Field(
        default=None, description="The model of the accelerators on the engine's node, if a label names it."
    )
    accelerator_label: LabelKey | None = Field(default=None, description="The label of the node that names it.")
    accelerator_sharing: Word | None = Field(
        default=None,
        description=(
            "How other pods may use the engine's accelerators at the same time, for example time-slicing, 4 clients;"
            " absent: they are its own, or the node does not say."
        ),
    )
    image: ImageId | None = Field(default=None, description="The engine's container image as the pod names it.")
    image_id: ImageId | None = Field(
        default=None, alias="imageID", description="The digest of the engine's container image that really ran."
    )
    engine_version: Word | None = Field(
        default=None, description="The version that the engine itself told, when it was asked or in its log."
    )
    engine_pod: EnginePod | None = None
    hashes: Hashes | None = None
    fingerprint: Word | None = Field(
        default=None,
        description=(
            "The hash of model, runtime, image, accelerator, arguments, environment variables and benchmark. Results of"
            " experiments with equal fingerprints can be compared. Absent if the experiment has no result that would be"
            " the same again."
        ),
    )
    gpu_seconds: Real | None = Field(
        default=None,
        description=(
            "The seconds from scheduled to podsGone, times the number of accelerators; absent for an engine without."
        ),
    )
    evidence: Evidence | None = None
    notes: Notes | None = Field(
        default=None,
        description=(
            "What the engine says to have done otherwise than it was asked to: it fell back to another backend, clipped"
            " a value, ignored a flag. Its own warnings, each once."
        ),
    )


class TuningExperiment(Model):
    """One configuration of an inference engine, which the operator deploys, measures and cleans up."""

    model_config = ConfigDict(json_schema_extra=rules(name_rule(EXPERIMENT_NAME_MAX)))

    spec: ExperimentSpec
    status: ExperimentStatus | None = Field(default=None, json_schema_extra=WITH_DEFAULTS)
