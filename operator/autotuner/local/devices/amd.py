"""AMD's accelerators by AMD SMI, with the labels of AMD's node labeller.

The library comes with ROCm, for the Python of the system; where this program's environment does not have it, `amdsmi`
of the package index fits no installed ROCm for sure, so it is no dependency.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autotuner.local.devices.found import Accelerators, Device, User, holders, usable
from autotuner.local.devices.process_owner import ANYBODY, Whose

RESOURCE = "amd.com/gpu"
_MIB = 1024**2


def look(smi: Any, whose: Whose = ANYBODY) -> Accelerators:
    """The accelerators of this machine.

    Args:
        smi: the module `amdsmi`.
        whose: tells whose a process is.
    """
    try:
        smi.amdsmi_init()
    except smi.AmdSmiException:  # no driver, no device
        return Accelerators()
    try:
        handles = smi.amdsmi_get_processor_handles()
        found = usable([_device(smi, handle, index, whose) for index, handle in enumerate(handles)])
        labels = _labels(smi, handles, found.devices) if found.devices else {}
    except smi.AmdSmiException as problem:
        return Accelerators(notes=[f"AMD's accelerators cannot be read ({problem}): `amd-smi list` says more"])
    finally:
        smi.amdsmi_shut_down()
    return Accelerators("amd", RESOURCE, found.devices, labels, found.notes) if handles else Accelerators()


def _device(smi: Any, handle: Any, index: int, whose: Whose) -> Device:
    memory = smi.amdsmi_get_gpu_vram_usage(handle)  # MiB
    product = smi.amdsmi_get_gpu_asic_info(handle)["market_name"]
    product = product.replace("(", "").replace(")", "").replace(" ", "_")
    users = holders(_users(smi, handle, whose), int(memory["vram_used"]) * _MIB, whose.own)
    # ROCm pins by the number of a device: its unique id is another text than AMD SMI's.
    return Device(str(index), str(index), product, int(memory["vram_total"]), users=users)


def _users(smi: Any, handle: Any, whose: Whose) -> Sequence[User]:
    try:
        running = smi.amdsmi_get_gpu_process_list(handle)
    except smi.AmdSmiException:
        return ()
    return [whose.owner(int(one["pid"]), int(one.get("mem", 0) or 0)) for one in running]


def _labels(smi: Any, handles: Sequence[Any], devices: Sequence[Device]) -> dict[str, str]:
    driver = smi.amdsmi_get_gpu_driver_info(handles[0]).get("driver_version", "")
    return {
        f"{RESOURCE}.product-name": devices[0].product,
        f"{RESOURCE}.vram": f"{round(devices[0].memory_mib / 1024)}G",
        **({f"{RESOURCE}.driver-version": driver} if driver else {}),
    }
