"""Checks of the weights: can engine and benchmark read them where the task says they are?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from autotuner.api.common import Volume
from autotuner.findings import Finding, Kind
from autotuner.policy import model_and_runtime
from autotuner.policy.claims import Storage
from autotuner.policy.preflight.case import Case
from autotuner.presets import is_simulated, runner
from autotuner.serving.ome import models
from autotuner.serving.ome.inference_service import MODEL_PATH

_SYSTEM = ("/", "/dev", "/proc", "/sys")
_EXPANDED = ("{{", "$(")  # by OME's templates, and by Kubernetes


def problems(case: Case, parallel: int = 1) -> Iterator[Finding]:
    """What is wrong with volume, claim and namespace.

    Args:
        case: the task and its surroundings.
        parallel: experiments at a time.
    """
    model = case.spec.model
    if model.volume is not None:
        if "storage" in (model.overrides or {}):
            yield Finding("model.overrides.storage", Kind.STORAGE_AND_VOLUME)
        yield from _places(case, model.volume)
    yield from _address(case)
    yield from _no_weights(case)
    if case.around.storage is not None:
        yield from _claim(case, case.around.storage, parallel)
        yield from _host_paths(case, case.around.storage)


def warnings(case: Case) -> Iterator[Finding]:
    """What works but may mislead."""
    volume, storage = case.spec.model.volume, case.around.storage
    if storage is not None and storage.may_be_empty:
        yield Finding(_claim_field(case), Kind.VOLUME_MAY_BE_EMPTY, {"claim": str(storage)})
    if volume is None:
        return
    path = models.host_path(case.model_spec)
    if path:
        yield Finding("model.volume", Kind.MODEL_MOUNTED_TOO, {"model": _model(case), "path": path})
    container = runner(case.runtime_spec or {})
    if container and not _mentions(case, MODEL_PATH) and not _mentions(case, volume.mount_path):
        details = {"variable": MODEL_PATH, "mount": volume.mount_path}
        yield Finding("model.volume", Kind.VOLUME_NOT_READ, details)


def _places(case: Case, volume: Volume) -> Iterator[Finding]:
    """What is wrong with the two paths; Kubernetes would only say it once OME makes the pod, and OME never."""
    for field, text in (("mountPath", volume.mount_path), ("subPath", volume.sub_path)):
        where = f"model.volume.{field}"
        for mark in _EXPANDED:
            if mark in text:
                yield Finding(where, Kind.PATH_EXPANDED, {"mark": mark})
        if ".." in PurePosixPath(text).parts:
            yield Finding(where, Kind.PATH_WITH_PARENT)
    if volume.sub_path.startswith("/"):
        yield Finding("model.volume.subPath", Kind.PATH_ABSOLUTE)
    mount = PurePosixPath(volume.mount_path)
    if str(mount) in _SYSTEM or any(str(mount).startswith(f"{root}/") for root in _SYSTEM[1:]):
        yield Finding("model.volume.mountPath", Kind.MOUNT_ON_SYSTEM, {"mount": str(mount)})
        return
    taken = {f"the storage.path of {_model(case)}": models.host_path(case.model_spec)}
    for item in runner(case.runtime_spec or {}).get("volumeMounts") or []:
        taken[f"the runtime's volume {item.get('name')}"] = str(item.get("mountPath", ""))
    for owner, path in taken.items():
        if path and _overlap(mount, PurePosixPath(path)):
            details = {"mount": str(mount), "path": path, "owner": owner}
            yield Finding("model.volume.mountPath", Kind.MOUNT_OVERLAPS, details)


def _overlap(one: PurePosixPath, other: PurePosixPath) -> bool:
    """Whether one mount lies in the other: below a read-only one no folder can be made to mount on."""
    return one.is_relative_to(other) or other.is_relative_to(one)


def _address(case: Case) -> Iterator[Finding]:
    """What is wrong with a model of address pvc://, which OME itself mounts, from the model's own namespace."""
    claim, storage = models.claim(case.model_spec), case.around.storage
    if claim is None:
        return
    if case.spec.model.volume is not None:
        yield Finding("model.volume", Kind.VOLUME_AND_MODEL_CLAIM, {"model": _model(case)})
    elif storage is not None and claim.namespace not in ("", storage.namespace):
        details = {"model": _model(case), "claim": claim.volume.claim_name, "namespace": claim.namespace}
        yield Finding(_model_field(case), Kind.CLAIM_IN_OTHER_NAMESPACE, details)


def _no_weights(case: Case) -> Iterator[Finding]:
    spec, runtime = case.model_spec, case.runtime_spec
    if not spec or runtime is None or case.spec.model.volume is not None or is_simulated(runtime):
        return
    if models.host_path(spec) or models.claim(spec) is not None or not _mentions(case, MODEL_PATH):
        return
    own = [str(variable.get("name")) for variable in runner(runtime).get("env") or []]
    if MODEL_PATH in own or any(variable.name == MODEL_PATH for variable in case.spec.runtime.env or []):
        return
    details = {"model": _model(case), "variable": MODEL_PATH}
    yield Finding(_model_field(case), Kind.MODEL_WITHOUT_WEIGHTS, details)


def _mentions(case: Case, text: str) -> bool:
    container = runner(case.runtime_spec or {})
    words = [*(container.get("command") or []), *(container.get("args") or []), *(case.spec.runtime.extra_args or [])]
    return any(text in str(word) for word in words)


def _claim(case: Case, storage: Storage, parallel: int) -> Iterator[Finding]:
    """What is wrong with the claim, and with who has to read it at a time."""
    if fault := storage.fault(_claim_field(case)):
        yield fault
        return
    if not storage.claim_name:
        return
    benchmark = case.spec.benchmark
    if unreadable := storage.unreadable(benchmark.tokenizer.source, benchmark.placement):
        yield unreadable
    pinned = "kubernetes.io/hostname" in (case.spec.placement.node_selector or {})
    if parallel > 1 and (storage.one_pod or (storage.one_node and not pinned)):
        kind = Kind.CLAIM_FOR_ONE_POD if storage.one_pod else Kind.CLAIM_FOR_ONE_NODE
        yield Finding("search.parallelExperiments", kind, {"claim": str(storage), "engines": parallel})


def _host_paths(case: Case, storage: Storage) -> Iterator[Finding]:
    """Host paths that Pod Security forbids: it refuses the pods of a Deployment, which OME never tells."""
    level = storage.forbids_host_paths
    if not level:
        return
    forbidden = {"level": level, "namespace": storage.namespace}
    model = case.spec.model
    if path := models.host_path(case.model_spec):
        movable = model.preset and not model.volume
        kind = Kind.MODEL_PATH_FORBIDDEN if movable else Kind.OWN_MODEL_PATH_FORBIDDEN
        yield Finding(_model_field(case), kind, {"path": path, "model": _model(case), **forbidden})
    engine = (case.runtime_spec or {}).get("engineConfig") or {}
    for volume in engine.get("volumes") or []:
        if "hostPath" in volume:
            details = {"volume": str(volume.get("name")), **forbidden}
            yield Finding(_runtime_field(case), Kind.RUNTIME_PATH_FORBIDDEN, details)


def _model(case: Case) -> str:
    return str(model_and_runtime.model(case.spec.model, case.presets, "") or "the model")


def _model_field(case: Case) -> str:
    reference = model_and_runtime.model(case.spec.model, case.presets, "")
    return reference.field if reference else "model"


def _runtime_field(case: Case) -> str:
    runtime = case.spec.runtime
    return next(f"runtime.{form}" for form in ("preset", "name", "custom") if getattr(runtime, form) is not None)


def _claim_field(case: Case) -> str:
    return "model.volume.claimName" if case.spec.model.volume else _model_field(case)
