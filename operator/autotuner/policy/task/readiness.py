"""Model and runtime: look first, create only if missing, wait, never modify or delete."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from autotuner import clock
from autotuner.api.task_status import REMOVED_VALUES_MAX, SPACE_MAX, Created, Removed, Resolved
from autotuner.kubernetes_object import Object
from autotuner.policy import model_and_runtime, trouble
from autotuner.policy.conditions import steady
from autotuner.policy.events import Event
from autotuner.policy.evidence import experiment_spec
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.model_and_runtime import Reference
from autotuner.policy.task import model_obstacles
from autotuner.policy.task.plan import PlanBuilder, TaskPlan
from autotuner.search.space.space import Space
from autotuner.serving import refusals

_POLL = timedelta(seconds=2)  # models and runtimes are not watched


def prepare(builder: PlanBuilder) -> TaskPlan | None:
    """The plan that gets model and runtime Ready; None once they are."""
    seen = builder.seen
    builder.conditions.set("Succeeded", "Unknown", "Running")
    builder.conditions.set("Finished", "False", "Running")
    if seen.rejection:
        kind, message = seen.rejection[0], refused(*seen.rejection)
        known = seen.backend.capabilities
        for condition, kinds in (("ModelReady", known.models), ("RuntimeReady", known.runtimes)):
            if kind in (resource.kind for resource in kinds.values()):
                builder.conditions.set(condition, "False", "Failed", message)
        goes = refusals.namespace_goes(seen.rejection[1])
        return builder.end(False, "NamespaceDeleted" if goes else "AdmissionRejected", message)
    return _model_ready(builder) or _runtime_ready(builder)


def refused(kind: str, words: str) -> str:
    """What the API server said of an object, for people."""
    return f"the API server refused the {kind}: {words}"


def is_ready(seen: ObservedTask) -> bool:
    """Whether model and runtime are there for one more experiment beside others."""
    return seen.model_state.phase == "Ready" and seen.runtime is not None and seen.shadow is None


def _model_ready(builder: PlanBuilder) -> TaskPlan | None:
    seen, reference = builder.seen, builder.seen.model_reference
    assert reference is not None, "checked by preflight"
    if seen.model is None:
        if seen.wanted_model is None or not seen.may_make(reference):
            message = f"{reference} is gone; re-create it"
            builder.conditions.set("ModelReady", "False", "NotFound", message)
            return _wait_for_model(builder, message)
        message = _creating(builder, "ModelReady", reference)
        if seen.unanswered:
            return _wait_for_model(builder, message)
        return builder.plan(message, builder.now, create_model=seen.wanted_model)
    _note_created(builder, seen.model)
    state = seen.model_state
    if state.phase == "Failed":
        message = f"{reference}: {state.why}"
        builder.conditions.set("ModelReady", "False", "Failed", message)
        return builder.end(False, "ModelNotReady", message)
    if state.phase != "Ready":
        message = model_obstacles.not_ready(seen)
        builder.conditions.set("ModelReady", "False", "Waiting", message)
        return _wait_for_model(builder, message)
    if obstacle := model_obstacles.find(seen):
        builder.conditions.set("ModelReady", "False", obstacle.reason, obstacle.message)
        return _wait_for_model(builder, obstacle.message)
    _ready(builder, "ModelReady", "ModelDiffers", seen.wanted_model, seen.model)
    return None


def with_lost_objects(builder: PlanBuilder, plan: TaskPlan) -> TaskPlan:
    """The plan, with what this task made and somebody deleted while its engines need it: it is made again.

    Some backends cannot even release an engine without its model. What a user made is left to the user.
    """
    seen = builder.seen
    if seen.unanswered:
        return replace(plan, look_again=builder.now + _POLL)
    model = _lost(seen, seen.model_reference, seen.model, seen.wanted_model)
    runtime = _lost(seen, seen.runtime_reference, seen.runtime, seen.wanted_runtime)
    references = [
        reference
        for reference, body in ((seen.model_reference, model), (seen.runtime_reference, runtime))
        if reference is not None and body is not None
    ]
    events = (*plan.events, *map(_recreated, references))
    return replace(plan, create_model=model, create_runtime=runtime, events=events)


def _lost(seen: ObservedTask, reference: Reference | None, live: Object | None, wanted: Object | None) -> Object | None:
    """The object to make again; None if it is there, or was not the task's own, or would be another by now."""
    if live is not None or wanted is None or reference is None or not _was_ours(seen, reference):
        return None
    same = reference.name == wanted["metadata"]["name"]
    return wanted if same and seen.may_make(reference) else None


def _was_ours(seen: ObservedTask, reference: Reference) -> bool:
    return seen.status.created is not None and seen.status.created.includes(reference.kind, reference.name)


def _recreated(reference: Reference) -> Event:
    message = f"{reference} was deleted while it is needed: making it again as {reference.field} says"
    return Event("Warning", "Recreated", message)


def _creating(builder: PlanBuilder, condition: str, reference: Reference) -> str:
    """The message while an object is being made, with the API server's words if it could not do it just now."""
    if _was_ours(builder.seen, reference) and not builder.seen.unanswered:
        builder.events.append(_recreated(reference))
    before = builder.conditions.get(condition)
    message = trouble.with_words(f"creating {reference} as {reference.field} says", builder.seen.answer)
    message = steady(before.message, message) if before else message
    builder.conditions.set(condition, "False", "Waiting", message)
    return message


def _note_created(builder: PlanBuilder, live: Object) -> None:
    """Record what this very task made, and nothing else."""
    if experiment_spec.created_by(live, builder.seen.object):
        current: Created = builder.changes.get("created") or builder.seen.status.created or Created()
        builder.changes["created"] = current.including(live["kind"], live["metadata"]["name"])


def _ready(builder: PlanBuilder, condition: str, event: str, wanted: Object | None, live: Object) -> None:
    """Use a model as it is; a difference to what the task would have made is told, once as an event too."""
    found = model_and_runtime.difference(live["spec"], wanted["spec"]) if wanted is not None else []
    name = f"{live['kind']} {live['metadata']['name']}"
    message = f"{name} is used as found; it differs in {'; '.join(found)}" if found else ""
    before = builder.conditions.get(condition)
    builder.conditions.set(condition, "True", "Ready", message)
    after = builder.conditions.get(condition)
    if message and (before is None or after is None or before.message != after.message):
        builder.events.append(Event("Warning", event, message))


def _wait_for_model(builder: PlanBuilder, message: str) -> TaskPlan:
    """Wait from when the model stopped being Ready: one that was Ready for hours has its whole time again."""
    limit, ready = builder.seen.spec.model.ready_timeout_seconds, builder.conditions.get("ModelReady")
    assert ready is not None
    overdue = clock.parse(ready.last_transition_time) + timedelta(seconds=limit)
    if builder.now >= overdue:
        message = f"not Ready for {limit} s (model.readyTimeoutSeconds): {message}"
        builder.conditions.set("ModelReady", "False", "Timeout", message)
        return builder.end(False, "ModelNotReady", message)
    return builder.plan(message, min(builder.now + _POLL, overdue))


def _runtime_ready(builder: PlanBuilder) -> TaskPlan | None:
    seen = builder.seen
    if seen.shadow:
        builder.conditions.set("RuntimeReady", "False", "Shadowed", seen.shadow.message)
        return builder.plan(seen.shadow.message, builder.now + _POLL)
    if seen.runtime is None:
        return _without_runtime(builder)
    assert seen.model is not None
    _note_created(builder, seen.runtime)
    if why := seen.backend.incompatible(seen.model, seen.runtime):
        builder.conditions.set("RuntimeReady", "False", "Incompatible", why)
        return builder.end(False, "RuntimeIncompatible", why)
    # Others are named after their content.
    named = seen.spec.runtime.custom and not seen.backend.capabilities.snapshots
    wanted = seen.wanted_runtime if named else None
    _ready(builder, "RuntimeReady", "RuntimeDiffers", wanted, seen.runtime)
    builder.changes["resolved"] = resolved(seen, seen.model, seen.runtime)
    return None


def _without_runtime(builder: PlanBuilder) -> TaskPlan:
    seen, reference, wanted = builder.seen, builder.seen.runtime_reference, builder.seen.wanted_runtime
    assert reference is not None, "known once the model is Ready"
    # Once resolved it keeps its name: the preset of an upgraded operator would be another runtime.
    if wanted is None or reference.name != wanted["metadata"]["name"] or not seen.may_make(reference):
        message = f"{reference} does not exist; create it"
        builder.conditions.set("RuntimeReady", "False", "NotFound", message)
        return builder.plan(message, builder.now + _POLL)
    lacking = seen.backend.lacking_format(seen.model or {})
    if lacking and seen.spec.runtime.preset:
        message = (
            f"{seen.spec.runtime.preset} cannot serve a model without spec.{lacking}:"
            f" {seen.backend.capabilities.name} compares it; set it in the model"
        )
        builder.conditions.set("RuntimeReady", "False", "Incompatible", message)
        return builder.plan(message, builder.now + _POLL)
    message = _creating(builder, "RuntimeReady", reference)
    if seen.unanswered:
        return builder.plan(message, builder.now + _POLL)
    return builder.plan(message, builder.now, create_runtime=wanted)


def resolved(seen: ObservedTask, model: Object, runtime: Object) -> Resolved:
    """What the words of the spec were resolved to, with this model and runtime."""
    space = seen.space
    return Resolved(
        model=model["metadata"]["name"],
        runtime=runtime["metadata"]["name"],
        backend=seen.backend.capabilities.name,
        engine=seen.engine.name,
        configurations=min(space.size, SPACE_MAX),
        estimated=not space.exact,
        removed_by=[_removed(space, rule, count) for rule, count in space.removed if count] or None,
        accelerator=seen.pinned.product,
    )


def _removed(space: Space, rule: str, count: int) -> Removed:
    values = [f"{lost.dimension}={lost.value}" for lost in space.lost if lost.rule == rule]
    return Removed(rule=rule, count=min(count, SPACE_MAX), values=values[:REMOVED_VALUES_MAX] or None)
