"""What to do about one TuningTask: a pure function of what was observed and the time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from autotuner import clock
from autotuner.api.task_status import ExperimentCounts, TaskStatus
from autotuner.kubernetes_object import Object
from autotuner.policy import preflight
from autotuner.policy.budget import limits
from autotuner.policy.conditions import ConditionSet, is_true, shorten
from autotuner.policy.confirmation import finalists
from autotuner.policy.confirmation.finalists import Race
from autotuner.policy.confirmation.rule import Decided, Measure
from autotuner.policy.events import Event
from autotuner.policy.evidence import drift, retries
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task import (
    common_cause,
    conclude,
    confirmed_best,
    experiment_counts,
    launching,
    preview,
    probing,
    readiness,
    starting,
    status_message,
    valid_condition,
)
from autotuner.policy.task.common_cause import CommonCause
from autotuner.policy.task.conclude import SearchEnd
from autotuner.policy.task.launching import Launch
from autotuner.policy.task.next_experiment import Suggest
from autotuner.policy.task.plan import PlanBuilder, TaskPlan
from autotuner.policy.task.starting import Choice
from autotuner.search.suggest import suggest
from autotuner.validation_messages import Finding

_POLL = timedelta(seconds=2)  # for models and runtimes, which are not watched
_SLOW_POLL = timedelta(seconds=10)


def finished(status: TaskStatus) -> bool:
    """Whether the task is over for good."""
    return is_true(status.conditions, "Finished")


def decide(seen: ObservedTask, now: datetime, suggest: Suggest = suggest) -> TaskPlan:
    """The plan of one reconcile.

    Args:
        seen: the task, and what is around it.
        now: the time.
        suggest: the search that says what to measure next.
    """
    if finished(seen.status):
        return _stay_finished(seen, now)
    builder = PlanBuilder(seen, now, ConditionSet(seen.status.conditions, seen.generation, now), suggest)
    started = seen.status.start_time is not None
    if not started:
        findings = preflight.check(seen.spec, seen.presets, seen.surroundings)
        if seen.defaults_problem:
            findings = [seen.defaults_problem, *findings]
        if findings:
            return _invalid(builder, findings)
        valid_condition.confirm(builder)
        if seen.spec.suspend:
            return _previewed(builder)
        return _start(builder)
    builder.changes |= {**experiment_counts.counts(seen), "preview": None}
    _note_reused(builder)
    if seen.spec.suspend:
        return readiness.with_lost_objects(builder, _suspended(builder)) if seen.running else _suspended(builder)
    if seen.running:
        return readiness.with_lost_objects(builder, _follow(builder))
    return _stop(builder, _drift(seen)) or probing.step(builder) or readiness.prepare(builder) or _tune(builder)


def _note_reused(builder: PlanBuilder) -> None:
    """Emit an event, once, about experiments that are reused."""
    known, count = builder.seen.status.experiments, builder.seen.reused
    if count and count != (known.reused if known else None):
        message = f"reusing {count} finished experiment{'s' if count != 1 else ''} of this namespace (search.reuse)"
        builder.events.append(Event("Normal", "ExperimentsReused", message))


def _stay_finished(seen: ObservedTask, now: datetime) -> TaskPlan:
    """The plan of a finished task, which never restarts: an edit is acknowledged and said to be without effect."""
    if seen.status.observed_generation == seen.generation:
        return TaskPlan(seen.status)
    message = "the task is finished: changes have no effect; create another TuningTask to search again"
    conditions = ConditionSet(seen.status.conditions, seen.generation, now)
    conditions.acknowledge()
    status = seen.status.model_copy(update={"observed_generation": seen.generation, "conditions": conditions.list()})
    return TaskPlan(status, events=(Event("Warning", "AlreadyFinished", message),))


def refuse(task: Object, message: str, now: datetime) -> TaskPlan:
    """The plan for a spec that cannot be read: installed CRDs and operator are of different versions."""
    generation = int(task["metadata"].get("generation", 0))
    conditions = ConditionSet(None, generation, now)
    conditions.set("Valid", "False", "InvalidSpec", message)
    conditions.set("Succeeded", "Unknown", "InvalidSpec", message)
    conditions.set("Finished", "False", "InvalidSpec")
    status = TaskStatus(
        observed_generation=generation, phase="Pending", conditions=conditions.list(), message=shorten(message)
    )
    return TaskPlan(status)


def _invalid(builder: PlanBuilder, findings: Sequence[Finding]) -> TaskPlan:
    """The plan for an invalid spec: say everything that is wrong, and create nothing until it is fixed."""
    message = "; ".join(finding.message for finding in findings)
    reason = findings[0].reason
    before = builder.conditions.get("Valid")
    if before is None or (before.reason, before.message) != (reason, shorten(message)):
        builder.events.append(Event("Warning", reason, message))
    builder.conditions.set("Valid", "False", reason, message)
    builder.conditions.set("Succeeded", "Unknown", "InvalidSpec", message)
    builder.conditions.set("Finished", "False", "InvalidSpec")
    waits = any(finding.reason == "NotFound" or builder.seen.shadow for finding in findings)
    return builder.plan(message, builder.now + (_POLL if waits else _SLOW_POLL))


def _suspended(builder: PlanBuilder) -> TaskPlan:
    running = [one.name for one in builder.seen.running if not one.spec.cancel]
    builder.conditions.set("Succeeded", "Unknown", "Suspended")
    builder.conditions.set("Finished", "False", "Suspended")
    waiting = ", ".join(one.name for one in builder.seen.running)
    message = f"suspended; releasing {waiting}" if waiting else "suspended; set suspend: false to go on"
    return builder.plan(message, withdraw=tuple(running))


def _previewed(builder: PlanBuilder) -> TaskPlan:
    """The plan of a task suspended before its start: show what would be done, and create nothing of it."""
    seen, space = builder.seen, builder.seen.space
    shown = preview.status(seen)
    builder.changes["preview"] = shown
    builder.changes["resolved"] = preview.resolved(seen)
    for kind in ("ModelReady", "RuntimeReady"):
        builder.conditions.set(kind, "Unknown", "Waiting", "nothing is created while suspended")
    builder.conditions.set("Succeeded", "Unknown", "Suspended")
    builder.conditions.set("Finished", "False", "Suspended")
    root = seen.backend.capabilities.root.kind
    cost = f", at most {shown.gpu_hours:g} GPU-hours" if shown.gpu_hours is not None else ""
    message = (
        f"suspended; {status_message.choice_in_words(space)} to choose from{cost}; ConfigMap {shown.config_map} shows"
        f" the first {root}; set suspend: false to start"
    )
    return builder.plan(message, builder.now + _SLOW_POLL, write_preview=preview.config_map(seen))


def _start(builder: PlanBuilder) -> TaskPlan:
    """The plan that writes the start before anything is created: from then on the spec is fixed."""
    seen = builder.seen
    builder.changes |= {"start_time": clock.stamp(builder.now), "resolved": None} | experiment_counts.counts(seen)
    builder.changes["defaults"] = seen.defaults or None
    for kind in ("ModelReady", "RuntimeReady"):
        builder.conditions.set(kind, "Unknown", "Waiting")
    builder.conditions.set("Succeeded", "Unknown", "Running")
    builder.conditions.set("Finished", "False", "Running")
    return builder.plan(f"started: {status_message.choice_in_words(seen.space)} to choose from", builder.now)


def _follow(builder: PlanBuilder) -> TaskPlan:
    """The plan while experiments are running: tell how far they are, start others, end them when the budget does."""
    seen = builder.seen
    conclude.record_best(builder)
    if words := limits.used_up(seen, builder.now):
        return _releasing(builder, words)
    until = limits.deadline(seen, builder.now)
    if seen.running[0].is_repeat:
        return builder.plan(_confirming(builder, limits.race(seen, builder.now), seen.running[0].spec.block), until)
    _searching(builder)
    if stop := _drift(seen) or common_cause.find(seen.measured, target=seen.spec.target is not None):
        if stop.certain:
            return _releasing(builder, stop.message)
        return builder.plan(f"{_progress(builder)}; nothing else starts: {stop.message}", until)
    first = all(one.is_baseline for one in seen.measured if not one.reused)
    if seen.rejection:
        return builder.plan(f"{_progress(builder)}; {readiness.refused(*seen.rejection)}", until)
    if first or not readiness.is_ready(seen):
        return builder.plan(_progress(builder), until)
    choice = starting.choose(builder)
    _note_passed_over(builder, choice)
    if not choice.start:
        message = "; ".join(filter(None, (_progress(builder), choice.waits)))
        return builder.plan(message, until, waits_for_turn=bool(seen.turn and choice.waits))
    launches = launching.of_search(builder, choice.start)
    return launching.plan(builder, launches, f"{launching.message(builder, launches)}; {_progress(builder)}", until)


def _releasing(builder: PlanBuilder, why: str) -> TaskPlan:
    """The plan that cancels what is running, and waits until it is released."""
    running = builder.seen.running
    withdraw = tuple(one.name for one in running if not one.spec.cancel)
    return builder.plan(f"{why}; releasing {', '.join(one.name for one in running)}", withdraw=withdraw)


def _progress(builder: PlanBuilder) -> str:
    """How far the running experiments of the search are, and the best so far."""
    seen = builder.seen
    numbers = {one.name: number for number, one in enumerate(seen.search, 1)}
    running = [(numbers.get(one.name, 0), one) for one in seen.running]
    best, today = builder.changes["best"], builder.changes["baseline"]
    return status_message.message(running, experiment_counts.wanted(seen), best, today, seen.spec)


def _note_passed_over(builder: PlanBuilder, choice: Choice) -> None:
    """Remember, in the status alone, how long the next experiment has waited for accelerators."""
    counts: ExperimentCounts = builder.changes["experiments"]
    changed = counts.model_copy(update={"passed_over": choice.passed_over or None})
    builder.changes["experiments"] = changed


def _drift(seen: ObservedTask) -> CommonCause | None:
    """What ends the task where it no longer measures what experiment 0 measured."""
    first = seen.settled
    if first is None:
        return None
    differing = [drift.explanation(one.name, one.drift, first.name) for one in seen.measured if one.drift]
    if differing:
        return CommonCause("RuntimeChanged", differing[0], certain=True)
    if seen.target_changed and seen.spec.target is not None:
        what = f"{seen.spec.target.kind} {seen.spec.target.name}"
        return CommonCause("RuntimeChanged", drift.target_changed(what, first.name))
    # A model that was made again may lack what the backend fills in until it is Ready; where no object stands for the
    # model, the snapshot says all of it.
    ready = seen.model_state.phase == "Ready" and bool(seen.backend.capabilities.models)
    model = seen.model if ready else None
    words = drift.changed_object(first.status, first.name, model, seen.runtime)
    return CommonCause("RuntimeChanged", words) if words else None


def _stop(builder: PlanBuilder, cause: CommonCause | None) -> TaskPlan | None:
    """The last plan if there is a cause to stop."""
    if cause is None:
        return None
    conclude.record_best(builder)
    return builder.end(False, cause.reason, cause.message)


def _searching(builder: PlanBuilder) -> None:
    builder.conditions.set("Succeeded", "Unknown", "Running")
    builder.conditions.set("Finished", "False", "Running")


def _tune(builder: PlanBuilder) -> TaskPlan:
    """The plan while nothing is running: the baseline first and alone, then the search, then the answer.

    Everything depends on the baseline: what all others run on, whether anything can run at all, and what a hopeless
    configuration is.
    """
    seen = builder.seen
    if ended := _stop(builder, common_cause.find(seen.measured, target=seen.spec.target is not None)):
        return ended
    conclude.record_best(builder)
    if seen.baseline is None:
        if limit := limits.used_up(seen, builder.now) or limits.failed_too_often(seen):
            return conclude.finish(builder, SearchEnd("BudgetExhausted", limit))
        owed = retries.owed(seen.measured)
        launch = launching.again(builder, owed[0]) if owed else launching.baseline(builder)
        return _launch(builder, [launch])
    choice = starting.choose(builder)
    _note_passed_over(builder, choice)
    if choice.start:
        return _launch(builder, launching.of_search(builder, choice.start))
    if choice.waits:
        _searching(builder)
        return builder.plan(choice.waits, waits_for_turn=bool(seen.turn))
    return _confirm(builder, choice.end)


def _launch(builder: PlanBuilder, launches: Sequence[Launch]) -> TaskPlan:
    _searching(builder)
    return launching.plan(builder, launches, launching.message(builder, launches))


def _confirm(builder: PlanBuilder, end: SearchEnd) -> TaskPlan:
    """The plan after the search: measure leaders and baseline again, one run after the other, then answer."""
    seen = builder.seen
    race = limits.race(seen, builder.now)
    if race is None:
        return conclude.finish(builder, end)
    step = race.step
    if isinstance(step, Measure) and (short := limits.ends_confirmation(seen, race, step, builder.now)):
        race, end = finalists.cut(race, step.block), end.cut(short)
        step = race.step
    if isinstance(step, Decided):
        best = confirmed_best.best(race, step)
        builder.changes |= {"best": conclude.with_numerics(seen, best), "baseline": confirmed_best.baseline(race)}
        words = confirmed_best.conclusion(race, step) if best else confirmed_best.none_confirmed(race, seen.measured)
        return conclude.finish(builder, end, words)
    if end.words and not seen.measured[-1].is_repeat and not seen.obstacle:
        builder.events.append(Event("Normal", "BudgetExhausted" if end.limit else "SearchEnded", end.words))
    message = _confirming(builder, race, step.block)
    if owed := retries.owed([one for one in seen.measured if one.is_repeat]):
        return launching.plan(builder, [launching.again(builder, owed[0])], message)
    original = race.original(step.keys[0])
    what = "the baseline" if step.keys[0] is None else original.name
    return launching.plan(builder, [launching.repeat(builder, original, step.block, race.ladder, what)], message)


def _confirming(builder: PlanBuilder, race: Race | None, block: int) -> str:
    """The message while the best is being measured again."""
    builder.conditions.set("Succeeded", "Unknown", "Confirming")
    builder.conditions.set("Finished", "False", "Confirming")
    return confirmed_best.message(race, block) if race else "confirming"
