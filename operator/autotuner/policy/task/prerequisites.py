"""Model and runtime: look first, create only if missing, wait, never modify or delete."""

from __future__ import annotations

from datetime import timedelta

from autotuner import clock
from autotuner.api.task_status import SPACE_MAX, Created, Removed, Resolved
from autotuner.objects import Object
from autotuner.policy.evidence import experiment_spec
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.experiment.decide import Happening
from autotuner.policy.task import model_obstacles
from autotuner.policy.task.plan import Draft, TaskPlan
from autotuner.presets import difference, incompatible, missing_format
from autotuner.serving.ome import models

_POLL = timedelta(seconds=2)  # objects of OME are not watched
_CONDITION_OF = {
    "ClusterBaseModel": "ModelReady",
    "BaseModel": "ModelReady",
    "ClusterServingRuntime": "RuntimeReady",
    "ServingRuntime": "RuntimeReady",
}
_CREATED_AS = {
    "ClusterBaseModel": "cluster_base_model",
    "BaseModel": "base_model",
    "ClusterServingRuntime": "cluster_serving_runtime",
    "ServingRuntime": "serving_runtime",
}


def prepare(draft: Draft) -> TaskPlan | None:
    """Have the model Ready and the runtime there; None once they are."""
    seen = draft.seen
    draft.conditions.set("Succeeded", "Unknown", "Running")
    draft.conditions.set("Finished", "False", "Running")
    if seen.rejection:
        kind, words = seen.rejection
        message = f"the API server refused the {kind}: {words}"
        if kind in _CONDITION_OF:
            draft.conditions.set(_CONDITION_OF[kind], "False", "Failed", message)
        return draft.end(False, "AdmissionRejected", message)
    return _model_ready(draft) or _runtime_ready(draft)


def _model_ready(draft: Draft) -> TaskPlan | None:
    seen, reference = draft.seen, draft.seen.model_reference
    assert reference is not None, "checked by preflight"
    state = models.state(seen.model)
    if seen.model is None:
        if seen.wanted_model is None or not seen.may_make(reference):
            message = f"{reference} is gone; re-create it"
            draft.conditions.set("ModelReady", "False", "NotFound", message)
            return _wait_for_model(draft, message)
        draft.conditions.set("ModelReady", "False", "Waiting", f"creating {reference}")
        return draft.plan(f"creating {reference} as {reference.field} says", draft.now, create_model=seen.wanted_model)
    _note_created(draft, seen.model)
    if state == "Failed":
        message = f"{reference}: {models.failed_nodes(seen.model)}"
        draft.conditions.set("ModelReady", "False", "Failed", message)
        return draft.end(False, "ModelNotReady", message)
    if state != "Ready":
        message = model_obstacles.not_ready(seen, seen.model)
        draft.conditions.set("ModelReady", "False", "Waiting", message)
        return _wait_for_model(draft, message)
    if obstacle := model_obstacles.find(seen, seen.model):
        draft.conditions.set("ModelReady", "False", obstacle.reason, obstacle.message)
        return _wait_for_model(draft, obstacle.message)
    _ready(draft, "ModelReady", "ModelDiffers", seen.wanted_model, seen.model)
    return None


def _note_created(draft: Draft, live: Object) -> None:
    """Record what this very task made, and nothing else."""
    if experiment_spec.created_by(live, draft.seen.object):
        current: Created = draft.changes.get("created") or draft.seen.status.created or Created()
        made = {_CREATED_AS[live["kind"]]: live["metadata"]["name"]}
        draft.changes["created"] = current.model_copy(update=made)


def _ready(draft: Draft, condition: str, event: str, wanted: Object | None, live: Object) -> None:
    """It is used as it is; in what it differs from what the task would have made is told, once as an event too."""
    found = difference(live["spec"], wanted["spec"]) if wanted is not None else []
    name = f"{live['kind']} {live['metadata']['name']}"
    message = f"{name} is used as found; it differs in {'; '.join(found)}" if found else ""
    before = draft.conditions.get(condition)
    draft.conditions.set(condition, "True", "Ready", message)
    after = draft.conditions.get(condition)
    if message and (before is None or after is None or before.message != after.message):
        draft.happenings.append(Happening("Warning", event, message))


def _wait_for_model(draft: Draft, message: str) -> TaskPlan:
    """Not from the start of the task: a model that was Ready for hours has its whole time again."""
    limit, ready = draft.seen.spec.model.ready_timeout_seconds, draft.conditions.get("ModelReady")
    assert ready is not None
    overdue = clock.parse(ready.last_transition_time) + timedelta(seconds=limit)
    if draft.now >= overdue:
        message = f"not Ready for {limit} s (model.readyTimeoutSeconds): {message}"
        draft.conditions.set("ModelReady", "False", "Timeout", message)
        return draft.end(False, "ModelNotReady", message)
    return draft.plan(message, min(draft.now + _POLL, overdue))


def _runtime_ready(draft: Draft) -> TaskPlan | None:
    seen = draft.seen
    if seen.shadow:
        draft.conditions.set("RuntimeReady", "False", "Shadowed", seen.shadow)
        return draft.plan(seen.shadow, draft.now + _POLL)
    if seen.runtime is None:
        return _without_runtime(draft)
    assert seen.model is not None
    _note_created(draft, seen.runtime)
    if why := incompatible(seen.model, seen.runtime):
        draft.conditions.set("RuntimeReady", "False", "Incompatible", why)
        return draft.end(False, "RuntimeIncompatible", why)
    wanted = seen.wanted_runtime if seen.spec.runtime.custom else None  # others are named after their content
    _ready(draft, "RuntimeReady", "RuntimeDiffers", wanted, seen.runtime)
    draft.changes["resolved"] = resolved(seen, seen.model, seen.runtime)
    return None


def _without_runtime(draft: Draft) -> TaskPlan:
    seen, reference, wanted = draft.seen, draft.seen.runtime_reference, draft.seen.wanted_runtime
    assert reference is not None, "known once the model is Ready"
    # Once resolved it keeps its name: the preset of an upgraded operator would be another runtime.
    if wanted is None or reference.name != wanted["metadata"]["name"] or not seen.may_make(reference):
        message = f"{reference} does not exist; create it"
        draft.conditions.set("RuntimeReady", "False", "NotFound", message)
        return draft.plan(message, draft.now + _POLL)
    lacking = missing_format(seen.model or {})
    if lacking and seen.spec.runtime.preset:
        message = (
            f"{seen.spec.runtime.preset} cannot serve a model without spec.{lacking}: OME compares it; set it in the"
            " model"
        )
        draft.conditions.set("RuntimeReady", "False", "Incompatible", message)
        return draft.plan(message, draft.now + _POLL)
    draft.conditions.set("RuntimeReady", "False", "Waiting", f"creating {reference}")
    return draft.plan(f"creating {reference} as {reference.field} says", draft.now, create_runtime=wanted)


def resolved(seen: ObservedTask, model: Object, runtime: Object) -> Resolved:
    """What the words of the spec came to, with this model and runtime."""
    space = seen.space
    return Resolved(
        model=model["metadata"]["name"],
        runtime=runtime["metadata"]["name"],
        engine=seen.engine,
        configurations=min(space.size, SPACE_MAX),
        estimated=not space.exact,
        removed_by=[Removed(rule=rule, count=min(count, SPACE_MAX)) for rule, count in space.removed if count] or None,
        accelerator=seen.baseline_product,
    )
