"""What is read of an LLMInferenceService that runs: its own words, the configurations below them, and its pod.

The controller merges presets, base references and the object itself, so only the pod tells what really runs. All three
are in the snapshot: whoever edits one of them has another engine, though the object's generation stays.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from autotuner.api.model_and_runtime import Target
from autotuner.hashing import digest
from autotuner.kubernetes_object import Object, Resource
from autotuner.presets import Presets
from autotuner.serving.backend import FoundTarget, Named, TargetParts, UnusableTargetError
from autotuner.serving.llm_inference_service import engine_start, preset_script
from autotuner.serving.llm_inference_service.engine_start import ENGINE, MAIN, EngineStart
from autotuner.serving.target import pod_copy, reading, weights_folder
from autotuner.serving.target.engine_container import NoEngineError

_GROUP = "serving.kserve.io"
ROOT = Resource(_GROUP, "v1alpha2", "llminferenceservices", "LLMInferenceService")
CONFIGURATION = Resource(_GROUP, "v1alpha2", "llminferenceserviceconfigs", "LLMInferenceServiceConfig")
HUB = "hf://"
# Where the presets mount the model, whatever its address.
_FOLDER = "/mnt/models"
# The weights are there, and no engine downloads them.
_MOUNTED = ("pvc://", "oci://", "local://")
_NAME_LABEL = "app.kubernetes.io/name"
_WORKLOAD = "app.kubernetes.io/part-of=llminferenceservice,kserve.io/component=workload"
# Several pods that are one engine, or half of one.
_NOT_ONE_POD = {
    "worker": "spec.worker: one engine over several nodes",
    "prefill": "spec.prefill: prefill and decode apart",
}
_DEGREES = ("pipeline", "data", "dataLocal")
# Of the object: what leads traffic to its pods, and how many there are.
_LEFT_OUT = ("labels", "router", "scaling", "replicas")
# No copy can leave out what it inherits.
_INHERITED = ("labels", "router", "scaling", "prefill", "worker")
# Of the pod's container: what tells how the engine runs. The rest is the presets' own.
_READ = ("name", "image", "command", "args", "env", "resources", "ports", "startupProbe", "readinessProbe", "lifecycle")
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
# The API server gives them to every pod.
_USUAL_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_TEMPLATE = "{{"


def parts(live: Mapping[str, Any]) -> TargetParts:
    """The configurations of which the object is made, and the selector of its engines' pods, its scheduler's apart."""
    meta, spec = live["metadata"], live["spec"]
    applied = [(one["namespace"], one["name"]) for one in (live.get("status") or {}).get("appliedConfigs") or ()]
    known = {name for _, name in applied}
    referred = [(meta["namespace"], one["name"]) for one in spec.get("baseRefs") or () if one["name"] not in known]
    named = [Named(CONFIGURATION, name, namespace=namespace) for namespace, name in (*applied, *referred)]
    # The object's own labels are stronger than the controller's.
    called = (spec.get("labels") or {}).get(_NAME_LABEL, meta["name"])
    return TargetParts(named, f"{_NAME_LABEL}={called},{_WORKLOAD}")


def read(target: Target, found: FoundTarget, known: Presets) -> Object:
    """The data of the snapshot of a target.

    Beside what each snapshot holds: `copied`, the spec from which experiments are made; `containers`, those of the
    object, which a patch replaces as a whole; `configurations`, a digest of each one below the object; and
    `servedModelName`. The template has of the pod only what tells how its engine runs.

    Args:
        target: what the task says of it.
        found: what was read.
        known: presets, whose models tell what a model is by its id on the hub.

    Raises:
        UnusableTargetError: it cannot be copied.
    """
    live = reading.usable(target, found.object)
    pod = _newest(found.pods)
    if why := _unusable(live, target) or _inherited(live, found.parts) or _unreachable(pod):
        raise UnusableTargetError(f"{target.kind} {target.name} {why}")
    assert pod is not None, "asked before"
    main = _main(pod)
    try:
        start = engine_start.read(main, target.engine)
    except NoEngineError as problem:
        raise UnusableTargetError(f"{target.kind} {target.name}: {problem}") from problem
    model = _model(live["spec"], pod["spec"], main, known)
    return {
        "target": {"apiVersion": target.api_version, "kind": target.kind, "name": target.name},
        "container": MAIN,
        "engine": ENGINE,
        "template": {"spec": _read_of(pod["spec"], main)},
        "model": model,
        "copied": _copied(live, pod, found.parts),
        "containers": copy.deepcopy((live["spec"].get("template") or {}).get("containers") or []),
        "configurations": [_digest(one) for one in found.parts],
        "servedModelName": target.served_model_name or _served_name(live, start),
        reading.NOTES: _notes(model),
    }


def _unusable(live: Mapping[str, Any], target: Target) -> str:
    """Why an object is nobody's to tune; empty if it can be."""
    meta, spec = live["metadata"], live["spec"]
    if target.container not in ("", MAIN):
        return f"its engine's container is always called {MAIN!r}, and target.container is {target.container!r}"
    if (meta.get("annotations") or {}).get(f"{_GROUP}/stop") == "true":
        return f"is stopped by its annotation {_GROUP}/stop, so nothing runs that could be a baseline"
    for field, what in _NOT_ONE_POD.items():
        if spec.get(field) is not None:
            return f"has {what}, which cannot be tuned yet"
    for degree in _DEGREES:
        if ((spec.get("parallelism") or {}).get(degree) or 1) > 1:
            return f"has spec.parallelism.{degree}: one engine over several pods, which cannot be tuned yet"
    for field, value in (("extraArgs", target.extra_args), ("env", [one.value for one in target.env or ()])):
        if any(_TEMPLATE in str(item) for item in value or ()):
            return f'target.{field} has "{_TEMPLATE}", which KServe would expand as a template'
    observed = (live.get("status") or {}).get("observedGeneration")
    if "generation" in meta and observed is not None and observed < meta["generation"]:
        return "has just been edited, and KServe has not looked at it yet; wait until it has"
    return ""


def _inherited(live: Mapping[str, Any], configurations: Iterable[Mapping[str, Any]]) -> str:
    """What a base reference brings that a copy must not have; empty if it brings nothing of that kind."""
    referred = [one["name"] for one in live["spec"].get("baseRefs") or ()]
    for one in configurations:
        fields = [field for field in _INHERITED if one["spec"].get(field) is not None]
        if one["metadata"]["name"] in referred and fields:
            return (
                f"takes spec.{fields[0]} from {one['kind']} {one['metadata']['name']}, and a copy cannot leave out what"
                " it inherits; move that field into the object itself"
            )
    return ""


def _newest(pods: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The pod of the present spec: during a rollout there are others."""
    able = [pod for pod in pods if any(one["name"] == MAIN for one in pod["spec"]["containers"])]
    return max(able, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


def _main(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    containers: Sequence[Mapping[str, Any]] = pod["spec"]["containers"]
    return next(one for one in containers if one["name"] == MAIN)


def _unreachable(pod: Mapping[str, Any] | None) -> str:
    """Why no benchmark could reach such a pod; empty if it could."""
    if pod is None:
        return "has no pod whose arguments could be read; wait until it runs"
    main = _main(pod)
    if any(((main.get(probe) or {}).get("httpGet") or {}).get("scheme") == "HTTPS" for probe in _PROBES):
        return (
            "serves by HTTPS with a certificate that it signed itself, which no benchmark trusts; set"
            " enableLLMInferenceServiceTLS to false in the ConfigMap inferenceservice-config of KServe"
        )
    return ""


def _read_of(pod: Mapping[str, Any], main: Mapping[str, Any]) -> Object:
    found: Object = {"containers": [{field: copy.deepcopy(main[field]) for field in _READ if field in main}]}
    if claims := [one for one in pod.get("volumes") or () if "persistentVolumeClaim" in one]:
        found["volumes"] = copy.deepcopy(claims)
    if own := [one for one in pod.get("tolerations") or () if one.get("key") not in _USUAL_TAINTS]:
        found["tolerations"] = copy.deepcopy(own)
    return found


def _copied(live: Mapping[str, Any], pod: Mapping[str, Any], configurations: Sequence[Mapping[str, Any]]) -> Object:
    """The object's spec without what would give a copy the original's traffic or share what breaks."""
    spec: Object = {key: copy.deepcopy(value) for key, value in live["spec"].items() if key not in _LEFT_OUT}
    whole = {
        "metadata": {"labels": pod["metadata"].get("labels") or {}, "annotations": spec.pop("annotations", None) or {}},
        "spec": spec.get("template") or {},
    }
    template = pod_copy.without_traffic(whole).template
    spec["template"] = template["spec"]
    if "metadata" in template:
        spec["annotations"] = template["metadata"]["annotations"]
    containers = spec["template"].setdefault("containers", [])
    if all(one["name"] != MAIN for one in containers):
        containers.append({"name": MAIN})
    main = next(one for one in containers if one["name"] == MAIN)
    read_again(main, inherited=any(map(_has_additional, configurations)))
    # Without a name, a copy would serve under its own.
    spec.setdefault("model", {}).setdefault("name", live["metadata"]["name"])
    return spec


def read_again(main: Object, *, inherited: bool) -> None:
    """Take the flags of the presets' variable out of a container's environment: they are among its arguments now."""
    env = [one for one in main.get("env") or () if one["name"] != preset_script.ADDITIONAL]
    if inherited:
        # An empty value would be left out where the controller merges, and the inherited one would stay.
        env.append({"name": preset_script.ADDITIONAL, "value": " "})
    if env or "env" in main:
        main["env"] = env


def _has_additional(configuration: Mapping[str, Any]) -> bool:
    containers = (configuration["spec"].get("template") or {}).get("containers") or ()
    return any(one["name"] == preset_script.ADDITIONAL for main in containers for one in main.get("env") or ())


def _digest(configuration: Mapping[str, Any]) -> Object:
    """A configuration by its content, its router apart: no copy has one."""
    meta = configuration["metadata"]
    content = {field: value for field, value in configuration["spec"].items() if field != "router"}
    return {"namespace": meta["namespace"], "name": meta["name"], "digest": digest(content)}


def _model(spec: Mapping[str, Any], pod: Mapping[str, Any], main: Mapping[str, Any], known: Presets) -> Object:
    """What is known of the model, with its address as the object has it, and the claim that holds it."""
    uri = str((spec.get("model") or {}).get("uri") or "")
    found = reading.model_of(uri.removeprefix(HUB), known)
    if (spec.get("storageInitializer") or {}).get("enabled") is False:
        uri = f"local://{uri}"
    files = weights_folder.storage(_FOLDER, main.get("volumeMounts") or (), pod.get("volumes") or ())
    return {**found, "storage": {"storageUri": uri, **files}}


def _notes(model_spec: Mapping[str, Any]) -> list[str]:
    """How a copy differs from the original, or what it costs, for people."""
    uri = model_spec["storage"]["storageUri"]
    if not downloaded(model_spec):
        return []
    return [f"each experiment downloads {uri} anew; on a claim (pvc://) it would be shared"]


def downloaded(model_spec: Mapping[str, Any]) -> bool:
    """Whether each pod downloads the model anew."""
    uri = str((model_spec.get("storage") or {}).get("storageUri") or "")
    return bool(uri) and not uri.startswith(_MOUNTED)


def _served_name(live: Mapping[str, Any], start: EngineStart) -> str:
    """The name in requests: presets serve a model by two names, of which only the first is the same for a copy."""
    name = (live["spec"].get("model") or {}).get("name") or live["metadata"]["name"]
    return start.served_name or (name if start.evaluated else "")
