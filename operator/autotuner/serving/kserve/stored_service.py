"""An InferenceService that runs already, read so that it can be copied.

KServe gives the engine its runtime's arguments first and those of the InferenceService after them, and passes both
through templates. So what decides is read in a pod, and the runtime is a part of what was read: an edit of it rolls the
pods without any trace in the InferenceService.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.api.model_and_runtime import Target
from autotuner.engines import arguments
from autotuner.kubernetes_object import Object
from autotuner.presets import Presets
from autotuner.serving.backend import FoundTarget, Named, TargetParts, UnusableTargetError
from autotuner.serving.kserve import predictor_copy
from autotuner.serving.kserve.predictor_fields import OLD_FORMS, Runtime, own_container, predictor_of
from autotuner.serving.kserve.resource_kinds import (
    CLUSTER_SERVING_RUNTIME,
    CONTAINER,
    DEPLOYMENT_MODE,
    DISABLE_AUTO_UPDATE,
    SERVING_RUNTIME,
    STOP,
    pod_selector,
)
from autotuner.serving.target import reading
from autotuner.serving.target.shell_script import script_index

_MODES = ("Standard", "RawDeployment")
_HUB = "hf://"
_DOWNLOADED = "downloaded"
_TOKEN_VOLUME = "kube-api-access-"  # noqa: S105


def parts(target: Mapping[str, Any]) -> TargetParts:
    """The runtime, which KServe names in the status once it has chosen it, and the predictor's pods."""
    status, name = target.get("status") or {}, target["metadata"]["name"]
    asked = (predictor_of(target).get("model") or {}).get("runtime") or ""
    chosen = (status.get("servingRuntimeName") or "", status.get("clusterServingRuntimeName") or "")
    names = zip((SERVING_RUNTIME, CLUSTER_SERVING_RUNTIME), chosen if any(chosen) else (asked, asked), strict=True)
    named = [Named(resource, called) for resource, called in names if called]
    return TargetParts(named, ",".join(f"{key}={value}" for key, value in pod_selector(name).items()))


def read(target: Target, found: FoundTarget, known: Presets) -> Object:
    """The data of its snapshot: what `reading.of_pod` tells, and besides that the following.

    - `predictor`: what a copy says, without arguments, labels, scaling and traffic.
    - `annotations`: of a copy.
    - `mode`: KServe's word for Deployments without Knative.
    - `runtime`: kind, name and spec of the runtime; absent for a predictor with containers of its own.
    - `completed`: arguments of the runtime that hold the original's name or namespace, as its pods have them.
    - `oldForm`: the field under `predictor` where the user's own file has what is stored as `model`; absent for none.

    Raises:
        UnusableTargetError: it cannot be copied, or a change of it would do nothing.
    """
    original, what = reading.usable(target, found.object), f"{target.kind} {target.name}"
    predictor = predictor_of(original)
    runtime = _runtime(predictor, found)
    if why := _unusable(original, predictor, runtime):
        raise UnusableTargetError(f"{what} {why}")
    own = own_container(predictor)
    pod = _settled(what, own, runtime, original, found.pods)
    engine = next(one for one in pod["spec"]["containers"] if one["name"] == CONTAINER)
    kept = _kept(own, runtime, engine)
    if _swallows(engine, kept):
        raise UnusableTargetError(
            f"{what}: {runtime} starts the engine by a shell script, which gets none of the arguments of an"
            " InferenceService and says nothing: all experiments would be the same engine; let the runtime start the"
            " engine by command and args"
        )
    copied = predictor_copy.copied(original, predictor, pod["metadata"].get("labels") or {})
    form = predictor_copy.old_form(original)
    given = list(runtime.container.get("args") or ())
    return {
        **reading.of_pod(target, _template(engine, pod, predictor, runtime), known, kept=kept),
        **_model(predictor, known),
        "predictor": copied.predictor,
        "annotations": copied.annotations,
        "mode": _mode(original) or _MODES[0],
        **({"runtime": {**runtime._asdict(), "spec": dict(runtime.spec)}} if runtime.name else {}),
        "completed": _completed(given, list(engine.get("args") or ())[: len(given)]),
        **({"oldForm": form} if form else {}),
        reading.NOTES: list(predictor_copy.notes(original, predictor, runtime, copied.dropped)),
    }


def _runtime(predictor: Mapping[str, Any], found: FoundTarget) -> Runtime:
    if not predictor.get("model") or not found.parts:
        return Runtime()
    body = found.parts[0]
    return Runtime(body["kind"], body["metadata"]["name"], body["spec"])


def _mode(original: Mapping[str, Any]) -> str:
    """The mode, as far as the object says it: what no annotation says is a setting of the cluster."""
    annotations = original["metadata"].get("annotations") or {}
    return str(annotations.get(DEPLOYMENT_MODE) or (original.get("status") or {}).get("deploymentMode") or "")


def _unusable(original: Mapping[str, Any], predictor: Mapping[str, Any], runtime: Runtime) -> str:
    """Why an InferenceService cannot be copied, or a change of it would do nothing; empty if all is well."""
    annotations = original["metadata"].get("annotations") or {}
    mode = _mode(original)
    if mode and mode not in _MODES:
        return f"has {DEPLOYMENT_MODE}: {mode}; only Standard (RawDeployment), which needs no Knative, can be copied"
    if annotations.get(STOP) == "true":
        return f"is stopped ({STOP}), so nothing runs that could be a baseline; start it"
    if predictor.get("minReplicas") == 0:
        return "has predictor.minReplicas 0, so perhaps nothing runs that could be a baseline; set it to 1"
    if annotations.get(DISABLE_AUTO_UPDATE) == "true":
        return f"has {DISABLE_AUTO_UPDATE}, by which KServe carries out no change, so no patch either; take it off"
    if predictor.get("workerSpec") or runtime.spec.get("workerSpec"):
        return "runs on several nodes (workerSpec), whose workers KServe deletes from release 0.20 on; use one node"
    old = [form for form in OLD_FORMS if form in predictor]
    if old:
        return f"is stored with predictor.{old[0]}, which KServe has replaced; write predictor.model"
    if not own_container(predictor):
        return f"has neither predictor.model nor a container {CONTAINER}, so no engine that could be copied"
    if predictor.get("model") and not runtime.name:
        return (
            "has no runtime that can be read: KServe names it in status.servingRuntimeName or"
            " status.clusterServingRuntimeName; name one in predictor.model.runtime"
        )
    return ""


def _settled(
    what: str, own: Mapping[str, Any], runtime: Runtime, original: Mapping[str, Any], pods: Sequence[Object]
) -> Object:
    """A pod of the predictor, if all of them run what the InferenceService and its runtime say."""
    if not pods and "status" not in original:
        return _composed(own, runtime)  # a file
    if not pods:
        labels = ", ".join(f"{key}={value}" for key, value in pod_selector(original["metadata"]["name"]).items())
        raise UnusableTargetError(f"{what} has no pods ({labels}), so nothing runs that could be a baseline")
    for pod in pods:
        engine = next((one for one in pod["spec"]["containers"] if one["name"] == CONTAINER), None)
        if engine is None:
            raise UnusableTargetError(f"{what}: pod {pod['metadata']['name']} has no container {CONTAINER}")
        if not _says_the_same(list(engine.get("args") or ()), own, runtime):
            raise UnusableTargetError(
                f"{what}: pod {pod['metadata']['name']} runs other arguments than the InferenceService and its runtime"
                " say: wait until its rollout is over, or see why it is not"
            )
    return min(pods, key=lambda pod: str(pod["metadata"]["name"]))


def _says_the_same(running: Sequence[str], own: Mapping[str, Any], runtime: Runtime) -> bool:
    """Whether a pod's arguments are those that are written, but for what templates put in."""
    written = [*(runtime.container.get("args") or ()), *(own.get("args") or ())]
    return len(running) == len(written) and all(
        "{{" in said or said == given for said, given in zip(written, running, strict=True)
    )


def _composed(own: Mapping[str, Any], runtime: Runtime) -> Object:
    """A pod as KServe would make it, as far as it is read here."""
    base = runtime.container
    names = {variable["name"] for variable in own.get("env") or ()}
    engine = {
        "name": CONTAINER,
        "image": own.get("image") or base.get("image") or "",
        "command": own.get("command") or base.get("command") or [],
        "args": [*(base.get("args") or ()), *(own.get("args") or ())],
        "env": [*(one for one in base.get("env") or () if one["name"] not in names), *(own.get("env") or ())],
    }
    return {"metadata": {"name": ""}, "spec": {"containers": [engine]}}


def _kept(own: Mapping[str, Any], runtime: Runtime, engine: Mapping[str, Any]) -> int:
    """How many of the first words of the engine's command line come from the runtime, or stand among its words."""
    given = len(runtime.container.get("args") or ())
    if own.get("command") and not given:
        return 0
    return (len(engine.get("command") or ()) if runtime.name else 0) + given


def _model(predictor: Mapping[str, Any], known: Presets) -> Object:
    """The model by its address on the hub; empty for another one, of which only the engine's flags tell."""
    address = str((predictor.get("model") or {}).get("storageUri") or "")
    if not address.startswith(_HUB):
        return {}
    found = reading.model_of(address.removeprefix(_HUB), known)
    return {"model": {**found, "storage": {**found["storage"], _DOWNLOADED: True}}}


def downloaded(model_spec: Mapping[str, Any]) -> bool:
    """Whether KServe downloads a model with this spec into each pod."""
    return bool((model_spec.get("storage") or {}).get(_DOWNLOADED))


def _swallows(engine: Mapping[str, Any], kept: int) -> bool:
    """Whether a shell's script is among the words that nobody can change: what comes after it, it never reads."""
    script = script_index([*(engine.get("command") or ()), *(engine.get("args") or ())])
    return script is not None and script < kept


def _template(
    engine: Mapping[str, Any], pod: Mapping[str, Any], predictor: Mapping[str, Any], runtime: Runtime
) -> Object:
    """What of the pod decides what is measured; what differs from pod to pod is left out."""
    fields = ("name", "image", "command", "args", "env", "ports", "resources")
    volumes = [one for one in pod["spec"].get("volumes") or () if not one["name"].startswith(_TOKEN_VOLUME)]
    mounts = [one for one in engine.get("volumeMounts") or () if not one["name"].startswith(_TOKEN_VOLUME)]
    tolerations = predictor.get("tolerations") or runtime.spec.get("tolerations")
    selector = {**(runtime.spec.get("nodeSelector") or {}), **(predictor.get("nodeSelector") or {})}
    spec: Object = {
        "containers": [{**{key: engine[key] for key in fields if key in engine}, "volumeMounts": mounts}],
        **({"volumes": volumes} if volumes else {}),
        **({"tolerations": tolerations} if tolerations else {}),
        **({"nodeSelector": selector} if selector else {}),
    }
    return {"spec": copy.deepcopy(spec)}


def _completed(written: Sequence[str], running: Sequence[str]) -> list[str]:
    """The arguments of a runtime in which KServe puts the object's name, as they are in the original's pods."""
    parsed = arguments.parse(written)
    ends = [*(argument.index for argument in parsed[1:]), len(written)]
    found: list[str] = []
    for argument, end in zip(parsed, ends, strict=False):  # no argument ends nowhere
        if any("{{" in word for word in written[argument.index : end]):
            found += running[argument.index : end]
    return found
