"""Can engine and benchmark get at the weights where the task says they are?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from autotuner.api.common import Volume
from autotuner.policy import model_and_runtime
from autotuner.policy.claims import Storage
from autotuner.policy.preflight.case import Case, Problem
from autotuner.presets import is_simulated, runner
from autotuner.serving.ome import models
from autotuner.serving.ome.inference_service import MODEL_PATH

_SYSTEM = ("/", "/dev", "/proc", "/sys")
_EXPANDED = ("{{", "$(")  # by OME's templates, and by Kubernetes


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
    path = models.host_path(case.model_spec)
    if path:
        yield (
            f"model.volume: {_model(case)} has a storage.path too, so OME also mounts {path} of the node; a model of"
            " storageUri vendor://... without a path downloads and mounts nothing"
        )
    container = runner(case.runtime_spec or {})
    if container and not _mentions(case, MODEL_PATH) and not _mentions(case, volume.mount_path):
        yield (
            f"model.volume: the runtime's command reads neither $({MODEL_PATH}) nor {volume.mount_path}; check that its"
            " engine finds the weights there"
        )


def _places(case: Case, volume: Volume) -> Iterator[Problem]:
    """What is wrong with the two paths as such; Kubernetes would only say it once OME makes the pod, and OME never."""
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
    taken = {f"the storage.path of {_model(case)}": models.host_path(case.model_spec)}
    for item in runner(case.runtime_spec or {}).get("volumeMounts") or []:
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
    """A pvc:// model is mounted by OME itself, from its own namespace."""
    claim, storage = models.claim(case.model_spec), case.around.storage
    if claim is None:
        return
    if case.spec.model.volume is not None:
        yield Problem(
            "InvalidSpec",
            f"model.volume: {_model(case)} lies on a claim of its own (pvc://), which OME mounts; remove model.volume,"
            " or name a model of storageUri vendor://... without a path",
        )
    elif storage is not None and claim.namespace not in ("", storage.namespace):
        yield Problem(
            "InvalidSpec",
            f"{_model_field(case)}: {_model(case)} lies on claim {claim.volume.claim_name} of namespace"
            f" {claim.namespace}, and pods mount claims of their own namespace only; create the task there",
        )


def _no_weights(case: Case) -> Iterator[Problem]:
    spec, runtime = case.model_spec, case.runtime_spec
    if not spec or runtime is None or case.spec.model.volume is not None or is_simulated(runtime):
        return
    if models.host_path(spec) or models.claim(spec) is not None or not _mentions(case, MODEL_PATH):
        return
    own = [str(variable.get("name")) for variable in runner(runtime).get("env") or []]
    if MODEL_PATH in own or any(variable.name == MODEL_PATH for variable in case.spec.runtime.env or []):
        return
    yield Problem(
        "InvalidSpec",
        f"{_model_field(case)}: {_model(case)} has no storage.path, so OME mounts no weights and sets no {MODEL_PATH},"
        " which the runtime's command reads; name the claim that holds them in model.volume, or a model with a path",
    )


def _mentions(case: Case, text: str) -> bool:
    container = runner(case.runtime_spec or {})
    words = [*(container.get("command") or []), *(container.get("args") or []), *(case.spec.runtime.extra_args or [])]
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
    """Pod Security refuses the pods of a Deployment, which OME never tells."""
    level = storage.forbids_host_paths
    if not level:
        return
    forbidden = f"which Pod Security ({level}) forbids in namespace {storage.namespace}"
    relax = "use a namespace without the label pod-security.kubernetes.io/enforce"
    model = case.spec.model
    if path := models.host_path(case.model_spec):
        claim = (
            "name the claim that holds the weights in model.volume"
            if model.preset and not model.volume
            else "name a model of storageUri vendor://... without a path, and the weights' claim in model.volume"
        )
        yield Problem(
            "InvalidSpec",
            f"{_model_field(case)}: OME mounts {path} of the node for {_model(case)}, {forbidden}; {claim}, or {relax}",
        )
    engine = (case.runtime_spec or {}).get("engineConfig") or {}
    for volume in engine.get("volumes") or []:
        if "hostPath" in volume:
            yield Problem(
                "InvalidSpec",
                f"{_runtime_field(case)}: its volume {volume.get('name')} is a host path, {forbidden}; use a runtime"
                f" without it, or {relax}",
            )


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
