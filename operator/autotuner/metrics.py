"""The operator's Prometheus metrics.

Counters and histograms begin at 0 with the process. What is said of single objects is computed from them when it is
asked for, so it is right again after a restart, and a deleted object is not spoken of.
"""

from __future__ import annotations

import collections
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics import disable_created_metrics
from prometheus_client.registry import Collector

from autotuner import __version__, clock
from autotuner.kube import ConflictError
from autotuner.policy.experiment.reasons import REASONS

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not say that it returns nothing
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SLOW = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)

Info("autotuner_build", "The version of the operator that runs.", registry=REGISTRY).info({"version": __version__})
LEADER = Gauge("autotuner_leader", "1 if this operator acts, 0 if it stands by.", registry=REGISTRY)
EXPERIMENTS = Counter("autotuner_experiments", "Experiments that ended, by reason.", ["reason"], registry=REGISTRY)
STEP_SECONDS = Histogram(
    "autotuner_experiment_step_seconds",
    "Duration of the steps of ended experiments: queue, pull, startup, benchmark, teardown.",
    ["step"],
    buckets=_SLOW,
    registry=REGISTRY,
)
GPU_SECONDS = Counter(
    "autotuner_gpu_seconds",
    "Accelerator seconds of ended experiments, until their last pod was gone; task is empty for those of no task.",
    ["namespace", "task"],
    registry=REGISTRY,
)
EVENT_TO_ACTION_SECONDS = Histogram(
    "autotuner_event_to_action_seconds",
    "Time from an event about an object to the end of the reconcile that answered it.",
    ["queue"],
    buckets=_FAST,
    registry=REGISTRY,
)
RECONCILE_SECONDS = Histogram(
    "autotuner_reconcile_seconds", "Duration of reconciles.", ["queue"], buckets=_FAST, registry=REGISTRY
)
RECONCILE_ERRORS = Counter(
    "autotuner_reconcile_errors", "Reconciles that failed and are retried.", ["queue"], registry=REGISTRY
)
LEFTOVERS = Counter(
    "autotuner_leftovers",
    "Objects that were found and deleted because an ended experiment still owned them, by kind.",
    ["kind"],
    registry=REGISTRY,
)
FOREIGN_OBJECTS = Gauge(
    "autotuner_foreign_objects",
    "Objects that bear an experiment's labels and that none owns, by kind; the operator leaves them alone.",
    ["namespace", "kind"],
    registry=REGISTRY,
)
QUEUE_DEPTH = Gauge("autotuner_queue_depth", "Objects that wait for a reconcile.", ["queue"], registry=REGISTRY)

# The time stamps in a TuningExperiment's status that begin and end a step.
_STEPS = {
    "queue": ("created", "scheduled"),
    "pull": ("scheduled", "containerStarted"),
    "startup": ("containerStarted", "engineReady"),
    "benchmark": ("engineReady", "benchmarkFinished"),
    "teardown": ("benchmarkFinished", "released"),
}
_ACTIVE_PHASES = ("Pending", "Queued", "Pulling", "Starting", "Benchmarking", "Releasing")

# To increase() and rate() the first value of a series is no increase: series that can be known begin at 0.
for _reason in REASONS:
    EXPERIMENTS.labels(_reason)
for _step in _STEPS:
    STEP_SECONDS.labels(_step)


def set_foreign_objects(counts: Mapping[tuple[str, str], int]) -> None:
    """Tell how many foreign objects there are now, by namespace and kind."""
    FOREIGN_OBJECTS.clear()
    for key, count in counts.items():
        FOREIGN_OBJECTS.labels(*key).set(count)


class QueueFigures:
    """The figures of one work queue."""

    def __init__(self, queue: str, depth: Callable[[], int]) -> None:
        QUEUE_DEPTH.labels(queue).set_function(depth)
        self._errors = RECONCILE_ERRORS.labels(queue)
        self._seconds = RECONCILE_SECONDS.labels(queue)
        self._latency = EVENT_TO_ACTION_SECONDS.labels(queue)

    @contextlib.contextmanager
    def timed(self, woken: float | None) -> Iterator[None]:
        """Time one reconcile; `woken` is when the event that it answers came (monotonic seconds), if it answers one.

        A conflict is no error: the object was changed by somebody else, and the pass looks again.
        """
        begun = time.monotonic()
        try:
            yield
        except ConflictError:
            raise
        except Exception:
            self._errors.inc()
            raise
        finally:
            self._seconds.observe(time.monotonic() - begun)
        if woken is not None:
            self._latency.observe(time.monotonic() - woken)


def steps(times: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of each step of an experiment whose both ends are known."""
    lengths = {step: clock.seconds_between(times.get(begin), times.get(end)) for step, (begin, end) in _STEPS.items()}
    return {step: seconds for step, seconds in lengths.items() if seconds is not None}


def count_experiment(namespace: str, task: str, status: Mapping[str, Any]) -> None:
    """An experiment has ended, and its final status is written."""
    EXPERIMENTS.labels(status.get("reason", "")).inc()
    GPU_SECONDS.labels(namespace, task).inc(status.get("gpuSeconds") or 0.0)
    for step, seconds in steps(status.get("times") or {}).items():
        STEP_SECONDS.labels(step).observe(seconds)


class Objects(Collector):
    """What there is to say of the tasks and experiments that the watches have delivered."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._experiments: dict[tuple[str, str], Mapping[str, Any]] = {}

    def task(self, body: Mapping[str, Any], *, gone: bool) -> None:
        """A TuningTask was delivered."""
        key = (body["metadata"]["namespace"], body["metadata"]["name"])
        if not gone:
            self._tasks[key] = _task_figures(body)
            GPU_SECONDS.labels(*key)  # from 0 on
            return
        self._tasks.pop(key, None)
        with contextlib.suppress(KeyError):
            GPU_SECONDS.remove(*key)

    def experiment(self, body: Mapping[str, Any], *, gone: bool) -> None:
        """A TuningExperiment was delivered."""
        key = (body["metadata"]["namespace"], body["metadata"]["name"])
        if gone:
            self._experiments.pop(key, None)
        else:
            self._experiments[key] = _experiment_figures(body)

    def collect(self) -> Iterator[Metric]:
        """The gauges now; see `prometheus_client`."""
        active = sum(figures["active"] for figures in self._tasks.values())
        yield GaugeMetricFamily(
            "autotuner_tasks_active", "Tasks that have neither finished nor been suspended.", value=active
        )
        phases = collections.Counter(figures["phase"] for figures in self._experiments.values())
        family = GaugeMetricFamily(
            "autotuner_experiments_active", "Experiments that are not over, by phase.", labels=["phase"]
        )
        for phase in _ACTIVE_PHASES:
            family.add_metric([phase], phases[phase])
        yield family
        yield from self._of_tasks()
        family = GaugeMetricFamily(
            "autotuner_teardown_stuck",
            "1 while an experiment cannot be released in time.",
            labels=["namespace", "experiment"],
        )
        for key, figures in self._experiments.items():
            if figures["stuck"]:
                family.add_metric(key, 1)
        yield family

    def _of_tasks(self) -> Iterator[Metric]:
        names = ["namespace", "task"]
        best = GaugeMetricFamily(
            "autotuner_task_best_value", "The objective at the best configuration so far.", labels=[*names, "metric"]
        )
        gain = GaugeMetricFamily("autotuner_task_gain_percent", "Its gain over the baseline.", labels=names)
        progress = GaugeMetricFamily(
            "autotuner_task_progress_timestamp_seconds",
            "When a started task that is neither over nor suspended last got on, in Unix time.",
            labels=names,
        )
        for key, figures in self._tasks.items():
            if figures["value"] is not None:
                best.add_metric([*key, figures["metric"]], figures["value"])
            if figures["gain"] is not None:
                gain.add_metric(key, figures["gain"])
            if figures["active"] and figures["progress"]:
                progress.add_metric(key, clock.parse(figures["progress"]).timestamp())
        yield from (best, gain, progress)


def _holds(status: Mapping[str, Any], kind: str) -> bool:
    return any(item["type"] == kind and item["status"] == "True" for item in status.get("conditions") or ())


def _task_figures(body: Mapping[str, Any]) -> dict[str, Any]:
    status, best = body.get("status") or {}, (body.get("status") or {}).get("best") or {}
    suspended = bool(body["spec"].get("suspend"))
    return {
        "active": not suspended and not _holds(status, "Finished"),
        "metric": body["spec"]["objectives"][0]["metric"],
        "value": best.get("value"),
        "gain": best.get("gainPercent"),
        "progress": status.get("lastProgressTime") or status.get("startTime"),
    }


def _experiment_figures(body: Mapping[str, Any]) -> dict[str, Any]:
    status = body.get("status") or {}
    conditions = status.get("conditions") or ()
    return {
        "phase": status.get("phase") or "Pending",
        "stuck": any(item["type"] == "Released" and item["reason"] == "TeardownStuck" for item in conditions),
    }


CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
OBJECTS = Objects()
REGISTRY.register(OBJECTS)


def exposition() -> bytes:
    """All of it in Prometheus' text format."""
    return generate_latest(REGISTRY)
