"""What a task that is suspended before its start would do: shown in a ConfigMap, nothing else is created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner import ownership, yaml_text
from autotuner.api.common import TASK_LABEL
from autotuner.api.experiment import ExperimentSpec
from autotuner.api.task_status import Preview, Resolved
from autotuner.kubernetes_object import Object
from autotuner.policy import cost_estimate
from autotuner.policy.evidence import experiment_spec
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task import readiness


def is_wanted(seen: ObservedTask) -> bool:
    """Whether the task is suspended and has not started."""
    return seen.spec.suspend and seen.status.start_time is None


def name(task: Mapping[str, Any]) -> str:
    """The name of the ConfigMap with a task's preview."""
    return f"{task['metadata']['name']}-preview"


def status(seen: ObservedTask) -> Preview:
    """The preview as the task's status has it."""
    hours = cost_estimate.gpu_hours(seen.spec, seen.space, seen.engine)
    if hours is not None and seen.spec.budget is not None and seen.spec.budget.max_gpu_hours is not None:
        hours = min(hours, seen.spec.budget.max_gpu_hours)
    return Preview(config_map=name(seen.object), gpu_hours=hours)


def resolved(seen: ObservedTask) -> Resolved:
    """What the words of the spec resolve to, with objects that would be created where there are none."""
    return readiness.resolved(seen, *_objects(seen))


def _objects(seen: ObservedTask) -> tuple[Object, Object]:
    """Model and runtime, live or as they would be created."""
    model = seen.model or seen.wanted_model
    assert model is not None, "checked by preflight"
    runtime = seen.runtime or seen.backend.wanted_runtime(seen.spec, seen.presets, model, seen.namespace)
    assert runtime is not None, "checked by preflight"
    return model, runtime


def config_map(seen: ObservedTask) -> Object | None:
    """The ConfigMap with what would serve the first experiment; None if it is there as it should be."""
    model, runtime = _objects(seen)
    data = {f"{seen.backend.capabilities.root.kind.lower()}.yaml": _text(_first_root(seen, model, runtime))}
    made = [body for body, live in ((model, seen.model), (runtime, seen.runtime)) if live is None]
    if made:
        data["created-before.yaml"] = "---\n".join(map(_text, made))
    if seen.preview is not None and seen.preview.get("data") == data:
        return None
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name(seen.object),
            "namespace": seen.namespace,
            "labels": {TASK_LABEL: seen.object["metadata"]["name"]},
            "ownerReferences": [ownership.owner_reference(seen.object)],
        },
        "data": data,
    }


def _first_root(seen: ObservedTask, model: Mapping[str, Any], runtime: Mapping[str, Any]) -> Object:
    """The root that serves the baseline, without the owner and labels of ours that only a real experiment has."""
    experiment = experiment_spec.experiment(
        seen.ingredients(model, runtime), index=0, purpose="Baseline", configuration=None
    )
    experiment["metadata"]["uid"] = ""
    service = ExperimentSpec.model_validate(experiment["spec"]).service
    root = seen.backend.render(experiment, service, runtime)
    del root["metadata"]["ownerReferences"], root["metadata"]["labels"]
    if service.labels:
        root["metadata"]["labels"] = dict(service.labels)
    return root


def _text(body: Mapping[str, Any]) -> str:
    return yaml_text.dump(dict(body))
