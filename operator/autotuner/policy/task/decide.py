"""What to do about one TuningTask: a pure function of what was observed and the time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from autotuner import clock
from autotuner.api.experiment import Purpose
from autotuner.api.task_status import ExperimentCounts, TaskStatus
from autotuner.kubernetes_object import Object
from autotuner.policy import preflight
from autotuner.policy.budget import limits
from autotuner.policy.conditions import ConditionSet, is_true, shorten
from autotuner.policy.confirmation import finalists
from autotuner.policy.confirmation.finalists import Race
from autotuner.policy.confirmation.rule import Decided, Measure
from autotuner.policy.events import Event
from autotuner.policy.evidence import drift, experiment_spec, retries
from autotuner.policy.evidence.experiment_spec import Ingredients
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task import (
    best_so_far,
    common_cause,
    conclude,
    confirmed_best,
    expected_gain,
    experiment_counts,
    next_experiment,
    preview,
    probing,
    readiness,
    status_message,
    valid_condition,
)
from autotuner.policy.task.conclude import SearchEnd
from autotuner.policy.task.next_experiment import Suggest
from autotuner.policy.task.plan import PlanBuilder, TaskPlan
from autotuner.search.space.configuration import Configuration
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
    return _stop_drift(builder) or probing.step(builder) or readiness.prepare(builder) or _tune(builder)


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
    for condition in seen.status.conditions or []:
        conditions.set(condition.type, condition.status, condition.reason, condition.message)
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
    message = (
        f"suspended; {status_message.choice_in_words(space)} to choose from, at most {shown.gpu_hours:g} GPU-hours;"
        f" ConfigMap {shown.config_map} shows the first {root}; set suspend: false to start"
    )
    return builder.plan(message, builder.now + _SLOW_POLL, write_preview=preview.config_map(seen))


def _start(builder: PlanBuilder) -> TaskPlan:
    """The plan that writes the start before anything is created: from then on the spec is fixed."""
    seen = builder.seen
    builder.changes |= {"start_time": clock.stamp(builder.now), "resolved": None} | experiment_counts.counts(seen)
    for kind in ("ModelReady", "RuntimeReady"):
        builder.conditions.set(kind, "Unknown", "Waiting")
    builder.conditions.set("Succeeded", "Unknown", "Running")
    builder.conditions.set("Finished", "False", "Running")
    return builder.plan(f"started: {status_message.choice_in_words(seen.space)} to choose from", builder.now)


def _follow(builder: PlanBuilder) -> TaskPlan:
    """The plan while an experiment is running: tell how far it is, and end it when the budget does."""
    seen = builder.seen
    best = conclude.record_best(builder)
    if words := limits.used_up(seen, builder.now):
        withdraw = tuple(one.name for one in seen.running if not one.spec.cancel)
        return builder.plan(f"{words}; releasing {', '.join(one.name for one in seen.running)}", withdraw=withdraw)
    until = limits.deadline(seen, builder.now)
    if seen.running[0].is_repeat:
        return builder.plan(_confirming(builder, limits.race(seen, builder.now), seen.running[0].spec.block), until)
    _searching(builder)
    today = builder.changes["baseline"]
    message = status_message.message(
        seen.running[0], len(seen.search), experiment_counts.wanted(seen), best, today, seen.spec
    )
    return builder.plan(message, until)


def _stop_drift(builder: PlanBuilder) -> TaskPlan | None:
    """The last plan if what the task measures is no longer what experiment 0 measured."""
    seen, first = builder.seen, builder.seen.settled
    if first is None:
        return None
    differing = [drift.explanation(one.name, one.drift, first.name) for one in seen.measured if one.drift]
    # A model that was made again may lack what the backend fills in until it is Ready.
    model = seen.model if seen.model_state.phase == "Ready" else None
    words = next(iter(differing), "") or drift.changed_object(first.status, first.name, model, seen.runtime)
    if not words:
        return None
    conclude.record_best(builder)
    return builder.end(False, "RuntimeChanged", words)


def _searching(builder: PlanBuilder) -> None:
    builder.conditions.set("Succeeded", "Unknown", "Running")
    builder.conditions.set("Finished", "False", "Running")


def _tune(builder: PlanBuilder) -> TaskPlan:
    """The plan while nothing is running: the baseline first, then one experiment after the other, then the answer."""
    seen = builder.seen
    conclude.record_best(builder)
    if stop := common_cause.find(seen.measured):
        return builder.end(False, stop.reason, stop.message)
    unbelieved = retries.owed(seen.measured)
    if seen.baseline is None:
        limit = limits.used_up(seen, builder.now) or limits.failed_too_often(seen)
        end = SearchEnd("BudgetExhausted", limit)
        if limit:
            return conclude.finish(builder, end)
        return _retry(builder, unbelieved) if unbelieved else _create(builder, "Baseline", None)
    if unbelieved and not unbelieved.is_repeat and not limits.ends_search(seen, unbelieved.accelerators, builder.now):
        return _retry(builder, unbelieved)
    if len(seen.search) >= seen.spec.search.max_experiments:
        return _confirm(builder, SearchEnd("Completed"))
    proposal = next_experiment.next_one(seen, builder.suggest)
    if proposal is None:
        return _confirm(builder, SearchEnd("SpaceExhausted"))
    accelerators = experiment_spec.accelerators(_ingredients(seen), proposal.configuration)
    if proposal.purpose == "Search":
        builder.changes["search"] = expected_gain.for_status(seen, proposal, accelerators)
    if idle := expected_gain.ends_search(seen, proposal):
        return _confirm(builder, SearchEnd("Completed", idle=idle))
    if limit := limits.ends_search(seen, accelerators, builder.now):
        return _confirm(builder, SearchEnd("BudgetExhausted", limit))
    return _create(builder, proposal.purpose, proposal.configuration)


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
    if unbelieved := retries.owed([one for one in seen.measured if one.is_repeat]):
        return _retry(builder, unbelieved, message)
    original = race.original(step.keys[0])
    body = experiment_spec.repeat(
        _ingredients(seen), original.spec, index=_next_index(builder), block=step.block, ladder=race.ladder
    )
    what = "the baseline" if step.keys[0] is None else original.name
    return _launch(builder, body, f"{what} again, block {step.block}", message)


def _confirming(builder: PlanBuilder, race: Race | None, block: int) -> str:
    """The message while the best is being measured again."""
    builder.conditions.set("Succeeded", "Unknown", "Confirming")
    builder.conditions.set("Finished", "False", "Confirming")
    return confirmed_best.message(race, block) if race else "confirming"


def _create(builder: PlanBuilder, purpose: Purpose, configuration: Configuration | None) -> TaskPlan:
    seen = builder.seen
    leader = best_so_far.leader(seen.measured, seen.spec.objectives[0])
    experiment = experiment_spec.experiment(
        _ingredients(seen),
        index=_next_index(builder),
        purpose=purpose,
        configuration=configuration,
        best=leader.worth if leader and purpose != "Baseline" else None,
    )
    what = (
        "the baseline"
        if purpose == "Baseline"
        else f"experiment {len(seen.search) + 1} of {experiment_counts.wanted(seen)}"
    )
    _searching(builder)
    return _launch(builder, experiment, what, f"{what} starting as {experiment['metadata']['name']}")


def _retry(builder: PlanBuilder, one: Measured, message: str = "") -> TaskPlan:
    """The plan that measures again what ended in a way that is not believed."""
    seen = builder.seen
    of = retries.first_try(one)
    body = experiment_spec.retry(_ingredients(seen), one.spec, index=_next_index(builder), of=of)
    if not message:
        _searching(builder)
    what = "the baseline" if one.is_baseline else of
    why = f"{one.name} ended with {one.status.reason}: {one.status.message}"
    return _launch(builder, body, f"{what} again: {why}", message or f"measuring {what} again: {why}")


def _ingredients(seen: ObservedTask) -> Ingredients:
    return seen.ingredients(seen.model or {}, seen.runtime or {})


def _next_index(builder: PlanBuilder) -> int:
    counts: ExperimentCounts = builder.changes["experiments"]
    return counts.next_index


def _launch(builder: PlanBuilder, experiment: Object, what: str, message: str) -> TaskPlan:
    """The plan that creates an experiment, unless its name is taken."""
    name = experiment["metadata"]["name"]
    if builder.seen.obstacle:
        return builder.plan(f"waiting to create {name}: {builder.seen.obstacle}", builder.now + _POLL / 4)
    if builder.seen.unanswered:
        return builder.plan(f"waiting to create {name}", builder.now + _POLL)
    counts: ExperimentCounts = builder.changes["experiments"]
    # The name is used up even if the status write below is lost: the next reconcile observes the experiment itself.
    builder.changes["experiments"] = counts.model_copy(
        update={"next_index": counts.next_index + 1, "running": counts.running + 1}
    )
    builder.events.append(Event("Normal", "ExperimentCreated", f"{name}: {what}"))
    return builder.plan(message, create_experiment=experiment)
