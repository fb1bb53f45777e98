"""What happened to an experiment and why, in sentences. Pure functions of the object."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from autotuner import clock, scoring
from autotuner.api.common import TASK_LABEL
from autotuner.api.experiment import ExperimentStatus, Level, Times, TuningExperiment
from autotuner.cli.shared.records import Explanation, Told
from autotuner.cli.telling import failed_experiments
from autotuner.kubernetes_object import Object
from autotuner.policy.conditions import is_true
from autotuner.scoring.figures import place

# Step -> the times between which it lies.
_STEPS = (
    ("waited for a node", "created", "scheduled"),
    ("pulled the image", "scheduled", "container_started"),
    ("started the engine", "container_started", "engine_ready"),
    ("measured", "first_request", "benchmark_finished"),
    ("released the accelerators", "benchmark_finished", "pods_gone"),
)
_LADDERS = {
    "StoppedSLO": "it stopped early: higher levels would break the hard SLOs",
    "StoppedHopeless": "it stopped early: the rest could not have become better than the best so far",
    "Broken": "it broke off: the benchmark failed",
}


def of(body: Object) -> Explanation:
    """Explain an experiment."""
    meta = body["metadata"]
    found = TuningExperiment.model_validate({"spec": body["spec"], "status": body.get("status") or {}})
    status = found.status or ExperimentStatus()
    namespace = str(meta.get("namespace", "default"))
    parts = (
        ("What it is", _what(meta, found)),
        ("Result", _result(status)),
        ("What failed", _failure(status)),
        ("What the engine says", iter(status.notes or ())),
        ("Where the time went", _steps(status)),
        ("Next", _next(meta["name"], namespace, status)),
    )
    paragraphs = [(heading, list(lines)) for heading, lines in parts]
    return Explanation(
        object=f"TuningExperiment {meta['name']}",
        namespace=namespace,
        headline=_headline(status),
        parts=[Told(heading=heading, lines=lines) for heading, lines in paragraphs if lines],
    )


def _headline(status: ExperimentStatus) -> str:
    reason = f" ({status.reason})" if status.reason else ""
    said = f": {status.message}" if status.message and not is_true(status.conditions, "Finished") else ""
    return f"{status.phase or 'Pending'}{reason}{said}"


def _what(meta: Object, found: TuningExperiment) -> Iterator[str]:
    task = (meta.get("labels") or {}).get(TASK_LABEL)
    again = f", {found.spec.retry_of} again" if found.spec.retry_of else ""
    whose = f"of TuningTask {task}" if task else "that somebody made by hand"
    yield f"{found.spec.purpose or 'Search'} {whose}{again}"
    yield f"arguments: {shlex.join(found.spec.service.args or ()) or 'the runtime has its own'}"
    status = found.status
    if status and status.node:
        gpus = (
            f" with {status.accelerators} x {status.accelerator_product or 'accelerator'}"
            if status.accelerators
            else ""
        )
        yield f"on node {status.node}{gpus}"


def _result(status: ExperimentStatus) -> Iterator[str]:
    for level in status.levels or ():
        yield f"{place(level)}: {', '.join(figures(level))}"
    if status.ladder in _LADDERS:
        yield _LADDERS[status.ladder]


def figures(level: Level) -> Iterator[str]:
    """The figures of a level that people ask for first."""
    yield scoring.format_value(level.output_tokens_per_second, "OutputThroughput")
    for metric in ("TTFT", "TPOT"):
        value = scoring.figure(level, metric, "P99", 1)
        if value is not None:
            yield f"{metric} P99 {scoring.format_value(value, metric)}"
    if level.errors:
        yield f"{level.errors} failed requests"


def _failure(status: ExperimentStatus) -> Iterator[str]:
    if status.reason in (None, "Completed") or not is_true(status.conditions, "Finished"):
        return
    yield f"{status.reason} ({failed_experiments.fault(str(status.reason))}): {status.message or 'no message'}"
    if status.evidence and status.evidence.exit_code is not None:
        yield f"the container ended with exit code {status.evidence.exit_code}"


def _steps(status: ExperimentStatus) -> Iterator[str]:
    times = status.times or Times()
    told = []
    for words, start, end in _STEPS:
        seconds = clock.seconds_between(getattr(times, start), getattr(times, end))
        if seconds is not None:
            told.append(f"{words} {seconds:.0f} s")
    if told:
        yield ", ".join(told)
    if status.gpu_seconds is not None:
        yield f"{status.gpu_seconds / 3600:.2f} GPU-hours"


def _next(name: str, namespace: str, status: ExperimentStatus) -> Iterator[str]:
    over = is_true(status.conditions, "Finished")
    if not over:
        yield f"what its engine prints: autotuner logs {name} --namespace {namespace}"
    elif status.evidence and status.evidence.log_tail:
        yield f"what its engine printed: autotuner logs {name} --namespace {namespace}"
