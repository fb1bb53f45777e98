"""What to do about one TuningTask: a pure function of what was seen and the time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from autotuner import clock
from autotuner.api.experiment import Purpose
from autotuner.api.task_status import ExperimentCounts, TaskStatus
from autotuner.objects import Object
from autotuner.policy import preflight
from autotuner.policy.budget import limits
from autotuner.policy.conditions import ConditionSet, is_true, shorten
from autotuner.policy.confirmation import finalists
from autotuner.policy.confirmation.finalists import Race
from autotuner.policy.confirmation.rule import Decided, Measure
from autotuner.policy.evidence import drift, experiment_spec
from autotuner.policy.evidence.experiment_spec import Ingredients
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.experiment.decide import Happening
from autotuner.policy.task import (
    best_so_far,
    conclude,
    confirmed_best,
    experiment_counts,
    next_experiment,
    prerequisites,
    preview,
)
from autotuner.policy.task.plan import Draft, TaskPlan
from autotuner.search.space.configuration import Configuration

_POLL = timedelta(seconds=2)  # for objects of OME, which are not watched
_SLOW_POLL = timedelta(seconds=10)
_IN_A_ROW = 3  # environmental endings that stop a task


def finished(status: TaskStatus) -> bool:
    """Whether the task is over for good."""
    return is_true(status.conditions, "Finished")


def decide(seen: ObservedTask, now: datetime) -> TaskPlan:
    """The plan for one pass."""
    if finished(seen.status):
        return _stay_finished(seen, now)
    draft = Draft(seen, now, ConditionSet(seen.status.conditions, seen.generation, now))
    started = seen.status.start_time is not None
    if not started:
        problems = preflight.check(seen.spec, seen.presets, seen.surroundings)
        if problems:
            return _invalid(draft, problems)
        misleading = [*preflight.warnings(seen.spec, seen.presets, seen.surroundings), *limits.warnings(seen)]
        draft.conditions.set("Valid", "True", "Valid", "; ".join(misleading))
        if seen.spec.suspend:
            return _previewed(draft)
        return _start(draft)
    draft.changes |= {**experiment_counts.counts(seen), "preview": None}
    _note_reused(draft)
    if seen.spec.suspend:
        return _suspended(draft)
    if seen.running:
        return _follow(draft)
    return _stop_drift(draft) or prerequisites.prepare(draft) or _tune(draft)


def _note_reused(draft: Draft) -> None:
    """Tell once what others have measured already."""
    known, count = draft.seen.status.experiments, draft.seen.reused
    if count and count != (known.reused if known else None):
        message = f"reusing {count} finished experiment{'s' if count != 1 else ''} of this namespace (search.reuse)"
        draft.happenings.append(Happening("Normal", "ExperimentsReused", message))


def _stay_finished(seen: ObservedTask, now: datetime) -> TaskPlan:
    """Never restart; an edit is acknowledged, so that nobody waits for it, and told to be without effect."""
    if seen.status.observed_generation == seen.generation:
        return TaskPlan(seen.status)
    message = "the task is finished: changes have no effect; create another TuningTask to search again"
    conditions = ConditionSet(seen.status.conditions, seen.generation, now)
    for condition in seen.status.conditions or []:
        conditions.set(condition.type, condition.status, condition.reason, condition.message)
    status = seen.status.model_copy(update={"observed_generation": seen.generation, "conditions": conditions.list()})
    return TaskPlan(status, happenings=(Happening("Warning", "AlreadyFinished", message),))


def refuse(task: Object, message: str, now: datetime) -> TaskPlan:
    """A spec that cannot even be read: installed CRDs and operator are of different versions."""
    generation = int(task["metadata"].get("generation", 0))
    conditions = ConditionSet(None, generation, now)
    conditions.set("Valid", "False", "InvalidSpec", message)
    conditions.set("Succeeded", "Unknown", "InvalidSpec", message)
    conditions.set("Finished", "False", "InvalidSpec")
    status = TaskStatus(
        observed_generation=generation, phase="Pending", conditions=conditions.list(), message=shorten(message)
    )
    return TaskPlan(status)


def _invalid(draft: Draft, problems: Sequence[preflight.Problem]) -> TaskPlan:
    """Say everything that is wrong; nothing is created, and fixing it resumes the task."""
    message = "; ".join(problem.message for problem in problems)
    reason = problems[0].reason
    before = draft.conditions.get("Valid")
    if before is None or (before.reason, before.message) != (reason, shorten(message)):
        draft.happenings.append(Happening("Warning", reason, message))
    draft.conditions.set("Valid", "False", reason, message)
    draft.conditions.set("Succeeded", "Unknown", "InvalidSpec", message)
    draft.conditions.set("Finished", "False", "InvalidSpec")
    waits = any(problem.reason == "NotFound" or draft.seen.shadow for problem in problems)
    return draft.plan(message, draft.now + (_POLL if waits else _SLOW_POLL))


def _suspended(draft: Draft) -> TaskPlan:
    running = [one.name for one in draft.seen.running if not one.spec.cancel]
    draft.conditions.set("Succeeded", "Unknown", "Suspended")
    draft.conditions.set("Finished", "False", "Suspended")
    waiting = ", ".join(one.name for one in draft.seen.running)
    message = f"suspended; releasing {waiting}" if waiting else "suspended; set suspend: false to go on"
    return draft.plan(message, withdraw=tuple(running))


def _previewed(draft: Draft) -> TaskPlan:
    """Suspended before the start: say and show what would be done, and create nothing of it."""
    seen, space = draft.seen, draft.seen.space
    shown = preview.status(seen)
    draft.changes["preview"] = shown
    draft.changes["resolved"] = preview.resolved(seen)
    for kind in ("ModelReady", "RuntimeReady"):
        draft.conditions.set(kind, "Unknown", "Waiting", "nothing is created while suspended")
    draft.conditions.set("Succeeded", "Unknown", "Suspended")
    draft.conditions.set("Finished", "False", "Suspended")
    message = (
        f"suspended; {best_so_far.points(space)} to choose from, at most {shown.gpu_hours:g} GPU-hours;"
        f" ConfigMap {shown.config_map} shows the first InferenceService; set suspend: false to start"
    )
    return draft.plan(message, draft.now + _SLOW_POLL, write_preview=preview.config_map(seen))


def _start(draft: Draft) -> TaskPlan:
    """Write the start before anything is created: from then on the spec is fixed."""
    seen = draft.seen
    draft.changes |= {"start_time": clock.stamp(draft.now), "resolved": None} | experiment_counts.counts(seen)
    for kind in ("ModelReady", "RuntimeReady"):
        draft.conditions.set(kind, "Unknown", "Waiting")
    draft.conditions.set("Succeeded", "Unknown", "Running")
    draft.conditions.set("Finished", "False", "Running")
    return draft.plan(f"started: {best_so_far.points(seen.space)} to choose from", draft.now)


def _follow(draft: Draft) -> TaskPlan:
    """An experiment is running: tell how far it is, and end it when the budget does."""
    seen = draft.seen
    best = conclude.note(draft)
    if words := limits.used_up(seen, draft.now):
        withdraw = tuple(one.name for one in seen.running if not one.spec.cancel)
        return draft.plan(f"{words}; releasing {', '.join(one.name for one in seen.running)}", withdraw=withdraw)
    until = limits.deadline(seen, draft.now)
    if seen.running[0].is_repeat:
        return draft.plan(_confirming(draft, limits.race(seen, draft.now), seen.running[0].spec.block), until)
    _searching(draft)
    today = draft.changes["baseline"]
    message = best_so_far.message(
        seen.running[0], len(seen.search), experiment_counts.wanted(seen), best, today, seen.spec
    )
    return draft.plan(message, until)


def _stop_drift(draft: Draft) -> TaskPlan | None:
    """The task is over if what it measures is no longer what experiment 0 measured."""
    seen, first = draft.seen, draft.seen.settled
    if first is None:
        return None
    differing = [drift.told(one.name, one.drift, first.name) for one in seen.measured if one.drift]
    words = next(iter(differing), "") or drift.since(first.status, first.name, seen.model, seen.runtime)
    if not words:
        return None
    conclude.note(draft)
    return draft.end(False, "RuntimeChanged", words)


def _searching(draft: Draft) -> None:
    draft.conditions.set("Succeeded", "Unknown", "Running")
    draft.conditions.set("Finished", "False", "Running")


def _tune(draft: Draft) -> TaskPlan:
    """Nothing is running: the baseline first, then one experiment after the other, then the answer."""
    seen = draft.seen
    conclude.note(draft)
    stop = _stopping(seen.measured)
    if stop:
        return draft.end(False, stop.status.reason or "", f"{stop.name}: {stop.status.message}")
    if seen.baseline is None:
        limit = limits.used_up(seen, draft.now)
        return conclude.answer(draft, "BudgetExhausted", limit=limit) if limit else _create(draft, "Baseline", None)
    if len(seen.search) >= seen.spec.search.max_experiments:
        return _confirm(draft, "Completed")
    proposal = next_experiment.next_one(seen)
    if proposal is None:
        return _confirm(draft, "SpaceExhausted")
    limit = limits.ends_search(seen, experiment_spec.accelerators(_ingredients(seen), proposal[1]), draft.now)
    return _confirm(draft, "BudgetExhausted", limit) if limit else _create(draft, *proposal)


def _confirm(draft: Draft, reason: str, limit: str = "") -> TaskPlan:
    """The search is over: measure the leaders and the baseline again, one run after the other, then answer."""
    seen = draft.seen
    race = limits.race(seen, draft.now)
    if race is None:
        return conclude.answer(draft, reason, limit=limit)
    step = race.step
    if isinstance(step, Measure) and (short := limits.ends_confirmation(seen, race, step, draft.now)):
        race, reason, limit = finalists.cut(race, step.block), "BudgetExhausted", limit or short
        step = race.step
    if isinstance(step, Decided):
        best = confirmed_best.best(race, step)
        draft.changes |= {"best": best, "baseline": confirmed_best.baseline(race)}
        words = confirmed_best.conclusion(race, step) if best else confirmed_best.nothing(race, seen.measured)
        return conclude.answer(draft, reason, words, limit)
    if limit and not seen.measured[-1].is_repeat and not seen.obstacle:
        draft.happenings.append(Happening("Normal", "BudgetExhausted", limit))
    original = race.original(step.keys[0])
    body = experiment_spec.repeat(
        _ingredients(seen), original.spec, index=_next_index(draft), block=step.block, ladder=race.ladder
    )
    message = _confirming(draft, race, step.block)
    what = "the baseline" if step.keys[0] is None else original.name
    return _launch(draft, body, f"{what} again, block {step.block}", message)


def _confirming(draft: Draft, race: Race | None, block: int) -> str:
    """The best is being measured again: tell how it stands."""
    draft.conditions.set("Succeeded", "Unknown", "Confirming")
    draft.conditions.set("Finished", "False", "Confirming")
    return confirmed_best.message(race, block) if race else "confirming"


def _stopping(measured: Sequence[Measured]) -> Measured | None:
    """The experiment because of which the task cannot go on: its cause is common to all, or it came too often."""
    over = [one for one in measured if one.finished]
    if over and over[-1].outcome == "stop":
        return over[-1]
    last = over[-_IN_A_ROW:]
    spoiled = len(last) == _IN_A_ROW and all(one.outcome == "environment" for one in last)
    return last[-1] if spoiled else None


def _create(draft: Draft, purpose: Purpose, configuration: Configuration | None) -> TaskPlan:
    seen = draft.seen
    leader = best_so_far.leader(seen.measured, seen.spec.objectives[0])
    experiment = experiment_spec.experiment(
        _ingredients(seen),
        index=_next_index(draft),
        purpose=purpose,
        configuration=configuration,
        best=leader.worth if leader and purpose != "Baseline" else None,
    )
    what = (
        "the baseline"
        if purpose == "Baseline"
        else f"experiment {len(seen.search) + 1} of {experiment_counts.wanted(seen)}"
    )
    _searching(draft)
    return _launch(draft, experiment, what, f"{what} starting as {experiment['metadata']['name']}")


def _ingredients(seen: ObservedTask) -> Ingredients:
    return seen.ingredients(seen.model or {}, seen.runtime or {})


def _next_index(draft: Draft) -> int:
    counts: ExperimentCounts = draft.changes["experiments"]
    return counts.next_index


def _launch(draft: Draft, experiment: Object, what: str, message: str) -> TaskPlan:
    """Create it, unless its name is taken."""
    name = experiment["metadata"]["name"]
    if draft.seen.obstacle:
        return draft.plan(f"waiting to create {name}: {draft.seen.obstacle}", draft.now + _POLL / 4)
    counts: ExperimentCounts = draft.changes["experiments"]
    # The name is used up even if the status write below is lost: the next pass sees the experiment itself.
    draft.changes["experiments"] = counts.model_copy(
        update={"next_index": counts.next_index + 1, "running": counts.running + 1}
    )
    draft.happenings.append(Happening("Normal", "ExperimentCreated", f"{name}: {what}"))
    return draft.plan(message, create_experiment=experiment)
