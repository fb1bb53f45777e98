"""What to do about one TuningTask: a pure function of what was seen and the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from autotuner import clock, engines, scoring
from autotuner.api.common import EngineName
from autotuner.api.task import (
    SPACE_MAX,
    BaselineResult,
    Best,
    Created,
    ExperimentCounts,
    ReasonCount,
    Resolved,
    TaskSpec,
    TaskStatus,
    Usage,
)
from autotuner.policy import blueprint, preflight, progress, records
from autotuner.policy.conditions import ConditionSet, is_true, shorten
from autotuner.policy.experiment import Happening
from autotuner.policy.records import Measured
from autotuner.presets import Presets, contains
from autotuner.search import Space, suggest
from autotuner.serving import models

Object = dict[str, Any]

_POLL = timedelta(seconds=2)  # for objects of OME, which are not watched
_SLOW_POLL = timedelta(seconds=10)
_IN_A_ROW = 3  # environmental endings that stop a task


@dataclass(frozen=True)
class ObservedTask:
    """A TuningTask and everything around it, as read in one pass."""

    object: Object
    spec: TaskSpec
    status: TaskStatus
    presets: Presets
    experiments: tuple[Object, ...] = ()  # those that this very task owns
    model: Object | None = None  # live
    runtime: Object | None = None  # live
    wanted_model: Object | None = None  # of the preset
    wanted_runtime: Object | None = None  # of the preset for the live model
    shadow: str = ""
    may_create: bool = True
    benchmark_image: str = ""
    obstacle: str = ""  # whose the name of the next experiment is, if it could not be created just now
    rejection: tuple[str, str] | None = None  # kind and the API server's words, when it refused to create it just now

    @property
    def generation(self) -> int:
        """The generation of the spec that was read."""
        return int(self.object["metadata"].get("generation", 0))

    @cached_property
    def space(self) -> Space:
        """The search space."""
        return Space.of(self.spec.parameters)

    @cached_property
    def measured(self) -> list[Measured]:
        """The experiments, by index."""
        return records.read(self.experiments, self.spec, self.space)

    @cached_property
    def search(self) -> list[Measured]:
        """Experiments that count: neither baselines nor withdrawn."""
        return [one for one in self.measured if not one.is_baseline and not one.withdrawn]

    @property
    def running(self) -> list[Measured]:
        """Experiments that are not over."""
        return [one for one in self.measured if not one.finished]

    @cached_property
    def baseline(self) -> Measured | None:
        """The baseline's experiment that counts: the last one that was not cancelled or spoiled by the environment."""
        settled = [one for one in self.measured if one.is_baseline and one.outcome not in _REPEATED]
        return settled[-1] if settled else None

    @property
    def engine(self) -> EngineName:
        """Whose flags the parameters are."""
        if self.status.resolved:
            return self.status.resolved.engine
        engine = preflight.engine_of(self.spec, self.presets)
        assert engine is not None, "checked by preflight"
        return engine


_REPEATED = ("environment", "nothing", "stop")


@dataclass(frozen=True)
class TaskPlan:
    """What one pass will do: create first, then write the status, then cancel and tell."""

    status: TaskStatus
    create_model: Object | None = None
    create_runtime: Object | None = None
    create_experiment: Object | None = None
    withdraw: tuple[str, ...] = ()  # experiments to cancel
    happenings: tuple[Happening, ...] = ()
    look_again: datetime | None = None


@dataclass
class _Draft:
    """The status while a pass writes it."""

    seen: ObservedTask
    now: datetime
    conditions: ConditionSet
    changes: dict[str, Any] = field(default_factory=dict)
    happenings: list[Happening] = field(default_factory=list)

    def plan(self, message: str, look_again: datetime | None = None, **actions: Any) -> TaskPlan:
        before = self.seen.status
        succeeded = self.conditions.get("Succeeded")
        status = before.model_copy(
            update={
                **self.changes,
                "observed_generation": self.seen.generation,
                "conditions": self.conditions.list(),
                "message": shorten(message),
            }
        )
        status = status.model_copy(update={"phase": progress.phase(status, self.seen.spec.suspend)})
        if (status.phase, status.experiments) != (before.phase, before.experiments):
            status = status.model_copy(update={"last_progress_time": clock.stamp(self.now)})
        if succeeded and before.phase != status.phase and status.phase != "Pending":
            kind = "Warning" if status.phase == "Failed" else "Normal"
            self.happenings.append(Happening(kind, succeeded.reason, message))
        return TaskPlan(status, happenings=tuple(self.happenings), look_again=look_again, **actions)


def finished(status: TaskStatus) -> bool:
    """Whether the task is over for good."""
    return is_true(status.conditions, "Finished")


def decide(seen: ObservedTask, now: datetime) -> TaskPlan:
    """The plan for one pass."""
    if finished(seen.status):
        return _stay_finished(seen, now)
    draft = _Draft(seen, now, ConditionSet(seen.status.conditions, seen.generation, now))
    started = seen.status.start_time is not None
    if not started:
        problems = preflight.check(seen.spec, seen.presets, _surroundings(seen))
        if problems:
            return _invalid(draft, problems)
        draft.conditions.set("Valid", "True", "Valid", "; ".join(preflight.warnings(seen.spec)))
        if seen.spec.suspend:
            return _suspended(draft)
        return _start(draft)
    draft.changes |= _counts(seen)
    if seen.spec.suspend:
        return _suspended(draft)
    if seen.running:
        return _follow(draft)
    return _prepare(draft) or _tune(draft)


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


def _surroundings(seen: ObservedTask) -> preflight.Surroundings:
    return preflight.Surroundings(seen.model, seen.runtime, seen.shadow, seen.may_create)


def _invalid(draft: _Draft, problems: Sequence[preflight.Problem]) -> TaskPlan:
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


def _suspended(draft: _Draft) -> TaskPlan:
    running = [one.name for one in draft.seen.running if not one.spec.cancel]
    draft.conditions.set("Succeeded", "Unknown", "Suspended")
    draft.conditions.set("Finished", "False", "Suspended")
    waiting = ", ".join(one.name for one in draft.seen.running)
    message = f"suspended; releasing {waiting}" if waiting else "suspended; set suspend: false to go on"
    return draft.plan(message, withdraw=tuple(running))


def _start(draft: _Draft) -> TaskPlan:
    """Write the start before anything is created: from then on the spec is fixed."""
    seen = draft.seen
    draft.changes |= {"start_time": clock.stamp(draft.now)} | _counts(seen)
    for kind in ("ModelReady", "RuntimeReady"):
        draft.conditions.set(kind, "Unknown", "Waiting")
    draft.conditions.set("Succeeded", "Unknown", "Running")
    draft.conditions.set("Finished", "False", "Running")
    points = f"{seen.space.size} configuration{'s' if seen.space.size != 1 else ''}"
    return draft.plan(f"started: {points} to choose from", draft.now)


def _prepare(draft: _Draft) -> TaskPlan | None:
    """Have the model Ready and the runtime there; None once they are."""
    seen = draft.seen
    draft.conditions.set("Succeeded", "Unknown", "Running")
    draft.conditions.set("Finished", "False", "Running")
    if seen.rejection:
        kind, words = seen.rejection
        condition = {"ClusterBaseModel": "ModelReady", "ClusterServingRuntime": "RuntimeReady"}.get(kind)
        message = f"the API server refused the {kind}: {words}"
        if condition:
            draft.conditions.set(condition, "False", "Failed", message)
        return _end(draft, False, "AdmissionRejected", message)
    return _model_ready(draft) or _runtime_ready(draft)


def _model_ready(draft: _Draft) -> TaskPlan | None:
    seen, spec = draft.seen, draft.seen.spec.model
    name, kind = spec.preset or spec.name, "ClusterBaseModel" if spec.preset else spec.kind
    state = models.state(seen.model)
    if seen.model is None:
        if seen.wanted_model is None or not seen.may_create:
            message = f"{kind} {name} is gone; re-create it"
            draft.conditions.set("ModelReady", "False", "NotFound", message)
            return _wait_for_model(draft, message)
        draft.conditions.set("ModelReady", "False", "Waiting", f"creating {kind} {name}")
        message = f"creating {kind} {name} from its preset"
        return draft.plan(message, draft.now, create_model=seen.wanted_model)
    if blueprint.created_by(seen.model, seen.object):
        draft.changes["created"] = _created(draft).model_copy(update={"cluster_base_model": name})
    if state == "Failed":
        message = f"{kind} {name}: {models.failed_nodes(seen.model)}"
        draft.conditions.set("ModelReady", "False", "Failed", message)
        return _end(draft, False, "ModelNotReady", message)
    if state != "Ready":
        message = f"waiting for {kind} {name} to be Ready (it is {state or 'without a state'})"
        draft.conditions.set("ModelReady", "False", "Waiting", message)
        return _wait_for_model(draft, message)
    draft.conditions.set("ModelReady", "True", "Ready", _difference(seen))
    return None


def _created(draft: _Draft) -> Created:
    current: Created | None = draft.changes.get("created") or draft.seen.status.created
    return current or Created()


def _difference(seen: ObservedTask) -> str:
    """In what an existing model differs from the preset of its name; it is used as it is."""
    if seen.wanted_model is None or seen.model is None:
        return ""
    wanted, live = seen.wanted_model["spec"], seen.model["spec"]
    fields = [key for key in wanted if not contains(live.get(key), wanted[key])]
    return f"used as found; it differs from the preset in {', '.join(fields)}" if fields else ""


def _wait_for_model(draft: _Draft, message: str) -> TaskPlan:
    """Not from the start of the task: a model that was Ready for hours has its whole time again."""
    limit, ready = draft.seen.spec.model.ready_timeout_seconds, draft.conditions.get("ModelReady")
    assert ready is not None
    overdue = clock.parse(ready.last_transition_time) + timedelta(seconds=limit)
    if draft.now >= overdue:
        message = f"not Ready for {limit} s (model.readyTimeoutSeconds): {message}"
        draft.conditions.set("ModelReady", "False", "Timeout", message)
        return _end(draft, False, "ModelNotReady", message)
    return draft.plan(message, min(draft.now + _POLL, overdue))


def _runtime_ready(draft: _Draft) -> TaskPlan | None:
    seen, spec = draft.seen, draft.seen.spec.runtime
    if seen.shadow:
        draft.conditions.set("RuntimeReady", "False", "Shadowed", seen.shadow)
        return draft.plan(seen.shadow, draft.now + _POLL)
    if seen.runtime is None:
        wanted, resolved = seen.wanted_runtime, seen.status.resolved
        proposed = wanted["metadata"]["name"] if wanted else spec.name or spec.preset
        name = resolved.runtime if resolved else proposed
        # Once resolved it keeps its name: the preset of an upgraded operator would be another runtime.
        if wanted is None or name != proposed or not seen.may_create:
            message = f"runtime {name} does not exist; create it"
            draft.conditions.set("RuntimeReady", "False", "NotFound", message)
            return draft.plan(message, draft.now + _POLL)
        draft.conditions.set("RuntimeReady", "False", "Waiting", f"creating ClusterServingRuntime {name}")
        return draft.plan(f"creating ClusterServingRuntime {name} from its preset", draft.now, create_runtime=wanted)
    name = seen.runtime["metadata"]["name"]
    if blueprint.created_by(seen.runtime, seen.object):
        draft.changes["created"] = _created(draft).model_copy(update={"cluster_serving_runtime": name})
    draft.conditions.set("RuntimeReady", "True", "Ready")
    product = seen.baseline.status.accelerator_product if seen.baseline else None
    assert seen.model is not None
    draft.changes["resolved"] = Resolved(
        model=seen.model["metadata"]["name"],
        runtime=name,
        engine=seen.engine,
        configurations=min(seen.space.size, SPACE_MAX),
        accelerator=product,
    )
    return None


def _follow(draft: _Draft) -> TaskPlan:
    """An experiment is running: tell how far it is."""
    seen = draft.seen
    best = _leader(draft)
    draft.conditions.set("Succeeded", "Unknown", "Running")
    draft.conditions.set("Finished", "False", "Running")
    return draft.plan(progress.message(seen.running[0], len(seen.search), _wanted(seen), best, seen.spec))


def _leader(draft: _Draft) -> Best | None:
    """The best so far and the baseline, as they go into the status."""
    seen = draft.seen
    best = progress.best(seen.measured, seen.baseline, seen.spec.objectives[0])
    draft.changes |= {"best": best, "baseline": _baseline(seen)}
    return best


def _tune(draft: _Draft) -> TaskPlan:
    """Nothing is running: the baseline first, then one experiment after the other, then the answer."""
    seen = draft.seen
    _leader(draft)
    stop = _stopping(seen.measured)
    if stop:
        return _end(draft, False, stop.status.reason or "", f"{stop.name}: {stop.status.message}")
    if seen.baseline is None:
        return _create(draft, "Baseline", None)
    if len(seen.search) >= seen.spec.search.max_experiments:
        return _answer(draft, "Completed")
    found = suggest(
        seen.spec.search.strategy,
        seen.space,
        records.for_search(seen.measured),
        [],
        1,
        seen.spec.search.seed,
    )
    return _create(draft, "Search", found[0]) if found else _answer(draft, "SpaceExhausted")


def _wanted(seen: ObservedTask) -> int:
    return min(seen.spec.search.max_experiments, seen.space.size)


def _stopping(measured: Sequence[Measured]) -> Measured | None:
    """The experiment because of which the task cannot go on: its cause is common to all, or it came too often."""
    over = [one for one in measured if one.finished]
    if over and over[-1].outcome == "stop":
        return over[-1]
    last = over[-_IN_A_ROW:]
    spoiled = len(last) == _IN_A_ROW and all(one.outcome == "environment" for one in last)
    return last[-1] if spoiled else None


def _create(draft: _Draft, purpose: str, configuration: Mapping[str, engines.Value] | None) -> TaskPlan:
    seen = draft.seen
    counts: ExperimentCounts = draft.changes["experiments"]
    experiment = blueprint.experiment(
        seen.object,
        seen.spec,
        index=counts.next_index,
        purpose=purpose,
        configuration=configuration,
        engine=seen.engine,
        model=seen.model or {},
        runtime=seen.runtime or {},
        product=seen.baseline.status.accelerator_product if seen.baseline else None,
        benchmark_image=seen.benchmark_image,
    )
    name = experiment["metadata"]["name"]
    if seen.obstacle:
        return draft.plan(f"waiting to create {name}: {seen.obstacle}", draft.now + _POLL / 4)
    what = "the baseline" if purpose == "Baseline" else f"experiment {len(seen.search) + 1} of {_wanted(seen)}"
    # The name is used up even if the status write below is lost: the next pass sees the experiment itself.
    draft.changes["experiments"] = counts.model_copy(
        update={"next_index": counts.next_index + 1, "running": counts.running + 1}
    )
    draft.happenings.append(Happening("Normal", "ExperimentCreated", f"{name}: {what}"))
    return draft.plan(f"{what} starting as {name}", create_experiment=experiment)


def _answer(draft: _Draft, reason: str) -> TaskPlan:
    """The search is over: name the best, or what came nearest."""
    seen, best = draft.seen, draft.changes["best"]
    objective = seen.spec.objectives[0]
    if best is None:
        return _end(draft, False, "NoFeasibleConfiguration", progress.nearest(seen.measured))
    value = scoring.format_value(best.value, objective.metric)
    gain = f" ({best.gain} over the baseline)" if best.gain else ""
    count = len(seen.search)
    counted = f"{count} experiment{'s' if count != 1 else ''}"
    searched = "the whole space was measured" if reason == "SpaceExhausted" else counted
    return _end(draft, True, reason, f"best {value} by {best.experiment}{gain}; {searched}")


def _end(draft: _Draft, succeeded: bool, reason: str, message: str) -> TaskPlan:
    draft.conditions.set("Succeeded", "True" if succeeded else "False", reason, message)
    draft.conditions.set("Finished", "True", reason, message)
    draft.changes["completion_time"] = clock.stamp(draft.now)
    return draft.plan(message)


def _baseline(seen: ObservedTask) -> BaselineResult | None:
    if seen.baseline is None:
        return None
    score = seen.baseline.score
    return BaselineResult(experiment=seen.baseline.name, value=score.value if score else None)


def _counts(seen: ObservedTask) -> dict[str, Any]:
    """Figures about the experiments, and what they cost."""
    over = [one for one in seen.search if one.finished]
    outcomes = Counter(one.outcome for one in over)
    reasons = Counter(one.status.reason or "" for one in over if one.outcome not in ("value", "infeasible"))
    known = seen.status.experiments.next_index if seen.status.experiments else 0
    used = max((one.index + 1 for one in seen.measured), default=0)
    counts = ExperimentCounts(
        summary=f"{len(over)}/{_wanted(seen)}",
        next_index=max(known, used),
        running=len(seen.running),
        succeeded=outcomes["value"],
        infeasible=outcomes["infeasible"],
        failed=len(over) - outcomes["value"] - outcomes["infeasible"],
        reasons=[ReasonCount(reason=reason, count=count) for reason, count in sorted(reasons.items())] or None,
    )
    hours = sum(one.status.gpu_seconds or 0.0 for one in seen.measured) / 3600
    return {"experiments": counts, "usage": Usage(gpu_hours=round(hours, 4))}
