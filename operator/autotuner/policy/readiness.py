"""Model and runtime: look first, create only if missing, wait, never modify or delete."""

from __future__ import annotations

from datetime import timedelta

from autotuner import clock
from autotuner.api.task_status import SPACE_MAX, Created, Resolved
from autotuner.policy import blueprint
from autotuner.policy.draft import Draft, TaskPlan
from autotuner.policy.observed_task import ObservedTask
from autotuner.presets import contains, missing_format
from autotuner.serving import models

_POLL = timedelta(seconds=2)  # objects of OME are not watched


def prepare(draft: Draft) -> TaskPlan | None:
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
        return draft.end(False, "AdmissionRejected", message)
    return _model_ready(draft) or _runtime_ready(draft)


def _model_ready(draft: Draft) -> TaskPlan | None:
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
        return draft.end(False, "ModelNotReady", message)
    if state != "Ready":
        message = f"waiting for {kind} {name} to be Ready (it is {state or 'without a state'})"
        draft.conditions.set("ModelReady", "False", "Waiting", message)
        return _wait_for_model(draft, message)
    draft.conditions.set("ModelReady", "True", "Ready", _difference(seen))
    return None


def _created(draft: Draft) -> Created:
    current: Created | None = draft.changes.get("created") or draft.seen.status.created
    return current or Created()


def _difference(seen: ObservedTask) -> str:
    """In what an existing model differs from the preset of its name; it is used as it is."""
    if seen.wanted_model is None or seen.model is None:
        return ""
    wanted, live = seen.wanted_model["spec"], seen.model["spec"]
    fields = [key for key in wanted if not contains(live.get(key), wanted[key])]
    return f"used as found; it differs from the preset in {', '.join(fields)}" if fields else ""


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
        if lacking := missing_format(seen.model or {}):
            message = f"{spec.preset} cannot serve a model without spec.{lacking}: OME compares it; set it in the model"
            draft.conditions.set("RuntimeReady", "False", "Incompatible", message)
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
