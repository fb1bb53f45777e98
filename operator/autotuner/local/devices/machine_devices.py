"""The accelerators of this machine, whoever made them."""

from __future__ import annotations

import importlib
from typing import Any

from autotuner.local.devices import amd, nvidia
from autotuner.local.devices.found import Accelerators
from autotuner.local.devices.process_owner import ANYBODY, Whose


def look(whose: Whose = ANYBODY) -> Accelerators:
    """NVIDIA's, or else AMD's; none where no driver answers. Blocks for as long as a driver takes to wake up.

    Args:
        whose: tells whose a process is.
    """
    notes: list[str] = []
    for library, read in (("pynvml", nvidia.look), ("amdsmi", amd.look)):
        module = _imported(library)
        found = read(module, whose) if module is not None else Accelerators()
        if found.vendor:
            return found
        notes += found.notes
    return Accelerators(notes=notes)


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, KeyError):  # amdsmi looks for ROCm's library when it is imported
        return None
