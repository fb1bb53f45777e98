"""TuningTask.status: what was observed and decided."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from autotuner.api.common import (
    ATOMIC,
    Arguments,
    Concurrency,
    Conditions,
    Count,
    EngineName,
    FlagName,
    Model,
    ObjectName,
    Parameter,
    Real,
    ShortName,
    Statistic,
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
    Field(max_length=32, json_schema_extra=list_map("name"), description="Absent for the baseline."),
]
# More digits are more than was measured, and nobody reads a float's tail.
Figure = Annotated[Real, AfterValidator(lambda value: float(f"{value:.6g}"))]
Breaks = Annotated[
    list[Annotated[str, StringConstraints(max_length=253)]],
    Field(
        max_length=10,
        json_schema_extra=ATOMIC,
        description="Soft SLOs that it breaks where its value was measured, and by how much at worst.",
    ),
]
TaskPhase = Literal["Pending", "Running", "Confirming", "Succeeded", "Failed", "Suspended"]


class Removed(Model):
    """What one rule removed from the search space."""

    rule: Annotated[str, StringConstraints(max_length=253)]
    count: SpaceSize


class Resolved(Model):
    """What the words of the spec came to."""

    model: ObjectName
    runtime: ObjectName
    engine: EngineName
    configurations: SpaceSize = Field(description="Configurations that can be chosen.")
    estimated: bool = Field(default=False, description="The number is an estimate: the space is too large to count.")
    removed_by: Annotated[list[Removed], Field(max_length=64, json_schema_extra=list_map("rule"))] | None = Field(
        default=None, description="How many configurations each rule removed, in the order of the rules."
    )
    accelerator: Word | None = None


class Created(Model):
    """Objects that this task created; they stay when it goes, for the next task."""

    cluster_base_model: ObjectName | None = None
    base_model: ObjectName | None = None
    cluster_serving_runtime: ObjectName | None = None
    serving_runtime: ObjectName | None = None

    def including(self, kind: str, name: str) -> Created:
        """These and one more."""
        return Created.model_validate({**self.dump(), f"{kind[0].lower()}{kind[1:]}": name})


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
    reused: Count | None = Field(
        default=None, description="Finished experiments of others that answered for this task (search.reuse)."
    )
    reasons: Annotated[list[ReasonCount], Field(max_length=32, json_schema_extra=list_map("reason"))] | None = None


class BaselineResult(Model):
    """The baseline's experiment and its value, if it has one; once it was measured again, that of its repeats."""

    experiment: ObjectName
    value: Figure | None = None
    breaks: Breaks | None = None


class BestLevel(Model):
    """The level that the value was measured at."""

    scenario: ShortName = Field(
        description=(
            "Of several the first: the value is the weighted mean of all at this concurrency, each of which is in the"
            " report."
        )
    )
    concurrency: Concurrency


class Confidence(Model):
    """How far the gain can be trusted: a 95 % interval of it, from measuring leaders and baseline again."""

    verdict: Verdict
    low: Real | None = Field(default=None, description="The gain's lower bound in percent.")
    high: Real | None = Field(default=None, description="The gain's upper bound in percent.")
    repeats: Count | None = Field(
        default=None, description="How often the best was measured again and kept the hard SLOs."
    )


class Best(Model):
    """The best configuration so far that keeps every hard SLO; once it was measured again, by its repeats."""

    experiment: ObjectName = Field(description="That found it; its repeats are not named.")
    parameters: ChosenParameters | None = None
    args: Arguments = Field(description="Ready to paste into the engine's command line.")
    value: Figure = Field(description="Of the objective; of several repeats the geometric mean.")
    gain: Word | None = Field(
        default=None, description="Over the baseline, with what broken soft SLOs cost; positive is better."
    )
    gain_percent: Real | None = Field(default=None, description="The same as a number.")
    breaks: Breaks | None = None
    confidence: Confidence
    level: BestLevel
    metrics: Level
    numerics_changed: Annotated[list[FlagName], Field(max_length=16, json_schema_extra=ATOMIC)] | None = Field(
        default=None,
        description=(
            "Flags that differ from the baseline's and change what the model answers: its quality was not measured."
        ),
    )


class ObjectiveValue(Model):
    """What a configuration reaches in one objective, in SI units."""

    metric: Word
    statistic: Statistic | None = Field(default=None, description="Of a latency.")
    concurrency: Concurrency | None = Field(
        default=None, description="Of a latency: the level at which it is judged; the highest of the ladder if absent."
    )
    value: Figure


class FrontPoint(Model):
    """A configuration that no other one beats in every objective."""

    experiment: ObjectName
    parameters: ChosenParameters | None = None
    args: Arguments = Field(description="Ready to paste into the engine's command line.")
    values: Annotated[list[ObjectiveValue], Field(max_length=3, json_schema_extra=ATOMIC)] = Field(
        description="In the order of the objectives."
    )


class Importance(Model):
    """How much one parameter explains."""

    name: FlagName
    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Recommendation(Model):
    """What to do with the answer."""

    config_map: ObjectName = Field(
        description="Holds the InferenceService to apply, the report that explains it, and all experiments as CSV."
    )


class Preview(Model):
    """What a suspended task would do."""

    config_map: ObjectName = Field(description="Holds the InferenceService of the first experiment.")
    gpu_hours: Real = Field(description="A rough estimate of the whole search.")


class Usage(Model):
    """What the task has cost; advances when experiments end."""

    gpu_hours: Real
    remaining_gpu_hours: Real | None = Field(
        default=None, alias="remainingGPUHours", description="Of budget.maxGPUHours; what runs is not yet taken off."
    )


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
    front: Annotated[list[FrontPoint], Field(max_length=FRONT_MAX, json_schema_extra=list_map("experiment"))] | None = (
        Field(default=None, description="With several objectives, instead of best.")
    )
    importance: Annotated[list[Importance], Field(max_length=64, json_schema_extra=list_map("name"))] | None = Field(
        default=None,
        description=(
            "At the end: each parameter's share of the variance of log(objective) over the values searched, by the"
            " variance components of an additive model (restricted maximum likelihood). What is missing to 1 is"
            " interaction and noise. Absent where too little was measured."
        ),
    )
    recommendation: Recommendation | None = Field(default=None, description="Once the task has succeeded.")
    preview: Preview | None = Field(default=None, description="While suspended before the start.")
    usage: Usage | None = None
    start_time: Timestamp | None = None
    completion_time: Timestamp | None = None
    last_progress_time: Timestamp | None = None
