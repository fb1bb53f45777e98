"""TuningTask: the user's wish. Find the best engine parameters for this model, traffic and promises."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from autotuner.api.benchmark import LADDER_RULE, Slos, Timeouts, Traffic
from autotuner.api.common import (
    ATOMIC,
    TASK_NAME_MAX,
    UNIQUE,
    Arguments,
    Concurrency,
    Conditions,
    Count,
    EngineName,
    FlagName,
    LabelMap,
    LatencyMetric,
    Model,
    ModelKind,
    Number,
    ObjectName,
    Parameter,
    Real,
    RuntimeKind,
    ShortName,
    Statistic,
    ThroughputMetric,
    Timestamp,
    Tolerations,
    Word,
    cel,
    list_map,
    name_rule,
    rules,
    unchanged,
)
from autotuner.api.experiment import Level

Choice = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Values = Annotated[list[Number], Field(min_length=1, max_length=64, json_schema_extra={**ATOMIC, **UNIQUE})]
Choices = Annotated[
    list[Choice], Field(min_length=1, max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})
]
SPACE_MAX = 2**53 - 1  # what a JSON number holds exactly
SpaceSize = Annotated[int, Field(ge=0, le=SPACE_MAX)]
TaskPhase = Literal["Pending", "Running", "Confirming", "Succeeded", "Failed", "Suspended"]


class TaskModel(Model):
    """The model to serve."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("has(self.preset) != has(self.name)", "give exactly one of preset and name"),
        )
    )

    preset: ObjectName | None = Field(
        default=None, description="A model preset; its ClusterBaseModel is created if missing."
    )
    name: ObjectName | None = Field(default=None, description="An existing model.")
    kind: ModelKind = Field(default="ClusterBaseModel", description="The kind of the existing model.")
    ready_timeout_seconds: Annotated[int, Field(ge=1, le=604800)] = Field(
        default=7200, description="How long the model may take to become Ready on a node."
    )


class TaskRuntime(Model):
    """The serving runtime, and what every experiment has in common."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("has(self.preset) != has(self.name)", "give exactly one of preset and name"),
            cel(
                "has(self.preset) != has(self.engine)",
                "required with name (SGLang, VLLM or Custom); a preset brings its own",
                fieldPath=".engine",
            ),
        )
    )

    preset: ObjectName | None = Field(
        default=None,
        description="A runtime preset; a ClusterServingRuntime named after it and its content is created if missing.",
    )
    name: ObjectName | None = Field(default=None, description="An existing runtime.")
    kind: RuntimeKind = Field(default="ClusterServingRuntime", description="The kind of the existing runtime.")
    engine: EngineName | None = Field(default=None, description="Whose flags the parameters are.")
    extra_args: Arguments | None = Field(
        default=None, description="Fixed flags of every experiment, the baseline included."
    )


class SearchParameter(Model):
    """One dimension of the search space."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "[has(self.values), has(self.choices), has(self.toggle)].filter(x, x).size() == 1",
                "give exactly one of values (numbers), choices (strings) and toggle: true",
            )
        )
    )

    name: FlagName = Field(description="The engine's flag without its leading dashes.")
    values: Values | None = Field(default=None, description="Numbers, which have an order.")
    choices: Choices | None = Field(default=None, description="Strings, which have none.")
    toggle: Literal[True] | None = Field(default=None, description="A switch that is tried on and off.")


class Baseline(Model):
    """What runs today; the gain is measured against it."""

    args: Arguments = Field(default=[], description="Engine arguments; empty for the runtime's own.")


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


class Search(Model):
    """How to search."""

    strategy: Literal["Random", "Grid"] = Field(default="Random", description="How configurations are chosen.")
    max_experiments: Annotated[int, Field(ge=1, le=1000)] = Field(
        description="Configurations to measure; the baseline does not count."
    )
    seed: Annotated[int, Field(ge=0, le=2147483647)] = Field(
        default=0, description="The same seed proposes the same configurations."
    )


class TaskBenchmark(Traffic):
    """The traffic to measure with."""

    model_config = ConfigDict(json_schema_extra=rules(LADDER_RULE))


class Placement(Model):
    """Where engines may run."""

    node_selector: LabelMap | None = None
    tolerations: Tolerations | None = None
    accelerator_resource: Annotated[str, StringConstraints(max_length=253)] = Field(
        default="nvidia.com/gpu", description="The extended resource to ask for; empty for engines without one."
    )


class TaskSpec(Model):
    """The search: free to edit until it has started, then fixed but for suspend, timeouts and maxExperiments."""

    suspend: bool = Field(
        default=False, description="Start nothing; running experiments are cancelled and their GPUs freed."
    )
    model: TaskModel
    runtime: TaskRuntime
    parameters: Annotated[list[SearchParameter], Field(min_length=1, max_length=32, json_schema_extra=list_map("name"))]
    baseline: Baseline | None = None
    benchmark: TaskBenchmark
    objectives: Annotated[list[Objective], Field(min_length=1, max_length=1, json_schema_extra=ATOMIC)]
    slos: Slos | None = Field(default=None, description="Promises that the best configuration must keep.")
    search: Search
    timeouts: Timeouts = Timeouts()
    placement: Placement = Placement()


class Resolved(Model):
    """What the words of the spec came to."""

    model: ObjectName
    runtime: ObjectName
    engine: EngineName
    configurations: SpaceSize = Field(description="Size of the search space.")
    accelerator: Word | None = None


class Created(Model):
    """Objects that this task created; they stay when it goes, for the next task."""

    cluster_base_model: ObjectName | None = None
    cluster_serving_runtime: ObjectName | None = None


class ReasonCount(Model):
    """How many experiments ended with a reason."""

    reason: Word
    count: Count


class ExperimentCounts(Model):
    """How far the search is."""

    summary: Word
    next_index: Count
    running: Count
    succeeded: Count
    infeasible: Count
    failed: Count
    reasons: Annotated[list[ReasonCount], Field(max_length=32, json_schema_extra=list_map("reason"))] | None = None


class BaselineResult(Model):
    """The baseline's experiment and its value, if it has one."""

    experiment: ObjectName
    value: Real | None = None


class BestLevel(Model):
    """The level that the value was measured at."""

    scenario: ShortName
    concurrency: Concurrency


class Confidence(Model):
    """How far the gain can be trusted."""

    verdict: Literal["Unconfirmed", "BaselineInfeasible", "BaselineFailed"]


class Best(Model):
    """The best configuration measured so far that keeps every promise."""

    experiment: ObjectName
    parameters: Annotated[list[Parameter], Field(max_length=32, json_schema_extra=list_map("name"))]
    args: Arguments = Field(description="Ready to paste into the engine's command line.")
    value: Real
    gain: Word | None = None
    gain_percent: Real | None = None
    confidence: Confidence
    level: BestLevel
    metrics: Level


class Usage(Model):
    """What the task has cost; advances when experiments end."""

    gpu_hours: Real


class TaskStatus(Model):
    """What was observed and decided."""

    observed_generation: Count | None = None
    phase: TaskPhase | None = None
    conditions: Conditions | None = None
    message: Annotated[str, StringConstraints(max_length=1024)] | None = None
    resolved: Resolved | None = None
    created: Created | None = None
    experiments: ExperimentCounts | None = None
    baseline: BaselineResult | None = None
    best: Best | None = None
    usage: Usage | None = None
    start_time: Timestamp | None = None
    completion_time: Timestamp | None = None
    last_progress_time: Timestamp | None = None


_UNCHANGED = " && ".join(
    [
        unchanged(field, root="spec.")
        for field in (
            "model",
            "runtime",
            "parameters",
            "benchmark",
            "objectives",
            "search.strategy",
            "search.seed",
            "placement",
        )
    ]
    + [unchanged(field, root="spec.", optional=True) for field in ("baseline", "slos")]
)


class TuningTask(Model):
    """Finds the best inference-engine parameters for a model by measuring them on this cluster."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            name_rule(TASK_NAME_MAX),
            cel(
                f"!(has(oldSelf.status) && has(oldSelf.status.startTime)) || ({_UNCHANGED})",
                "the task has started: only suspend, timeouts and search.maxExperiments may still change;"
                " to search for something else, create another TuningTask",
                fieldPath=".spec",
                reason="FieldValueForbidden",
            ),
        )
    )

    spec: TaskSpec
    status: TaskStatus | None = None
