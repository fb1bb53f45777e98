"""NVIDIA's accelerators by NVML, with the labels of GPU feature discovery.

Slices are handed out as its MIG strategy `single` does: all slices of the machine alike and no whole accelerator
beside them are the resource nvidia.com/gpu, with the slice's product and memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from autotuner.local.devices.found import Accelerators, Device, User, holders, usable
from autotuner.local.devices.process_owner import ANYBODY, Whose

RESOURCE = "nvidia.com/gpu"
_MIB = 1024**2


def look(nvml: Any, whose: Whose = ANYBODY) -> Accelerators:
    """The accelerators of this machine.

    Args:
        nvml: the module `pynvml`.
        whose: tells whose a process is.
    """
    try:
        nvml.nvmlInit()
    except (nvml.NVMLError_LibraryNotFound, nvml.NVMLError_DriverNotLoaded):
        return Accelerators()
    except nvml.NVMLError as problem:
        return Accelerators(notes=[f"NVIDIA's driver does not answer ({problem}): `nvidia-smi` says more"])
    try:
        return _read(nvml, whose)
    except nvml.NVMLError as problem:
        return Accelerators(notes=[f"NVIDIA's accelerators cannot be read ({problem}): `nvidia-smi` says more"])
    finally:
        nvml.nvmlShutdown()


def _read(nvml: Any, whose: Whose) -> Accelerators:
    devices: list[Device] = []
    handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    for index, handle in enumerate(handles):
        devices += (
            _slices(nvml, handle, index, whose) if _sliced(nvml, handle) else [_whole(nvml, handle, index, whose)]
        )
    found = usable(devices)
    if not found.devices:
        return Accelerators("nvidia", RESOURCE, notes=found.notes) if devices else Accelerators(notes=found.notes)
    labels = {**_labels(found.devices), **_driver(nvml), **_compute(nvml, handles[0])}
    return Accelerators("nvidia", RESOURCE, found.devices, labels, found.notes)


def _whole(nvml: Any, handle: Any, index: int, whose: Whose) -> Device:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    users = holders(_users(nvml, handle, whose), memory.used, whose.own)
    return Device(
        _text(nvml.nvmlDeviceGetUUID(handle)), str(index), _product(nvml, handle), memory.total // _MIB, "", users
    )


def _slices(nvml: Any, handle: Any, index: int, whose: Whose) -> Iterator[Device]:
    for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
        except nvml.NVMLError_NotFound:
            continue
        memory, size = nvml.nvmlDeviceGetMemoryInfo(part), nvml.nvmlDeviceGetAttributes_v2(part)
        profile = f"{size.gpuInstanceSliceCount}g.{_gigabytes(size.memorySizeMB)}gb"
        yield Device(
            _text(nvml.nvmlDeviceGetUUID(part)),
            f"{index}:{number}",
            f"{_product(nvml, handle)}-MIG-{profile}",
            memory.total // _MIB,
            profile,
            holders(_users(nvml, part, whose), memory.used, whose.own),
        )


def _sliced(nvml: Any, handle: Any) -> bool:
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE)
    except nvml.NVMLError_NotSupported:
        return False


def _users(nvml: Any, handle: Any, whose: Whose) -> Sequence[User]:
    try:
        running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except (nvml.NVMLError_NotSupported, nvml.NVMLError_NoPermission):
        return ()
    return [whose.owner(int(one.pid), int(one.usedGpuMemory or 0)) for one in running]


def _gigabytes(mebibytes: int) -> int:
    """The size in a profile's name, which is rounded up: 9,728 MiB are `10gb`."""
    return -(-mebibytes // 1024)


def _product(nvml: Any, handle: Any) -> str:
    return _text(nvml.nvmlDeviceGetName(handle)).replace(" ", "-")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _labels(devices: Sequence[Device]) -> dict[str, str]:
    told = {
        "product": devices[0].product,
        "memory": str(devices[0].memory_mib),
        "count": str(len(devices)),
        "replicas": "1",
        "sharing-strategy": "none",
    }
    strategy = {"nvidia.com/mig.strategy": "single"} if devices[0].slice else {}
    return {**{f"{RESOURCE}.{name}": value for name, value in told.items()}, **strategy}


def _driver(nvml: Any) -> dict[str, str]:
    version = _text(nvml.nvmlSystemGetDriverVersion())
    numbers = dict(zip(("major", "minor", "revision"), version.split("."), strict=False))
    return {
        "nvidia.com/cuda.driver-version.full": version,
        **{f"nvidia.com/cuda.driver-version.{name}": value for name, value in numbers.items()},
    }


def _compute(nvml: Any, handle: Any) -> dict[str, str]:
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    return {f"{RESOURCE}.compute.major": str(major), f"{RESOURCE}.compute.minor": str(minor)}
