"""Checks of the weights: can engine and benchmark read them where the task says they are?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from autotuner.api.common import Volume
from autotuner.policy.preflight.checked_task import Case
from autotuner.policy.volume_claims import Storage
from autotuner.serving.backend import MODEL_PATH
from autotuner.validation_messages import Finding, Kind

_SYSTEM = ("/", "/dev", "/proc", "/sys")
_EXPANDED = ("{{", "$(")  # by templates of runtimes, and by Kubernetes


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
    if path := case.weights.path:
        details = {"model": _model(case), "path": path, "product": _product(case)}
        yield Finding("model.volume", Kind.MODEL_MOUNTED_TOO, details)
    if case.template.container and not _mentions(case, MODEL_PATH) and not _mentions(case, volume.mount_path):
        yield Finding("model.volume", Kind.VOLUME_NOT_READ, {"variable": MODEL_PATH, "mount": volume.mount_path})


def _places(case: Case, volume: Volume) -> Iterator[Finding]:
    """What is wrong with the two paths; Kubernetes would only say it of a pod, after the start."""
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
    taken = {f"the storage.path of {_model(case)}": case.weights.path}
    for item in case.template.container.get("volumeMounts") or []:
        taken[f"the runtime's volume {item.get('name')}"] = str(item.get("mountPath", ""))
    for owner, path in taken.items():
        if path and _overlap(mount, PurePosixPath(path)):
            details = {"mount": str(mount), "path": path, "owner": owner}
            yield Finding("model.volume.mountPath", Kind.MOUNT_OVERLAPS, details)


def _overlap(one: PurePosixPath, other: PurePosixPath) -> bool:
    """Whether one mount lies in the other: below a read-only one no folder can be made to mount on."""
    return one.is_relative_to(other) or other.is_relative_to(one)


def _address(case: Case) -> Iterator[Finding]:
    """What is wrong with a model of address pvc://, which the backend itself mounts, from the model's own namespace."""
    claim, storage = case.weights.claim, case.around.storage
    if claim is None:
        return
    if case.spec.model.volume is not None:
        details = {"model": _model(case), "product": _product(case)}
        yield Finding("model.volume", Kind.VOLUME_AND_MODEL_CLAIM, details)
    elif storage is not None and claim.namespace not in ("", storage.namespace):
        details = {"model": _model(case), "claim": claim.volume.claim_name, "namespace": claim.namespace}
        yield Finding(_model_field(case), Kind.CLAIM_IN_OTHER_NAMESPACE, details)


def _no_weights(case: Case) -> Iterator[Finding]:
    if not case.model_spec or case.runtime_spec is None or case.spec.model.volume is not None:
        return
    if case.template.simulated or case.weights.path or case.weights.claim or not _mentions(case, MODEL_PATH):
        return
    own = [str(variable.get("name")) for variable in case.template.container.get("env") or []]
    if MODEL_PATH in own or any(variable.name == MODEL_PATH for variable in case.spec.runtime.env or []):
        return
    details = {"model": _model(case), "variable": MODEL_PATH, "product": _product(case)}
    yield Finding(_model_field(case), Kind.MODEL_WITHOUT_WEIGHTS, details)


def _mentions(case: Case, text: str) -> bool:
    words = [*case.template.command, *case.template.args, *(case.spec.runtime.extra_args or [])]
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
    """Host paths that Pod Security forbids: it refuses only pods, so what should make them would wait for ever."""
    level = storage.forbids_host_paths
    if not level:
        return
    forbidden = {"level": level, "namespace": storage.namespace}
    model = case.spec.model
    if path := case.weights.path:
        movable = model.preset and not model.volume
        kind = Kind.MODEL_PATH_FORBIDDEN if movable else Kind.OWN_MODEL_PATH_FORBIDDEN
        details = {"path": path, "model": _model(case), "product": _product(case), **forbidden}
        yield Finding(_model_field(case), kind, details)
    for volume in case.template.pod.get("volumes") or []:
        if "hostPath" in volume:
            details = {"volume": str(volume.get("name")), **forbidden}
            yield Finding(_runtime_field(case), Kind.RUNTIME_PATH_FORBIDDEN, details)


def _product(case: Case) -> str:
    return case.backend.capabilities.name


def _model(case: Case) -> str:
    return str(case.model_reference or "the model")


def _model_field(case: Case) -> str:
    reference = case.model_reference
    return reference.field if reference else "model"


def _runtime_field(case: Case) -> str:
    runtime = case.spec.runtime
    return next(f"runtime.{form}" for form in ("preset", "name", "custom") if getattr(runtime, form) is not None)


def _claim_field(case: Case) -> str:
    return "model.volume.claimName" if case.spec.model.volume else _model_field(case)
