"""Can engine and benchmark get at the weights where the task says they are?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from autotuner.api.common import Volume
from autotuner.policy.claims import Storage
from autotuner.policy.preflight.case import Case, Problem
from autotuner.serving.backend import MODEL_PATH

_SYSTEM = ("/", "/dev", "/proc", "/sys")
_EXPANDED = ("{{", "$(")  # by templates of runtimes, and by Kubernetes


def problems(case: Case, parallel: int = 1) -> Iterator[Problem]:
    """What is wrong with volume, claim and namespace.

    Args:
        case: the task and its surroundings.
        parallel: experiments at a time.
    """
    model = case.spec.model
    if model.volume is not None:
        if "storage" in (model.overrides or {}):
            message = "model.overrides.storage: model.volume says where the weights are; remove one of the two"
            yield Problem("InvalidSpec", message)
        yield from _places(case, model.volume)
    yield from _address(case)
    yield from _no_weights(case)
    if case.around.storage is not None:
        yield from _claim(case, case.around.storage, parallel)
        yield from _host_paths(case, case.around.storage)


def warnings(case: Case) -> Iterator[str]:
    """What works but may mislead."""
    volume, storage = case.spec.model.volume, case.around.storage
    if storage is not None and storage.may_be_empty:
        yield (
            f"{_claim_field(case)}: {storage} is not bound yet, and its StorageClass will make an empty volume; put the"
            " weights there before the task starts"
        )
    if volume is None:
        return
    if path := case.weights.path:
        yield (
            f"model.volume: {_model(case)} has a storage.path too, so {_product(case)} also mounts {path} of the node;"
            " a model of storageUri vendor://... without a path downloads and mounts nothing"
        )
    if case.template.container and not _mentions(case, MODEL_PATH) and not _mentions(case, volume.mount_path):
        yield (
            f"model.volume: the runtime's command reads neither $({MODEL_PATH}) nor {volume.mount_path}; check that its"
            " engine finds the weights there"
        )


def _places(case: Case, volume: Volume) -> Iterator[Problem]:
    """What is wrong with the two paths as such; Kubernetes would only say it of a pod, after the start."""
    for field, text in (("mountPath", volume.mount_path), ("subPath", volume.sub_path)):
        where = f"model.volume.{field}"
        for mark in _EXPANDED:
            if mark in text:
                yield Problem("InvalidSpec", f'{where}: "{mark}" would be expanded; write the path as it is')
        if ".." in PurePosixPath(text).parts:
            yield Problem("InvalidSpec", f"{where}: must not contain ..; write the path in full")
    if volume.sub_path.startswith("/"):
        yield Problem("InvalidSpec", "model.volume.subPath: is relative to the claim's root; remove the leading slash")
    mount = PurePosixPath(volume.mount_path)
    if str(mount) in _SYSTEM or any(str(mount).startswith(f"{root}/") for root in _SYSTEM[1:]):
        yield Problem("InvalidSpec", f"model.volume.mountPath: {mount} belongs to the system; choose another folder")
        return
    taken = {f"the storage.path of {_model(case)}": case.weights.path}
    for item in case.template.container.get("volumeMounts") or []:
        taken[f"the runtime's volume {item.get('name')}"] = str(item.get("mountPath", ""))
    for whose, path in taken.items():
        if path and _overlap(mount, PurePosixPath(path)):
            yield Problem(
                "InvalidSpec",
                f"model.volume.mountPath: {mount} overlaps with {path}, where {whose} is mounted; choose another"
                " folder",
            )


def _overlap(one: PurePosixPath, other: PurePosixPath) -> bool:
    """A mount below a read-only one cannot be made: its folder would have to be."""
    return one.is_relative_to(other) or other.is_relative_to(one)


def _address(case: Case) -> Iterator[Problem]:
    """A pvc:// model is mounted by the backend itself, from its own namespace."""
    claim, storage = case.weights.claim, case.around.storage
    if claim is None:
        return
    if case.spec.model.volume is not None:
        yield Problem(
            "InvalidSpec",
            f"model.volume: {_model(case)} lies on a claim of its own (pvc://), which {_product(case)} mounts; remove"
            " model.volume, or name a model of storageUri vendor://... without a path",
        )
    elif storage is not None and claim.namespace not in ("", storage.namespace):
        yield Problem(
            "InvalidSpec",
            f"{_model_field(case)}: {_model(case)} lies on claim {claim.volume.claim_name} of namespace"
            f" {claim.namespace}, and pods mount claims of their own namespace only; create the task there",
        )


def _no_weights(case: Case) -> Iterator[Problem]:
    if not case.model_spec or case.runtime_spec is None or case.spec.model.volume is not None:
        return
    if case.template.simulated or case.weights.path or case.weights.claim or not _mentions(case, MODEL_PATH):
        return
    own = [str(variable.get("name")) for variable in case.template.container.get("env") or []]
    if MODEL_PATH in own or any(variable.name == MODEL_PATH for variable in case.spec.runtime.env or []):
        return
    yield Problem(
        "InvalidSpec",
        f"{_model_field(case)}: {_model(case)} has no storage.path, so {_product(case)} mounts no weights and sets no"
        f" {MODEL_PATH}, which the runtime's command reads; name the claim that holds them in model.volume, or a model"
        " with a path",
    )


def _mentions(case: Case, text: str) -> bool:
    words = [*case.template.command, *case.template.args, *(case.spec.runtime.extra_args or [])]
    return any(text in str(word) for word in words)


def _claim(case: Case, storage: Storage, parallel: int) -> Iterator[Problem]:
    """Whether the claim is there, and can be read by all who have to."""
    if fault := storage.fault:
        yield Problem("NotFound" if fault.missing else "InvalidSpec", f"{_claim_field(case)}: {fault.message}")
        return
    if not storage.claim_name:
        return
    benchmark = case.spec.benchmark
    if why := storage.unreadable(benchmark.tokenizer.source, benchmark.placement):
        yield Problem("InvalidSpec", why)
    pinned = "kubernetes.io/hostname" in (case.spec.placement.node_selector or {})
    if parallel > 1 and (storage.one_pod or (storage.one_node and not pinned)):
        mode = "ReadWriteOncePod, for one pod" if storage.one_pod else "ReadWriteOnce, for one node"
        yield Problem(
            "InvalidSpec",
            f"search.parallelExperiments: {storage} is {mode} at a time, and {parallel} engines would read it; set 1,"
            " or use a claim that is ReadOnlyMany or ReadWriteMany",
        )


def _host_paths(case: Case, storage: Storage) -> Iterator[Problem]:
    """Pod Security refuses only pods, so the object that should make them would wait for ever."""
    level = storage.forbids_host_paths
    if not level:
        return
    forbidden = f"which Pod Security ({level}) forbids in namespace {storage.namespace}"
    relax = "use a namespace without the label pod-security.kubernetes.io/enforce"
    model = case.spec.model
    if path := case.weights.path:
        claim = (
            "name the claim that holds the weights in model.volume"
            if model.preset and not model.volume
            else "name a model of storageUri vendor://... without a path, and the weights' claim in model.volume"
        )
        yield Problem(
            "InvalidSpec",
            f"{_model_field(case)}: {_product(case)} mounts {path} of the node for {_model(case)}, {forbidden};"
            f" {claim}, or {relax}",
        )
    for volume in case.template.pod.get("volumes") or []:
        if "hostPath" in volume:
            yield Problem(
                "InvalidSpec",
                f"{_runtime_field(case)}: its volume {volume.get('name')} is a host path, {forbidden}; use a runtime"
                f" without it, or {relax}",
            )


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
