"""TuningTask.status: what the operator observed and decided for a task."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from autotuner.api.benchmark import OWN_TIMES
from autotuner.api.common import (
    ATOMIC,
    Arguments,
    BackendName,
    Concurrency,
    Conditions,
    Count,
    EngineName,
    FlagName,
    FreeObject,
    ImageId,
    Model,
    ObjectName,
    ObservedGeneration,
    Parameter,
    Rate,
    Real,
    ShortName,
    Statistic,
    Switch,
    Timestamp,
    Word,
    list_map,
)
from autotuner.api.experiment import Level

SPACE_MAX = 2**53 - 1  # what a JSON number holds exactly
SpaceSize = Annotated[int, Field(ge=0, le=SPACE_MAX)]
FRONT_MAX = 20
Verdict = Literal["Improved", "NoSignificantDifference", "Unconfirmed", "BaselineInfeasible", "BaselineFailed"]
# Never an empty list: where an apply empties a list by key, the API server keeps null, and that it then refuses.
ChosenParameters = Annotated[
    list[Parameter],
    Field(
        max_length=32,
        json_schema_extra=list_map("name"),
        description=("The parameters that the search chose for this configuration; absent for the baseline."),
    ),
]
# More digits are more than was measured, and nobody reads a float's tail.
Figure = Annotated[Real, AfterValidator(lambda value: float(f"{value:.6g}"))]
Breaks = Annotated[
    list[Annotated[str, StringConstraints(max_length=253)]],
    Field(
        max_length=10,
        json_schema_extra=ATOMIC,
        description=(
            "The soft SLOs that the configuration breaks where its value was measured, each with the largest share by"
            " which it is broken, for example TTFT P99 500ms by 22%."
        ),
    ),
]
EFFECT_WORD_MAX = 253
EffectWord = Annotated[str, StringConstraints(max_length=EFFECT_WORD_MAX)]
TaskPhase = Literal["Pending", "Running", "Confirming", "Succeeded", "Failed", "Suspended"]


REMOVED_VALUES_MAX = 64
RemovedValues = Annotated[
    list[Annotated[str, StringConstraints(max_length=320)]],
    Field(max_length=REMOVED_VALUES_MAX, json_schema_extra=ATOMIC),
]


class Removed(Model):
    """A rule and how many configurations it removed from the search space."""

    rule: Annotated[str, StringConstraints(max_length=253)] = Field(description="The rule, in words.")
    count: SpaceSize = Field(description="The number of configurations that the rule removed.")
    values: RemovedValues | None = Field(
        default=None,
        description="The values that it took away altogether, for example speculation=ngram; absent: none.",
    )


class Resolved(Model):
    """The objects and the search space that the spec resolves to."""

    model: ObjectName = Field(description="The name of the model object that experiments serve.")
    runtime: ObjectName = Field(description="The name of the runtime object that experiments use.")
    backend: BackendName = Field(default="OME", description="What serves the engines.")
    engine: EngineName = Field(description="The inference engine that the runtime starts.")
    configurations: SpaceSize = Field(description="The number of configurations that the search can choose from.")
    estimated: Switch = Field(
        default=False,
        description="true: configurations is an estimate, because the search space is too large to be counted.",
    )
    removed_by: Annotated[list[Removed], Field(max_length=64, json_schema_extra=list_map("rule"))] | None = Field(
        default=None,
        description="The rules that removed configurations from the search space, in the order in which they apply.",
    )
    accelerator: Word | None = Field(
        default=None,
        description=(
            "The model of accelerator that the baseline ran on; all experiments of the task run on this model."
        ),
    )


def _field(kind: str) -> str:
    return f"{kind[0].lower()}{kind[1:]}"


class Created(Model):
    """The models and runtimes that this task created. They stay for other tasks when the task is deleted."""

    cluster_base_model: ObjectName | None = Field(
        default=None, description="The name of the ClusterBaseModel that this task created."
    )
    base_model: ObjectName | None = Field(
        default=None, description="The name of the BaseModel that this task created in its namespace."
    )
    cluster_serving_runtime: ObjectName | None = Field(
        default=None, description="The name of the ClusterServingRuntime that this task created."
    )
    serving_runtime: ObjectName | None = Field(
        default=None, description="The name of the ServingRuntime that this task created in its namespace."
    )

    def includes(self, kind: str, name: str) -> bool:
        """Whether the task created the object of this kind and name."""
        return bool(self.dump().get(_field(kind)) == name)

    def including(self, kind: str, name: str) -> Created:
        """These and one more."""
        return Created.model_validate({**self.dump(), _field(kind): name})


class ReasonCount(Model):
    """A reason and how many experiments ended with it."""

    reason: Word = Field(description="The reason, for example OutOfMemory; docs/operations.md explains every one.")
    count: Count = Field(description="The number of experiments that ended with the reason.")


class ExperimentCounts(Model):
    """How far the search has come, in numbers of experiments; only `running` and `reasons` count all of the task's."""

    summary: Word = Field(description="Finished experiments of all that the search will make, for example 5/30.")
    next_index: Count = Field(description="The number that the name of the next experiment ends with.")
    running: Count = Field(description="The number of experiments that run now, the baseline and repeats included.")
    succeeded: Count = Field(description="The number of finished experiments that were measured.")
    infeasible: Count = Field(description="The number of finished experiments that keep the hard SLOs at no level.")
    failed: Count = Field(description="The number of finished experiments that gave no result.")
    reused: Count | None = Field(
        default=None,
        description="The number of earlier experiments whose results this task used (search.reuse).",
    )
    passed_over: Count | None = Field(
        default=None,
        description=(
            "How many experiments have started before the one that was next because they fit into the GPUs that"
            " search.maxGPUs leaves and it does not. After as many as parallelExperiments its GPUs are kept for it."
        ),
    )
    reasons: Annotated[list[ReasonCount], Field(max_length=32, json_schema_extra=list_map("reason"))] | None = Field(
        default=None, description="The reasons why finished experiments gave no result, baselines and repeats included."
    )


class BaselineResult(Model):
    """The result of the baseline."""

    experiment: ObjectName = Field(description="The name of the baseline's TuningExperiment.")
    value: Figure | None = Field(
        default=None,
        description=(
            "The baseline's value of the objective in SI units, after the confirmation the geometric mean of its"
            " repeats; absent if it has none."
        ),
    )
    breaks: Breaks | None = None


class BestLevel(Model):
    """The level at which the value was measured."""

    scenario: ShortName = Field(
        description=(
            "The scenario. If there are several it is the first one: the value is the weighted mean of all scenarios at"
            " this concurrency or rate, and the report lists each."
        )
    )
    concurrency: Concurrency | None = Field(
        default=None, description="The number of users that sent requests at the same time; absent in an open loop."
    )
    rate: Rate | None = Field(
        default=None, description="The requests per second that were asked for; absent in a closed loop."
    )

    @property
    def offered(self) -> float:
        """What was offered: users of a closed loop, requests per second of an open one, or OWN_TIMES of a trace."""
        return self.rate or self.concurrency or OWN_TIMES


class Confidence(Model):
    """How far you can trust the gain: the verdict of the confirmation and the gain's 95 % confidence interval."""

    verdict: Verdict = Field(
        description=(
            "Improved: the gain is real. NoSignificantDifference: no gain was proved. Unconfirmed: there were too few"
            " repeats to tell. BaselineInfeasible: the baseline breaks the hard SLOs. BaselineFailed: the baseline gave"
            " no result."
        )
    )
    low: Real | None = Field(default=None, description="The lower bound of the gain's 95 % interval, in percent.")
    high: Real | None = Field(default=None, description="The upper bound of the gain's 95 % interval, in percent.")
    repeats: Count | None = Field(
        default=None, description="The number of repeats of the best configuration that kept the hard SLOs."
    )


class Best(Model):
    """The best configuration so far that keeps every hard SLO, judged by its repeats once it has some."""

    experiment: ObjectName = Field(description="The name of the TuningExperiment that found this configuration.")
    parameters: ChosenParameters | None = None
    args: Arguments = Field(description="The complete engine arguments, ready to paste into a command line.")
    value: Figure = Field(
        description="The value of the objective in SI units, after the confirmation the geometric mean of the repeats."
    )
    gain: Word | None = Field(
        default=None,
        description=(
            "The gain over the baseline as text, for example +31.0%; positive is better. The cost of broken soft SLOs"
            " is included."
        ),
    )
    gain_percent: Real | None = Field(
        default=None, description="The gain over the baseline in percent as a number, for example 31.0."
    )
    breaks: Breaks | None = None
    confidence: Confidence
    level: BestLevel
    metrics: Level = Field(description="Everything that was measured at the level of the value, in SI units.")
    accelerator_sharing: Word | None = Field(
        default=None,
        description=(
            "How other pods could use the accelerators while this was measured, for example time-slicing, 4 clients:"
            " the figures depend on what they did. Absent: the accelerators were the engine's own, or no node says."
        ),
    )
    numerics_changed: Annotated[list[FlagName], Field(max_length=16, json_schema_extra=ATOMIC)] | None = Field(
        default=None,
        description=(
            "The flags that differ from the baseline and change what the model answers, for example quantization. The"
            " task does not measure the quality of answers: evaluate them first."
        ),
    )


class ObjectiveValue(Model):
    """An objective and the value that a configuration reaches in it."""

    metric: Word = Field(description="The figure that the objective optimises, for example TTFT.")
    statistic: Statistic | None = Field(default=None, description="The statistic of a latency, for example P99.")
    concurrency: Concurrency | None = Field(
        default=None,
        description=(
            "The number of users at which the value was measured; of MaxConcurrency the last level within the SLOs."
        ),
    )
    rate: Rate | None = Field(
        default=None, description="The requests per second at which the value was measured, in an open loop."
    )
    value: Figure = Field(description="The value in SI units: seconds, tokens/s, requests/s, users, a share or cost.")

    @property
    def offered(self) -> float:
        """What was offered: users of a closed loop, requests per second of an open one, or OWN_TIMES of a trace."""
        return self.rate or self.concurrency or OWN_TIMES


class Columns(Model):
    """Texts for `kubectl get`, which can print one field for each column."""

    objectives: Annotated[str, StringConstraints(max_length=253)] = Field(
        description="All objectives, for example OutputThroughputPerGPU, TTFT P99 at 8."
    )
    best: Word | None = Field(
        default=None,
        description=(
            "The best value with its unit, for example 1893 tok/s/GPU; with several objectives, the number of"
            " configurations of the Pareto front."
        ),
    )


class FrontPoint(Model):
    """A configuration that no other one beats in every objective."""

    experiment: ObjectName = Field(description="The name of the TuningExperiment that measured this configuration.")
    parameters: ChosenParameters | None = None
    args: Arguments = Field(description="The complete engine arguments, ready to paste into a command line.")
    values: Annotated[list[ObjectiveValue], Field(max_length=3, json_schema_extra=ATOMIC)] = Field(
        description="The value that the configuration reaches in each objective, in the order of spec.objectives."
    )


class Importance(Model):
    """A parameter and how much it matters for the objective."""

    name: FlagName = Field(description="The parameter's name.")
    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        description="The share of the objective's variance that the parameter explains, from 0 to 1."
    )


class FlagEffect(Model):
    """What one parameter of the best does, compared with what runs today."""

    name: FlagName = Field(description="The parameter's name.")
    value: EffectWord = Field(description="The value of the parameter in the best, as written; unset without one.")
    before: EffectWord | None = Field(
        default=None, description="The baseline's value; absent where the baseline leaves it to the engine."
    )
    source: Literal["Measured", "Estimated", "Unknown"] = Field(
        description=(
            "Measured: two experiments differ in this alone. Estimated: by the additive model. Unknown: too little was"
            " measured."
        )
    )
    compared_with: Literal["Baseline", "Average"] = Field(
        default="Baseline",
        description="Baseline: its value there. Average: that of the values searched, where the baseline's is none.",
    )
    percent: Real | None = Field(
        default=None,
        description="The gain in the objective, in percent, with what broken soft SLOs cost; positive is better.",
    )
    margin: Real | None = Field(
        default=None, description="Half of the 95 % interval of an estimate, in percentage points."
    )
    experiment: ObjectName | None = Field(
        default=None, description="The experiment that a measured effect is compared with."
    )


class ExpectedGain(Model):
    """What going on is expected to gain, as of the last proposal of the search."""

    expected_gain: Word = Field(
        description="What ten more experiments are expected to gain over the best so far, for example 0.8%."
    )
    per_gpu_hour: Word | None = Field(
        default=None,
        alias="perGPUHour",
        description=(
            "The expected gain for each GPU-hour that ten more experiments are expected to cost; absent until an"
            " experiment was measured."
        ),
    )


class Recommendation(Model):
    """Where to find the recommendation."""

    config_map: ObjectName = Field(
        description=(
            "The name of the ConfigMap that holds the InferenceService to apply, the report that explains it, and all"
            " experiments as CSV."
        )
    )


class KeptReport(Model):
    """Where to find the report as a page."""

    config_map: ObjectName = Field(
        description="The name of the ConfigMap that holds the page as report.html.gz, in its binaryData."
    )


class Preview(Model):
    """The dry run of a task that is suspended before its start: what it would deploy and cost."""

    config_map: ObjectName = Field(
        description="The name of the ConfigMap that holds the InferenceService of the first experiment."
    )
    gpu_hours: Real | None = Field(
        default=None,
        description=(
            "A rough estimate of the GPU-hours that the whole task would use; absent for engines without accelerators."
        ),
    )


class Probe(Model):
    """What the image's own parser told of the engine's flags (runtime.probe)."""

    image: ImageId = Field(description="The image that was asked.")
    started_at: Timestamp = Field(
        description="When the operator first wanted the probe; its deadline counts from here."
    )
    config_map: ObjectName | None = Field(
        default=None, description="The name of the ConfigMap that holds the flags; absent until they were told."
    )
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", max_length=64)] | None = Field(
        default=None, description="The SHA-256 of the flags in the ConfigMap: others are not used."
    )
    version: Word | None = Field(
        default=None, description="The engine's version as its package tells it; absent where it tells none."
    )
    flags: Count | None = Field(default=None, description="The number of flags.")
    failure: Annotated[str, StringConstraints(max_length=1024)] | None = Field(
        default=None,
        description="Why the probe failed. The task's flags are then judged by those that the operator knows.",
    )


class Usage(Model):
    """What the task has used so far; absent without accelerators. Running experiments count when they end."""

    gpu_hours: Real = Field(
        description=("The GPU-hours that finished experiments used, the baseline and repeats included.")
    )
    remaining_gpu_hours: Real | None = Field(
        default=None,
        alias="remainingGPUHours",
        description="The GPU-hours of budget.maxGPUHours that are left; absent without such a budget.",
    )


class TaskStatus(Model):
    """What the operator observed and decided for this task."""

    observed_generation: ObservedGeneration = None
    phase: TaskPhase | None = Field(
        default=None,
        description=(
            "Where the task stands, in one word. Confirming: it repeats the leading configurations and the baseline."
            " Programs should read the conditions."
        ),
    )
    conditions: Conditions | None = Field(
        default=None,
        description=(
            "Valid: the spec can run. ModelReady, RuntimeReady: model and runtime are there. Succeeded: the task has"
            " its answer. Finished: the task is over, with or without one. Reconciled: only while the operator meets"
            " the same error again and again."
        ),
    )
    message: Annotated[str, StringConstraints(max_length=1024)] | None = Field(
        default=None, description="What the task does or waits for, or how it ended, for people."
    )
    resolved: Resolved | None = None
    created: Created | None = None
    experiments: ExperimentCounts | None = None
    baseline: BaselineResult | None = None
    best: Best | None = None
    columns: Columns | None = None
    front: Annotated[list[FrontPoint], Field(max_length=FRONT_MAX, json_schema_extra=list_map("experiment"))] | None = (
        Field(
            default=None,
            description="With several objectives, instead of best: the configurations of the Pareto front.",
        )
    )
    importance: Annotated[list[Importance], Field(max_length=64, json_schema_extra=list_map("name"))] | None = Field(
        default=None,
        description=(
            "How much each parameter matters, the most important first: its share of the variance of log(objective)"
            " over the values searched, as an additive model estimates it (docs/results.md). The rest to 1 is"
            " interaction and noise. Absent until the end, or if too little was measured."
        ),
    )
    flag_effects: Annotated[list[FlagEffect], Field(max_length=32, json_schema_extra=list_map("name"))] | None = Field(
        default=None,
        description=(
            "What each parameter in which the best differs from the baseline does (docs/results.md). Absent until the"
            " end, with several objectives, and where the best is the baseline."
        ),
    )
    search: ExpectedGain | None = None
    recommendation: Recommendation | None = Field(
        default=None, description="Where to find the recommendation, once the task has succeeded."
    )
    report: KeptReport | None = Field(
        default=None,
        description="Where to find the report that the operator kept, once the task is finished (docs/report.md).",
    )
    preview: Preview | None = Field(
        default=None, description="The result of the dry run, while the task is suspended before its start."
    )
    probe: Probe | None = None
    usage: Usage | None = None
    defaults: FreeObject | None = Field(
        default=None,
        description=(
            "What the task took of the operator's taskDefaults when it started, because its spec did not say it, as a"
            " spec has it. Later changes of the taskDefaults do not reach a task that has started."
        ),
    )
    start_time: Timestamp | None = Field(
        default=None,
        description="When the task started: from then on its search is fixed, and budget.maxHours counts.",
    )
    completion_time: Timestamp | None = Field(default=None, description="When the task ended.")
    last_progress_time: Timestamp | None = Field(
        default=None, description="When the phase or the number of experiments last changed."
    )
