"""An InferenceService that runs already, read so that it can be copied.

OME makes its pod of the runtime's engine and of its own on top. Both are a part of what is read: an edit of the runtime
changes the pods at some later time, without any trace in the InferenceService.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autotuner.api.model_and_runtime import Target
from autotuner.kube import DEPLOYMENT
from autotuner.kubernetes_object import Object
from autotuner.serving import accelerator_count_variable, preset_shapes
from autotuner.serving.backend import FoundTarget, Named, TargetParts, UnusableTargetError
from autotuner.serving.ome.inference_service import CONTAINER, engine_name
from autotuner.serving.ome.merged_engine import merged
from autotuner.serving.ome.resource_kinds import (
    BASE_MODEL,
    CLUSTER_BASE_MODEL,
    CLUSTER_SERVING_RUNTIME,
    SERVING_RUNTIME,
)
from autotuner.serving.target import engine_container, pod_copy, reading
from autotuner.serving.target.engine_container import NoEngineError
from autotuner.serving.target.shell_script import keeps_arguments_out

_MODELS = {resource.kind: resource for resource in (CLUSTER_BASE_MODEL, BASE_MODEL)}
_MODE, RAW = "ome.io/deploymentMode", "RawDeployment"
# Of an engine, all that is no field of a pod.
_NO_POD_FIELDS = (
    *("annotations", "labels", "runner", "leader", "worker", "minReplicas", "maxReplicas", "minAvailable"),
    *("maxUnavailable", "scaleTarget", "scaleMetric", "containerConcurrency", "timeoutSeconds", "containers"),
    *("canaryTrafficPercent", "deploymentStrategy", "kedaConfig", "acceleratorOverride"),
)
# What OME does with an object, and what deployment tools look after.
_NOT_COPIED = ("ome.io/", "argocd.argoproj.io/", "meta.helm.sh/")
_ACCELERATOR_CLASS = "ome.io/accelerator-class"
_OVERRULES = ("runtimeArgsOverride", "tensorParallelismOverride")


def parts(target: Mapping[str, Any]) -> TargetParts:
    """Its model, its runtime, which OME looks for in the namespace first, and the Deployment that OME made of it."""
    name = str((target["spec"].get("runtime") or {}).get("name") or "")
    model = _model_reference(target["spec"].get("model") or {})
    models = [Named(_MODELS[model["kind"]], model["name"])] if model["name"] and model["kind"] in _MODELS else []
    runtimes = [Named(SERVING_RUNTIME, name), Named(CLUSTER_SERVING_RUNTIME, name)] if name else []
    return TargetParts([*models, *runtimes, Named(DEPLOYMENT, engine_name(target["metadata"]["name"]))])


def read(target: Target, found: FoundTarget) -> Object:
    """The data of its snapshot.

    - `target`, `container`, `engine` and `template` as `reading.of_pod` has them. The template is of the runtime's
      engine with the InferenceService's on top; its container has the command and the arguments that run.
    - `modelRef`: kind and name of the model; `model`: its spec, empty if there is none.
    - `service`: what a copy says of model and runtime, and the variables that the InferenceService itself sets.
    - `runtime`: kind, name and spec.

    Raises:
        UnusableTargetError: it cannot be copied, or a change of it would do nothing.
    """
    original, what = reading.usable(target, found.object), f"{target.kind} {target.name}"
    spec = original["spec"]
    if why := next(_faults(original, found.parts), ""):
        raise UnusableTargetError(f"{what} {why}")
    runtime = _runtime(what, spec["runtime"], found.parts)
    engine = merged(runtime["spec"].get("engineConfig") or {}, spec["engine"])
    if why := next(_faults_of_engine(original, runtime, engine), ""):
        raise UnusableTargetError(f"{what}: {why}")
    runner = accelerator_count_variable.spelled_out(engine["runner"])
    runner["name"] = runner.get("name") or CONTAINER
    try:
        running = engine_container.find([runner], runner["name"], target.engine)
    except NoEngineError as problem:
        raise UnusableTargetError(f"{what}: {problem}; say which engine it is in target.engine") from problem
    reference = _model_reference(spec["model"])
    models = [one for one in found.parts if one["kind"] == reference["kind"]]
    return {
        "target": {"apiVersion": target.api_version, "kind": target.kind, "name": target.name},
        "container": runner["name"],
        "engine": running.engine,
        "template": pod_copy.without_traffic(_template(original, engine, runner)).template,
        "modelRef": reference,
        "model": models[0]["spec"] if models else {},
        "service": {
            "model": spec["model"],
            "runtime": spec["runtime"],
            "env": list((spec["engine"].get("runner") or {}).get("env") or ()),
        },
        "runtime": {"kind": runtime["kind"], "name": runtime["metadata"]["name"], "spec": runtime["spec"]},
    }


def _model_reference(model: Mapping[str, Any]) -> dict[str, str]:
    return {"kind": str(model.get("kind") or CLUSTER_BASE_MODEL.kind), "name": str(model.get("name") or "")}


def _faults(original: Mapping[str, Any], parts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Why an InferenceService is no single engine that runs."""
    spec = original["spec"]
    engine: Mapping[str, Any] = spec.get("engine") or {}
    if not spec.get("engine"):
        yield "has no spec.engine, so nothing runs that could be a baseline"
    for field in ("model", "runtime"):
        if not (spec.get(field) or {}).get("name"):
            yield f"names no {field}; write the one that it uses into spec.{field}"
    if spec.get("decoder"):
        yield f"has spec.decoder: {_PARTS}"
    for field in ("leader", "worker"):
        if engine.get(field) is not None:
            yield f"has spec.engine.{field}: {_PARTS}"
    for where in (engine, original["metadata"]):
        mode = (where.get("annotations") or {}).get(_MODE, RAW)
        if mode != RAW:
            yield f"is of mode {mode}; only {RAW} can be copied"
    deployments = [one for one in parts if one["kind"] == DEPLOYMENT.kind]
    if engine.get("minReplicas") == 0 or any(one["spec"].get("replicas") == 0 for one in deployments):
        yield "has no replicas, so nothing runs that could be a baseline; scale it up"


_PARTS = "it is no single engine but several, of which a copy would be one"


def _runtime(what: str, reference: Mapping[str, Any], parts: Iterable[Object]) -> Object:
    """The runtime that it runs with.

    Raises:
        UnusableTargetError: there is none, or it cannot be told which.
    """
    kinds = (SERVING_RUNTIME.kind, CLUSTER_SERVING_RUNTIME.kind)
    found = [one for one in parts if one["kind"] in kinds]
    if not found:
        raise UnusableTargetError(f"{what} names a runtime {reference['name']}, which does not exist")
    if len(found) > 1:
        raise UnusableTargetError(
            f"{what}: ServingRuntime {reference['name']} and a ClusterServingRuntime of the same name exist, and"
            " releases of OME differ in which one they use; rename one"
        )
    return found[0]


def _faults_of_engine(original: Mapping[str, Any], runtime: Object, engine: Mapping[str, Any]) -> Iterator[str]:
    """Why what OME makes of an InferenceService and its runtime is no engine that arguments could change."""
    what, runner = f"{runtime['kind']} {runtime['metadata']['name']}", engine.get("runner") or {}
    if field := preset_shapes.several(runtime["spec"]):
        yield f"{what} has {field}: {_PARTS}"
    mode = (engine.get("annotations") or {}).get(_MODE, RAW)
    if mode != RAW:
        yield f"{what} is for mode {mode}; only {RAW} can be copied"
    if not runner.get("image"):
        yield f"{what} has no engineConfig.runner with an image"
    if keeps_arguments_out(runner.get("command") or (), runner.get("args") or ()):
        yield (
            f"{what} starts the engine by a shell script, which gets none of the arguments of an InferenceService; let"
            " it start the engine by command and args"
        )
    if _chooses_class(original) and _overrules(runtime["spec"]):
        yield f"{what} has acceleratorConfig, by which OME overrules arguments; name no class of accelerators"


def _chooses_class(original: Mapping[str, Any]) -> bool:
    spec = original["spec"]
    named = (original["metadata"].get("annotations") or {}).get(_ACCELERATOR_CLASS)
    return bool(named or spec.get("acceleratorSelector") or (spec.get("engine") or {}).get("acceleratorOverride"))


def _overrules(runtime_spec: Mapping[str, Any]) -> bool:
    classes = [one.get("acceleratorConfig") or {} for one in runtime_spec.get("supportedModelFormats") or ()]
    return any(config.get(field) for by_class in classes for config in by_class.values() for field in _OVERRULES)


def _template(original: Mapping[str, Any], engine: Mapping[str, Any], runner: Object) -> Object:
    """The pod around the engine; the labels are those by which others select it."""
    own, said = original["spec"]["engine"], original["metadata"]
    annotations = {**(said.get("annotations") or {}), **(own.get("annotations") or {})}
    kept = {
        key: value for key, value in annotations.items() if key == _ACCELERATOR_CLASS or not key.startswith(_NOT_COPIED)
    }
    pod = {field: value for field, value in engine.items() if field not in _NO_POD_FIELDS}
    others = [one for one in engine.get("containers") or () if one["name"] != runner["name"]]
    return {
        "metadata": {
            "labels": {**(said.get("labels") or {}), **(engine.get("labels") or {})},
            **({"annotations": kept} if kept else {}),
        },
        "spec": {**pod, "containers": [runner, *others]},
    }
