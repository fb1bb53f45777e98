"""NVML's library as pynvml calls it: a table of machines instead of a driver."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml

GIB = 1024**3


@dataclass
class Card:
    name: str = "NVIDIA H100 80GB HBM3"
    total: int = 81559 * 1024**2
    used: int = 300 * 1024**2
    processes: tuple[tuple[int, int | None], ...] = ()
    slices: tuple[tuple[int, int], ...] = ()  # (slices, MiB) of each; empty: not sliced


@dataclass
class Nvml:
    """What of pynvml is called; its exceptions and constants are the real ones."""

    cards: list[Card] = field(default_factory=list)
    failure: Exception | None = None
    closed: int = 0

    NVML_DEVICE_MIG_ENABLE = pynvml.NVML_DEVICE_MIG_ENABLE

    def __getattr__(self, name: str) -> Any:
        if name.startswith("NVMLError"):
            return getattr(pynvml, name)
        raise AttributeError(name)

    def nvmlInit(self) -> None:  # noqa: N802
        if self.failure:
            raise self.failure

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.closed += 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> tuple[int, int | None]:  # noqa: N802
        return index, None

    def nvmlDeviceGetName(self, handle: tuple[int, int | None]) -> str:  # noqa: N802
        return self.cards[handle[0]].name

    def nvmlDeviceGetUUID(self, handle: tuple[int, int | None]) -> str:  # noqa: N802
        return f"GPU-{handle[0]}" if handle[1] is None else f"MIG-{handle[0]}-{handle[1]}"

    def nvmlDeviceGetMemoryInfo(self, handle: tuple[int, int | None]) -> SimpleNamespace:  # noqa: N802
        card = self.cards[handle[0]]
        if handle[1] is None:
            return SimpleNamespace(total=card.total, used=card.used)
        return SimpleNamespace(total=card.slices[handle[1]][1] * 1024**2, used=0)

    def nvmlDeviceGetMigMode(self, handle: tuple[int, int | None]) -> list[int]:  # noqa: N802
        if "H100" not in self.cards[handle[0]].name:
            raise pynvml.NVMLError_NotSupported
        return [int(bool(self.cards[handle[0]].slices)), 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: tuple[int, int | None]) -> int:  # noqa: N802
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: tuple[int, int | None], number: int) -> tuple[int, int]:  # noqa: N802
        if number >= len(self.cards[handle[0]].slices):
            raise pynvml.NVMLError_NotFound
        return handle[0], number

    def nvmlDeviceGetAttributes_v2(self, handle: tuple[int, int]) -> SimpleNamespace:  # noqa: N802
        count, size = self.cards[handle[0]].slices[handle[1]]
        return SimpleNamespace(gpuInstanceSliceCount=count, memorySizeMB=size)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: tuple[int, int | None]) -> list[SimpleNamespace]:  # noqa: N802
        if handle[1] is not None:
            return []
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self.cards[handle[0]].processes]

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "580.65.06"

    def nvmlDeviceGetCudaComputeCapability(self, handle: tuple[int, int | None]) -> tuple[int, int]:  # noqa: N802
        return 9, 0
