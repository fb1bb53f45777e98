"""What happened to a task and why, in sentences. Pure functions of its objects and the time."""

from __future__ import annotations

import shlex
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from autotuner import scoring
from autotuner.api.experiment import ExperimentStatus, Level, TuningExperiment
from autotuner.api.goals import Slo
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import Best, TaskStatus
from autotuner.cli.shared import printing
from autotuner.cli.shared.records import Explanation, Told
from autotuner.cli.telling import failed_experiments
from autotuner.kubernetes_object import Object
from autotuner.policy.conditions import find, is_true
from autotuner.policy.recommendation.summary import verdict_words
from autotuner.scoring import slos
from autotuner.scoring.figures import figure_name, told

_SHOWN = 5  # names in one line
_INDENT = "  "


@dataclass(frozen=True)
class Seen:
    """A task with its experiments.

    Attributes:
        name: of the task.
        namespace: of the task.
        spec: as it is applied.
        status: of the task.
        experiments: by name.
        now: the time.
    """

    name: str
    namespace: str
    spec: TaskSpec
    status: TaskStatus
    experiments: dict[str, TuningExperiment]
    now: datetime

    @property
    def finished(self) -> bool:
        """Whether the task is over."""
        return is_true(self.status.conditions, "Finished")

    @property
    def stays(self) -> bool:
        """Whether the best is what runs today."""
        best, baseline = self.status.best, self.status.baseline
        return best is not None and baseline is not None and best.experiment == baseline.experiment

    def command(self, words: str) -> str:
        """A command of this program about the task."""
        return f"autotuner {words} {self.name} --namespace {self.namespace}"


def of(task: Object, experiments: Sequence[Object], now: datetime) -> Explanation:
    """Explain a task."""
    meta = task["metadata"]
    known = {
        one["metadata"]["name"]: TuningExperiment.model_validate(
            {"spec": one["spec"], "status": one.get("status") or {}}
        )
        for one in experiments
    }
    status = TaskStatus.model_validate(task.get("status") or {})
    namespace = str(meta.get("namespace", "default"))
    seen = Seen(meta["name"], namespace, TaskSpec.model_validate(task["spec"]), status, known, now)
    parts = (
        ("Result", _result(seen)),
        ("How sure", _confidence(seen)),
        ("Why this one", _why(seen)),
        ("What limits it", _limits(seen)),
        ("What failed", failed_experiments.of_task(seen.experiments)),
        ("Waiting for", _waiting(seen)),
        ("Cost", _cost(seen)),
        ("Next", _next(seen)),
    )
    paragraphs = [(heading, list(lines)) for heading, lines in parts]
    return Explanation(
        object=f"TuningTask {seen.name}",
        namespace=namespace,
        headline=_headline(seen),
        parts=[Told(heading=heading, lines=lines) for heading, lines in paragraphs if lines],
    )


def text(answer: Explanation, wide: int) -> str:
    """An explanation for people, in lines of so many characters."""
    blocks = [f"{answer.object} in namespace {answer.namespace}: {answer.headline}"]
    for part in answer.parts:
        blocks += ["", part.heading]
        blocks += [_INDENT + line for line in part.lines]
    return "".join(f"{_wrapped(line, wide)}\n" for line in blocks)


def _wrapped(line: str, wide: int) -> str:
    hanging = _INDENT * 2 if line.startswith(_INDENT) else _INDENT
    return textwrap.fill(
        line, wide, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )


def _headline(seen: Seen) -> str:
    succeeded = find(seen.status.conditions, "Succeeded")
    reason = f" ({succeeded.reason})" if succeeded and succeeded.reason != seen.status.phase else ""
    done = f", {seen.status.experiments.summary} experiments" if seen.status.experiments else ""
    return f"{seen.status.phase or 'Pending'}{reason}{done}"


def _result(seen: Seen) -> Iterator[str]:
    status, best = seen.status, seen.status.best
    if best is None:
        if status.front:
            yield f"{len(status.front)} configurations of which none beats another in every objective:"
            for point in status.front:
                values = ", ".join(
                    f"{figure_name(one.metric, one.statistic)} {scoring.format_value(one.value, one.metric)}"
                    for one in point.values
                )
                yield f"{point.experiment}: {values}"
        elif seen.finished:
            yield status.message or "the operator has not seen it yet"
        return
    value = _value(seen, best.value)
    gain = f", {best.gain} over the baseline" if best.gain and not seen.stays else ""
    yield f"{value} by {best.experiment}{' (what runs today)' if seen.stays else ''}{gain}"
    if status.baseline and status.baseline.value is not None and not seen.stays:
        yield f"the baseline {status.baseline.experiment} reaches {_value(seen, status.baseline.value)}"
    yield f"measured at {told(best.level.offered, best.level.rate is not None)} of scenario {best.level.scenario}"
    yield f"arguments: {shlex.join(best.args) if best.args else 'the runtime has its own'}"


def _value(seen: Seen, value: float) -> str:
    return scoring.format_value(value, seen.spec.objectives[0].metric, seen.spec.benchmark.ladder)


def _confidence(seen: Seen) -> Iterator[str]:
    best = seen.status.best
    if best is None or not seen.finished:
        return
    found = best.confidence
    yield f"{found.verdict}: {verdict_words(found.verdict, seen.stays)}".rstrip(": ")
    if found.low is not None and found.high is not None:
        repeats = f", {found.repeats} repeats" if found.repeats else ""
        low, high = scoring.format_gain(found.low), scoring.format_gain(found.high)
        yield f"the gain is between {low} and {high} (95% interval{repeats})"
    if best.accelerator_sharing:
        yield f"measured on shared accelerators ({best.accelerator_sharing}): the figures depend on what others did"


def _why(seen: Seen) -> Iterator[str]:
    best, today = seen.status.best, seen.status.baseline
    baseline = seen.experiments.get(today.experiment) if today else None
    if best is not None and baseline is not None and not seen.stays:
        before = baseline.spec.service.args or []
        new, gone = [one for one in best.args if one not in before], [one for one in before if one not in best.args]
        if new:
            yield f"the baseline does not have: {shlex.join(new)}"
        if gone:
            yield f"the baseline has instead: {shlex.join(gone)}"
    shares = [f"{one.name} {one.share:.0%}" for one in (seen.status.importance or ())[:_SHOWN] if one.share >= 0.005]
    if shares:
        yield f"what matters most, by the share of the variance that it explains: {', '.join(shares)}"
    removed = seen.status.resolved.removed_by if seen.status.resolved else None
    for one in removed or ():
        lost = f", and with them {', '.join(one.values)}" if one.values else ""
        yield f"{one.count} configurations were not tried: {one.rule}{lost}"


def _limits(seen: Seen) -> Iterator[str]:
    """How near the best is to each hard limit, and what breaks at the next level."""
    best = seen.status.best
    hard = scoring.hard(seen.spec.slos or ())
    if best is None:
        return
    experiment = seen.experiments.get(best.experiment)
    gpus = (experiment.status.accelerators if experiment and experiment.status else None) or 1
    for slo in hard:
        value = scoring.figure(best.metrics, slo.metric, slo.statistic, gpus)
        limit = f"at most {slo.max}" if slo.max is not None else f"at least {slo.min}"
        if value is not None:
            told_value = scoring.format_value(value, slo.metric)
            yield f"{figure_name(slo.metric, slo.statistic)} is {told_value}, {limit} allowed"
    yield from _beyond(best, experiment.status if experiment else None, slos.counted(hard), gpus)


def _beyond(best: Best, status: ExperimentStatus | None, counted: Sequence[Slo], gpus: int) -> Iterator[str]:
    """What the levels above that of the best break."""
    levels = [one for one in (status.levels if status else None) or () if one.offered > best.level.offered]
    broken = [slos.violations(one, counted, gpus) for one in sorted(levels, key=_offered)]
    first = next((found for found in broken if found), None)
    if first is not None:
        words = "; ".join(one.text for one in first)
        yield f"further up it breaks {words}"
    elif not levels:
        yield f"nothing was measured above {told(best.level.offered, best.level.rate is not None)}"


def _offered(level: Level) -> float:
    return level.offered


def _waiting(seen: Seen) -> Iterator[str]:
    """What a task that is not over does, or what keeps it from going on."""
    if seen.finished:
        return
    valid = find(seen.status.conditions, "Valid")
    if valid is not None and valid.status == "False":
        yield f"somebody to correct the task ({valid.reason}): {valid.message}"
        return
    if seen.status.phase == "Suspended":
        yield "somebody to resume it"
    for kind in ("ModelReady", "RuntimeReady", "Reconciled"):
        condition = find(seen.status.conditions, kind)
        if condition is not None and condition.status != "True" and condition.message:
            yield f"{kind} ({condition.reason}): {condition.message}"
    groups: dict[str, list[str]] = defaultdict(list)
    for name, one in seen.experiments.items():
        status = one.status
        if status is not None and not is_true(status.conditions, "Finished"):
            groups[f"{status.phase or 'Pending'}{f': {status.message}' if status.message else ''}"].append(name)
    for words, names in groups.items():
        yield f"{', '.join(names)} {words}"
    if not groups and seen.status.message and seen.status.start_time:
        yield seen.status.message
    if seen.status.last_progress_time:
        yield f"the last progress was {printing.age(seen.status.last_progress_time, seen.now)} ago"


def _cost(seen: Seen) -> Iterator[str]:
    usage = seen.status.usage
    if usage is None:
        return
    left = f", {usage.remaining_gpu_hours:.1f} of the budget are left" if usage.remaining_gpu_hours is not None else ""
    price = (
        f" ({usage.gpu_hours * float(seen.spec.gpu_hour_price):.2f} at its price)" if seen.spec.gpu_hour_price else ""
    )
    yield f"{usage.gpu_hours:.1f} GPU-hours{price}{left}"
    more = seen.status.search
    if more is not None and not seen.finished:
        yield f"ten more experiments are expected to gain {more.expected_gain}"


def _next(seen: Seen) -> Iterator[str]:
    """What a person does now."""
    valid, best = find(seen.status.conditions, "Valid"), seen.status.best
    if not seen.finished:
        if valid is not None and valid.status == "False":
            yield "correct that field and apply the task again; it then starts by itself"
        elif seen.status.phase == "Suspended":
            yield seen.command("resume")
        else:
            yield seen.command("watch")
        return
    if best is not None:
        yield from _after_best(seen, best)
    elif seen.status.front:
        yield f"choose one of them: {seen.command('apply')} --experiment EXPERIMENT"
    else:
        yield "docs/operations.md says for each reason what to change"
        yield "a finished task never starts again: create another"
        if any(one.status and one.status.evidence for one in seen.experiments.values()):
            yield f"what the engines printed: {seen.command('logs')}"


def _after_best(seen: Seen, best: Best) -> Iterator[str]:
    if best.numerics_changed:
        flags = ", ".join(best.numerics_changed)
        yield f"first evaluate the answers: quality was not measured, and {flags} change them"
    if seen.stays:
        yield "keep what runs today"
    elif best.confidence.verdict == "Unconfirmed":
        yield "keep what runs today, or let another task confirm it: more budget, search.confirm.maxRepeats 2 or more"
    elif best.confidence.verdict == "NoSignificantDifference":
        yield "keep what runs today: no gain is proved"
    if not seen.stays and seen.status.recommendation:
        optional = best.confidence.verdict in ("Unconfirmed", "NoSignificantDifference")
        yield f"{'if you want it all the same' if optional else 'use it'}: {seen.command('apply')}"
