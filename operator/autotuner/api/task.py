"""TuningTask: the user's request to find the best engine parameters for a model, its traffic and its SLOs."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import ConfigDict, Field, StringConstraints

from autotuner.api.benchmark import LADDER_RULES, Timeouts, Traffic
from autotuner.api.common import (
    ATOMIC,
    TASK_NAME_MAX,
    WITH_DEFAULTS,
    Arguments,
    LabelKey,
    LabelMap,
    Model,
    ObjectName,
    OwnAnnotations,
    OwnLabels,
    QueueName,
    ResourceName,
    Switch,
    TaskBackend,
    Tolerations,
    cel,
    explained,
    name_rule,
    rules,
    unchanged,
    unchanged_items,
)
from autotuner.api.goals import SLO_TEXTS, Objective, Slos
from autotuner.api.model_and_runtime import Target, TaskModel, TaskRuntime
from autotuner.api.parameters import (
    CONSTRAINT_TEXTS,
    Constraints,
    Parallelism,
    Quantization,
    SearchParameters,
    StartPoints,
)
from autotuner.api.task_status import TaskStatus

GpuHourPrice = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9]*[1-9][0-9]*(\.[0-9]+)?|[0-9]+\.[0-9]*[1-9][0-9]*)$", max_length=14),
    Field(json_schema_extra=explained('write a decimal number above zero in quotes, for example "2.50"')),
]

_PERCENT = r"^(100(\.00?)?|[1-9][0-9]?(\.[0-9]{1,2})?|0\.([1-9][0-9]?|0[1-9]))%$"
LeastGain = Annotated[
    str,
    StringConstraints(pattern=_PERCENT, max_length=7),
    Field(json_schema_extra=explained("write a percentage from 0.01% to 100%, for example 1%")),
]


class Baseline(Model):
    """The configuration that runs today. The task measures it first and reports the gain over it."""

    args: Arguments = Field(
        default=[],
        description=("The engine arguments that run today; an empty list means the runtime's own arguments."),
    )


class Confirm(Model):
    """How the task confirms its result, if it has one objective.

    It repeats the leading configurations and the baseline in alternating blocks.
    """

    top: Annotated[int, Field(ge=1, le=5)] = Field(
        default=2, description=("The number of leading configurations to repeat beside the baseline.")
    )
    max_repeats: Annotated[int, Field(ge=0, le=10)] = Field(
        default=4,
        description=(
            "The most repeats of each configuration; the confirmation ends earlier when the verdict is clear. Fewer"
            " than 4 repeats can seldom prove a small gain. With 0 or 1 nothing is confirmed: the verdict is"
            " Unconfirmed."
        ),
    )
    same_node: bool = Field(
        default=False,
        description=(
            "true: all runs of a block are on one node, that of the block's first run, so that no difference of nodes"
            " is taken for one of configurations. While the node is away they wait, at most timeouts.queueSeconds."
        ),
    )


class Reuse(Model):
    """Which results of earlier tasks this task may use instead of measuring again.

    The task uses finished experiments of its namespace with the same model, runtime, image, accelerator, arguments
    and benchmark, whoever made them, if they measured the whole ladder. It always measures the baseline itself, which
    fixes the image and the accelerator to compare with.
    """

    max_age_hours: Annotated[int, Field(ge=1, le=8760)] = Field(
        default=168,
        description="The age limit in hours: how long before the start of this task an experiment may have finished.",
    )


class Search(Model):
    """How the task searches, confirms its result and reuses earlier results."""

    strategy: Literal["Bayesian", "Random", "Grid"] = Field(
        default="Bayesian",
        description=(
            "How the search chooses configurations. Bayesian: it learns from every experiment which one to measure next"
            " (docs/search.md). Random: in a random order that the seed decides. Grid: in the order in which the spec"
            " lists the values."
        ),
    )
    max_experiments: Annotated[int, Field(ge=1, le=1000)] = Field(
        description=(
            "The number of configurations to measure. Neither the baseline nor repeats count. It may be changed while"
            " the task runs."
        )
    )
    parallel_experiments: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1,
        description=(
            "The most experiments of the search that run at the same time. The baseline and the repeats of the"
            " confirmation run alone. It may be changed while the task runs: what runs then is not cancelled."
        ),
    )
    max_gpus: Annotated[int, Field(ge=1, le=65_536)] | None = Field(
        default=None,
        alias="maxGPUs",
        description=(
            "The most GPUs that running experiments of the task may hold together; absent: as many as they need."
            " Configurations that need more are not measured. It may be changed while the task runs: what runs then is"
            " not cancelled."
        ),
    )
    seed: Annotated[int, Field(ge=0, le=2147483647)] = Field(
        default=0, description="The seed of all random choices: the same seed proposes the same configurations."
    )
    start_points: StartPoints | None = Field(
        default=None, description=("Configurations that the search measures first, after the baseline.")
    )
    min_expected_gain: LeastGain | None = Field(
        default=None,
        description=(
            "End the search when ten more experiments are expected to gain less than this over the best so far, for"
            " example 1%; absent: never. The task then confirms its best and succeeds. It needs strategy Bayesian and"
            " one objective (docs/search.md)."
        ),
    )
    confirm: Confirm = Confirm()
    reuse: Reuse | None = Field(
        default=None,
        description=(
            "Use results of earlier experiments in this namespace instead of measuring the same again; absent: measure"
            " everything. Reused results do not count as experiments. The baseline is always measured."
        ),
    )


class Budget(Model):
    """What the task may cost at most. The search ends early enough to leave a reserve for the confirmation.

    The budget may be changed while the task runs.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "has(self.maxGPUHours) || has(self.maxHours) || has(self.maxFailedExperiments)",
                "give maxGPUHours, maxHours or maxFailedExperiments, or leave out the budget",
            )
        )
    )

    max_gpu_hours: Annotated[float, Field(ge=0.01, le=1_000_000, allow_inf_nan=False)] | None = Field(
        default=None,
        alias="maxGPUHours",
        description=(
            "The most GPU-hours that all experiments may use together. An engine uses its GPUs from the moment it has a"
            " node until it is released. What still runs when they are used up is cancelled."
        ),
    )
    max_hours: Annotated[float, Field(ge=0.01, le=8760, allow_inf_nan=False)] | None = Field(
        default=None,
        description=(
            "The most hours since the task started, including the time that it waits or is suspended. What still runs"
            " when they are over is cancelled."
        ),
    )
    max_failed_experiments: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None,
        description=(
            "The most experiments that may end without figures, retries included, before the search ends. What was"
            " measured until then is confirmed and recommended. Those that somebody cancels do not count."
        ),
    )


class TaskBenchmark(Traffic):
    """The traffic that every experiment is measured with."""

    model_config = ConfigDict(json_schema_extra=rules(*LADDER_RULES))


class Placement(Model):
    """On which nodes engines may run, which accelerators they ask for, and in which queue they wait."""

    node_selector: LabelMap | None = Field(default=None, description="Labels that a node must have to run engines.")
    tolerations: Tolerations | None = Field(
        default=None, description="Taints of nodes that engines tolerate, and benchmarks that run on the engine's node."
    )
    accelerator_resource: ResourceName = Field(
        default="nvidia.com/gpu",
        description=(
            "The extended resource that engines request, one for each accelerator; empty: engines request none."
        ),
    )
    accelerator_label: LabelKey | None = Field(
        default=None,
        description=(
            "The node label that says the model of accelerator. All experiments run on the model that the baseline ran"
            " on. Absent: the resource's own, for example nvidia.com/gpu.product or amd.com/gpu.product-name"
            " (docs/accelerators.md)."
        ),
    )
    allow_shared: Switch = Field(
        default=False,
        description=(
            "true: also use accelerators that other pods may use at the same time (time slicing, MPS). Figures then"
            " depend on what these do, and every verdict says so. false: a node that shares them is refused."
        ),
    )
    queue_name: QueueName | None = Field(
        default=None,
        description=(
            "The LocalQueue of this namespace in which Kueue queues engines and benchmarks; absent: none. Both need"
            " room at the same time, also for CPU and memory if the queue covers them, or the benchmark waits for ever"
            " beside its engine (docs/kueue.md)."
        ),
    )
    priority_class_name: ObjectName | None = Field(
        default=None,
        description=(
            "The PriorityClass of the pods of engines and benchmarks, for the scheduler and for Kueue; absent: the"
            " cluster's default."
        ),
    )
    workload_priority_class_name: QueueName | None = Field(
        default=None,
        description=(
            "The WorkloadPriorityClass of engines and benchmarks, which orders Kueue's queue and means nothing to the"
            " scheduler; absent: Kueue goes by the PriorityClass."
        ),
    )
    labels: OwnLabels | None = Field(
        default=None,
        description=(
            "Labels of everything that is made for an experiment: what serves its engine, the Job, and their pods. For"
            " example a cost centre, or what a policy demands."
        ),
    )
    annotations: OwnAnnotations | None = Field(
        default=None,
        description=(
            "Annotations of everything that is made for an experiment: what serves its engine, the Job, and their pods."
            " For example karpenter.sh/do-not-disrupt."
        ),
    )


class TaskSpec(Model):
    """What to tune, with which traffic, for which objectives, and how to search.

    You may edit everything until the task has started (status.startTime). After that only suspend, budget, timeouts,
    search.maxExperiments, search.parallelExperiments and search.maxGPUs may change.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "has(self.target) ? !has(self.model) && !has(self.runtime) : has(self.model) && has(self.runtime)",
                "give either target, or model and runtime",
            ),
            cel(
                "!has(self.target) || self.backend == 'Auto'",
                "a target says itself what serves it",
                fieldPath=".backend",
            ),
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
                "!self.objectives.exists(o, o.metric in ['MaxConcurrency', 'MaxRequestRate'])"
                " || (has(self.slos) && self.slos.exists(s, (has(s.max) || s.metric == 'Attainment')"
                " && (!has(s.enforcement) || s.enforcement == 'Hard') && (!has(s.perRequest) || !s.perRequest)))",
                "MaxConcurrency and MaxRequestRate are the users and the rate within the hard SLOs: give one with max",
                fieldPath=".objectives",
            ),
            cel(
                "self.objectives.all(o, self.objectives.exists_one(x, x == o))",
                "must not repeat an objective",
                fieldPath=".objectives",
            ),
        )
    )

    suspend: Switch = Field(
        default=False,
        description=(
            "true: start nothing, cancel running experiments and free their GPUs; false: go on. A task that is created"
            " with suspend: true makes a dry run: it shows the search space, the cost and the first InferenceService."
        ),
    )
    backend: TaskBackend = Field(
        default="Auto",
        description=(
            "What serves the engines of model and runtime presets. OME: an InferenceService. Deployment: a Deployment"
            " and a Service of the operator's own, with the same command, arguments, probes and resources. Auto: OME"
            " where its kinds are served, else Deployment."
        ),
    )
    target: Target | None = Field(
        default=None,
        description=(
            "What serves today, to be tuned as it is: its pod is copied, and its arguments are the baseline. Give"
            " either target or model and runtime."
        ),
    )
    # What is read of a target takes the place of both: see policy.target_spec.
    model: TaskModel = Field(default=cast(TaskModel, None))
    runtime: TaskRuntime = Field(default=cast(TaskRuntime, None))
    parameters: SearchParameters = Field(
        default=[], description="The search space: the engine flags to tune, each with the values to try."
    )
    constraints: Constraints | None = Field(
        default=None, description="Rules that every configuration of the search must keep."
    )
    parallelism: Parallelism | None = None
    quantization: Quantization | None = None
    baseline: Baseline | None = None
    benchmark: TaskBenchmark
    objectives: Annotated[list[Objective], Field(min_length=1, max_length=3, json_schema_extra=ATOMIC)] = Field(
        description=(
            "What to optimise. With one objective the task finds a best configuration. With two or three it finds a"
            " Pareto front: the configurations that no other one beats in every objective."
        )
    )
    slos: Slos | None = Field(
        default=None, description="Limits that the best configuration must keep, for example TTFT P99 at most 500ms."
    )
    gpu_hour_price: GpuHourPrice | None = Field(
        default=None,
        description=(
            'What one accelerator costs in an hour, in any currency, as a decimal number in quotes, for example "2.50".'
            " The objective CostPerMillionTokens needs it."
        ),
    )
    search: Search
    budget: Budget | None = Field(
        default=None,
        description=(
            "What the task may cost at most; absent: only search.maxExperiments limits it. The search ends early enough"
            " to leave a reserve for the confirmation. The budget may be changed while the task runs."
        ),
    )
    timeouts: Timeouts = Timeouts()
    placement: Placement = Placement()


_UNCHANGED = " && ".join(
    [
        unchanged(field, root="spec.")
        for field in (
            "backend",
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
            "target",
            "model",
            "runtime",
            "parallelism",
            "quantization",
            "baseline",
            "gpuHourPrice",
            "search.startPoints",
            "search.minExpectedGain",
            "search.reuse",
        )
    ]
    + [
        unchanged_items("constraints", CONSTRAINT_TEXTS, root="spec."),
        unchanged_items("slos", SLO_TEXTS, root="spec."),
    ]
)


class TuningTask(Model):
    """A task that finds the best inference-engine parameters for a model by measuring them on this cluster."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            name_rule(TASK_NAME_MAX),
            cel(
                f"!(has(oldSelf.status) && has(oldSelf.status.startTime)) || ({_UNCHANGED})",
                "the task has started: only suspend, budget, timeouts, search.maxExperiments,"
                " search.parallelExperiments and search.maxGPUs may still change; to search for something else, create"
                " another TuningTask",
                fieldPath=".spec",
                reason="FieldValueForbidden",
            ),
        )
    )

    spec: TaskSpec
    status: TaskStatus | None = Field(default=None, json_schema_extra=WITH_DEFAULTS)
