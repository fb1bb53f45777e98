"""The Grafana dashboard, built from what the operator measures; `python -m monitoring` writes it beside this.

`$namespace` is a task's namespace; figures of the operator itself are not filtered by it.
"""

from __future__ import annotations

from pathlib import Path
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

FILE = Path(__file__).with_suffix(".json")
_SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_TASKS = '{namespace=~"$namespace"}'
_WIDTH = 24


def _query(expression: str, legend: str = "", *, instant: bool = False) -> prometheus.Dataquery:
    query = prometheus.Dataquery().datasource(_SOURCE).expr(expression).legend_format(legend)
    return query.instant().format(PromQueryFormat.TABLE) if instant else query


def _graph(
    title: str, about: str, unit: str, *queries: prometheus.Dataquery, stacked: bool = False
) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(_SOURCE)
        .unit(unit)
        .min(0)
        .span(_WIDTH // 2)
        .height(8)
        .fill_opacity(30 if stacked else 5)
        .legend(common.VizLegendOptions().show_legend(True).placement(looks.LegendPlacement.BOTTOM))
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI))
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    for reference, query in zip(ascii_uppercase, queries, strict=False):
        panel = panel.with_target(query.ref_id(reference))
    return panel


def _figure(title: str, about: str, expression: str, unit: str = "short", alarm: float | None = None) -> stat.Panel:
    """One number; red from `alarm` on."""
    steps = [model.Threshold(value=None, color="text")]
    if alarm is not None:
        steps.append(model.Threshold(value=alarm, color="red"))
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(_SOURCE)
        .unit(unit)
        .span(_WIDTH // 6)
        .height(4)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
        .with_target(_query(expression).ref_id("A"))
    )


def _quantiles(metric: str, by: str) -> tuple[prometheus.Dataquery, ...]:
    """Median and 95th percentile of a histogram, by one label."""
    return tuple(
        _query(
            f"histogram_quantile({share}, sum by ({by}, le) (rate({metric}_bucket[$__rate_interval])))",
            f"{{{{{by}}}}} {name}",
        )
        for share, name in ((0.5, "p50"), (0.95, "p95"))
    )


def _now(board: dashboard.Dashboard) -> dashboard.Dashboard:
    hours = f"sum(increase(autotuner_gpu_seconds_total{_TASKS}[$__range])) / 3600"
    return (
        board.with_row(dashboard.Row("Now"))
        .with_panel(_figure("Active tasks", "Tasks that have started and not finished.", "sum(autotuner_tasks_active)"))
        .with_panel(
            _figure(
                "Active experiments", "Experiments between creation and release.", "sum(autotuner_experiments_active)"
            )
        )
        .with_panel(_figure("GPU-hours", "GPU-hours that experiments which ended in the time shown have used.", hours))
        .with_panel(
            _figure(
                "Stuck releases",
                "Experiments that hold accelerators beyond teardownSeconds.",
                f"sum(max by (namespace, experiment) (autotuner_teardown_stuck{_TASKS}))",
                alarm=1,
            )
        )
        .with_panel(
            _figure("Leaders", "Operators that act; there should be one in each installation.", "sum(autotuner_leader)")
        )
        .with_panel(_figure("Replicas", "Operator processes that answer.", "count(autotuner_build_info)"))
    )


def _tasks(board: dashboard.Dashboard) -> dashboard.Dashboard:
    by_task = "max by (namespace, task)"
    answers = (
        table.Panel()
        .title("Tasks")
        .description("Gain over the baseline and time since the last progress of each task.")
        .datasource(_SOURCE)
        .span(_WIDTH)
        .height(8)
        .show_header(True)
        .with_target(_query(f"{by_task} (autotuner_task_gain_percent{_TASKS})", instant=True).ref_id("gain"))
        .with_target(
            _query(f"time() - {by_task} (autotuner_task_progress_timestamp_seconds{_TASKS})", instant=True).ref_id(
                "idle"
            )
        )
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True},
                    "renameByName": {"Value #gain": "gain, %", "Value #idle": "since progress, s"},
                },
            )
        )
    )
    return (
        board.with_row(dashboard.Row("Tasks"))
        .with_panel(answers)
        .with_panel(
            _graph(
                "Best value so far",
                "The objective at the best configuration, in the unit of the task's objective.",
                "short",
                _query(f"max by (namespace, task, metric) (autotuner_task_best_value{_TASKS})", "{{task}} {{metric}}"),
            )
        )
        .with_panel(
            _graph(
                "GPU-hours by task",
                "Rate at which ended experiments used accelerators.",
                "short",
                _query(
                    f"sum by (namespace, task) (increase(autotuner_gpu_seconds_total{_TASKS}[1h])) / 3600",
                    "{{namespace}}/{{task}}",
                ),
                stacked=True,
            )
        )
    )


def _experiments(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("Experiments"))
        .with_panel(
            _graph(
                "Ended, by reason",
                "Ended experiments per hour. Completed and SLOViolated were measured; a failed engine is a result too.",
                "short",
                _query("sum by (reason) (increase(autotuner_experiments_total[1h])) > 0", "{{reason}}"),
                stacked=True,
            )
        )
        .with_panel(
            _graph(
                "Active, by phase",
                "What the experiments under way are doing.",
                "short",
                _query("sum by (phase) (autotuner_experiments_active)", "{{phase}}"),
                stacked=True,
            )
        )
        .with_panel(
            _graph(
                "Share of time, by step",
                "Everything but startup and benchmark is time in which accelerators wait.",
                "percentunit",
                _query(
                    "sum by (step) (rate(autotuner_experiment_step_seconds_sum[6h]))"
                    " / on () group_left () sum(rate(autotuner_experiment_step_seconds_sum[6h]))",
                    "{{step}}",
                ),
                stacked=True,
            )
        )
        .with_panel(
            _graph(
                "Seconds per step",
                "The share of experiments that ended within six hours.",
                "s",
                _query(
                    "histogram_quantile(0.5, sum by (step, le) (rate(autotuner_experiment_step_seconds_bucket[6h])))",
                    "{{step}} p50",
                ),
            )
        )
    )


def _operator(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("Operator"))
        .with_panel(
            _graph(
                "Event to action",
                "The time from an event to the end of the reconcile that answers it.",
                "s",
                *_quantiles("autotuner_event_to_action_seconds", "queue"),
            )
        )
        .with_panel(
            _graph(
                "Reconcile", "How long one reconcile takes.", "s", *_quantiles("autotuner_reconcile_seconds", "queue")
            )
        )
        .with_panel(
            _graph(
                "Errors",
                "Reconciles that failed and are retried, per second.",
                "short",
                _query("sum by (queue) (rate(autotuner_reconcile_errors_total[$__rate_interval]))", "{{queue}}"),
            )
        )
        .with_panel(
            _graph(
                "Queue depth",
                "Objects that wait for a reconcile.",
                "short",
                _query("sum by (queue) (autotuner_queue_depth)", "{{queue}}"),
            )
        )
        .with_panel(
            _graph(
                "Left behind",
                "Objects that an ended experiment still owned, deleted since the start; and objects that only bear the"
                " labels of one, which are left alone.",
                "short",
                _query("sum by (kind) (autotuner_leftovers_total)", "{{kind}} deleted"),
                _query("max by (namespace, kind) (autotuner_foreign_objects)", "{{namespace}} {{kind}} foreign"),
            )
        )
    )


def build() -> model.Dashboard:
    """The dashboard as an object."""
    namespaces = (
        dashboard.QueryVariable("namespace")
        .label("Namespace of the tasks")
        .datasource(_SOURCE)
        .query("label_values(autotuner_gpu_seconds_total, namespace)")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )
    board = (
        dashboard.Dashboard("autotuner")
        .uid("autotuner")
        .description("What TuningTasks found, what they cost, and how the operator does.")
        .tags(["autotuner", "llm"])
        .refresh("30s")
        .time("now-6h", "now")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(namespaces)
    )
    built = _operator(_experiments(_tasks(_now(board)))).build()
    for number, panel in enumerate(built.panels or [], 1):
        panel.id_val = number
    return built


def render() -> str:
    """The dashboard as the file holds it."""
    return JSONEncoder(sort_keys=True, indent=2).encode(build()) + "\n"
