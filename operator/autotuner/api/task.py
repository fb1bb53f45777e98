"""TuningTask: the user's wish. Find the best engine parameters for this model, traffic and promises."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from autotuner.api.benchmark import LADDER_RULE, Timeouts, Traffic
from autotuner.api.common import (
    ATOMIC,
    TASK_NAME_MAX,
    Arguments,
    LabelMap,
    Model,
    Tolerations,
    cel,
    explained,
    name_rule,
    rules,
    unchanged,
)
from autotuner.api.goals import Objective, Slos
from autotuner.api.model_and_runtime import TaskModel, TaskRuntime
from autotuner.api.parameters import Constraints, Parallelism, Quantization, SearchParameters, StartPoints
from autotuner.api.task_status import TaskStatus

GpuHourPrice = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9]*[1-9][0-9]*(\.[0-9]+)?|[0-9]+\.[0-9]*[1-9][0-9]*)$", max_length=14),
    Field(json_schema_extra=explained('write a decimal number above zero in quotes, for example "2.50"')),
]


class Baseline(Model):
    """What runs today; the gain is measured against it."""

    args: Arguments = Field(default=[], description="Engine arguments; empty for the runtime's own.")


class Confirm(Model):
    """How the best is confirmed: the leaders and the baseline are measured again, in turns."""

    top: Annotated[int, Field(ge=1, le=5)] = Field(default=2, description="How many of the best are measured again.")
    max_repeats: Annotated[int, Field(ge=0, le=10)] = Field(
        default=4,
        description=(
            "How often each is measured again at most; it ends earlier when the verdict is clear. Fewer than 4 can"
            " seldom show a small gain; 0 and 1 confirm nothing, and the verdict is Unconfirmed."
        ),
    )


class Reuse(Model):
    """Whose results count: all of this namespace with the same model, runtime, image, accelerator and benchmark.

    The baseline is always measured anew: it fixes the image and the accelerator that others are held against.
    """

    max_age_hours: Annotated[int, Field(ge=1, le=8760)] = Field(
        default=168, description="How long before the start of the task they may have been finished."
    )


class Search(Model):
    """How to search."""

    strategy: Literal["Bayesian", "Random", "Grid"] = Field(
        default="Bayesian",
        description="How configurations are chosen. Bayesian: each from what all before have taught (docs/search.md);"
        " Random: in an order that the seed decides; Grid: in the order in which they are written.",
    )
    max_experiments: Annotated[int, Field(ge=1, le=1000)] = Field(
        description="Configurations to measure; the baseline does not count."
    )
    seed: Annotated[int, Field(ge=0, le=2147483647)] = Field(
        default=0, description="The same seed proposes the same configurations."
    )
    start_points: StartPoints | None = Field(default=None, description="Configurations to measure first.")
    confirm: Confirm = Confirm()
    reuse: Reuse | None = Field(
        default=None,
        description=(
            "Let finished experiments of this namespace answer instead of measuring again; whole ladders only, whoever"
            " made them. The baseline is measured anew."
        ),
    )


class Budget(Model):
    """What the search and its confirmation may cost; GPU-hours for the confirmation are kept back from the search."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("has(self.maxGPUHours) || has(self.maxHours)", "give maxGPUHours or maxHours, or leave out the budget")
        )
    )

    max_gpu_hours: Annotated[float, Field(ge=0.01, le=1_000_000, allow_inf_nan=False)] | None = Field(
        default=None,
        alias="maxGPUHours",
        description="Of all experiments together, from a node until their release. What runs at the end is cancelled.",
    )
    max_hours: Annotated[float, Field(ge=0.01, le=8760, allow_inf_nan=False)] | None = Field(
        default=None, description="Since the start, waiting and suspension included. What runs at the end is cancelled."
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
    """The search: free to edit until it has started, then fixed but for suspend, budget, timeouts, maxExperiments."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "(has(self.parameters) && self.parameters.size() > 0) || has(self.parallelism)"
                " || has(self.quantization)",
                "there is nothing to search: give parameters, parallelism or quantization",
                fieldPath=".parameters",
            ),
            cel(
                "has(self.gpuHourPrice) || !self.objectives.exists(o, o.metric == 'CostPerMillionTokens')",
                "the objective CostPerMillionTokens needs gpuHourPrice: what one accelerator costs in an hour",
                fieldPath=".objectives",
            ),
            cel(
                "!self.objectives.exists(o, o.metric == 'MaxConcurrency')"
                " || (has(self.slos) && self.slos.exists(s, has(s.max) && s.enforcement == 'Hard'))",
                "the objective MaxConcurrency counts the users within the hard SLOs: give one with max",
                fieldPath=".objectives",
            ),
            cel(
                "self.objectives.all(o, self.objectives.exists_one(x, x == o))",
                "must not repeat an objective",
                fieldPath=".objectives",
            ),
        )
    )

    suspend: bool = Field(
        default=False, description="Start nothing; running experiments are cancelled and their GPUs freed."
    )
    model: TaskModel
    runtime: TaskRuntime
    parameters: SearchParameters = Field(default=[], description="The search space: flags of the engine.")
    constraints: Constraints | None = Field(default=None, description="Rules that every configuration must keep.")
    parallelism: Parallelism | None = None
    quantization: Quantization | None = None
    baseline: Baseline | None = None
    benchmark: TaskBenchmark
    objectives: Annotated[list[Objective], Field(min_length=1, max_length=3, json_schema_extra=ATOMIC)] = Field(
        description="One: there will be a best. Two or three: a Pareto front, none of which is worse in everything."
    )
    slos: Slos | None = Field(default=None, description="Promises that the best configuration must keep.")
    gpu_hour_price: GpuHourPrice | None = Field(
        default=None, description='Of one accelerator, in any currency, as a decimal string: "2.50".'
    )
    search: Search
    budget: Budget | None = Field(default=None, description="May be changed while the task runs.")
    timeouts: Timeouts = Timeouts()
    placement: Placement = Placement()


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
            "search.confirm",
            "placement",
        )
    ]
    + [
        unchanged(field, root="spec.", optional=True)
        for field in (
            "constraints",
            "parallelism",
            "quantization",
            "baseline",
            "slos",
            "gpuHourPrice",
            "search.startPoints",
            "search.reuse",
        )
    ]
)


class TuningTask(Model):
    """Finds the best inference-engine parameters for a model by measuring them on this cluster."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            name_rule(TASK_NAME_MAX),
            cel(
                f"!(has(oldSelf.status) && has(oldSelf.status.startTime)) || ({_UNCHANGED})",
                "the task has started: only suspend, budget, timeouts and search.maxExperiments may still change;"
                " to search for something else, create another TuningTask",
                fieldPath=".spec",
                reason="FieldValueForbidden",
            ),
        )
    )

    spec: TaskSpec
    status: TaskStatus | None = None
