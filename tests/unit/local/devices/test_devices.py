"""Which accelerators of a machine experiments may have, and what its node says of them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from autotuner.local.devices import amd, machine_devices, nvidia, process_owner
from autotuner.local.devices.found import Accelerators, User
from autotuner.local.devices.process_owner import Whose
from autotuner.serving import accelerators as node_labels
from tests.unit.local.devices.fake_nvml import GIB, Card, Nvml

BUSY = ((4711, 40 * GIB),)


def _owner(pid: int, used: int) -> User:
    return User(pid, "ann", "python train.py", used)


OWN = 4712
WHOSE = Whose(_owner, lambda pid: pid == OWN)


def _found(*cards: Card) -> Accelerators:
    return nvidia.look(Nvml(list(cards)), WHOSE)


def test_two_free_ones_are_a_node_with_two() -> None:
    found = _found(Card(), Card())

    assert (found.vendor, found.resource, found.uuids, found.notes) == (
        "nvidia",
        "nvidia.com/gpu",
        ["GPU-0", "GPU-1"],
        [],
    )
    assert found.labels == {
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
        "nvidia.com/gpu.memory": "81559",
        "nvidia.com/gpu.count": "2",
        "nvidia.com/gpu.replicas": "1",
        "nvidia.com/gpu.sharing-strategy": "none",
        "nvidia.com/cuda.driver-version.full": "580.65.06",
        "nvidia.com/cuda.driver-version.major": "580",
        "nvidia.com/cuda.driver-version.minor": "65",
        "nvidia.com/cuda.driver-version.revision": "06",
        "nvidia.com/gpu.compute.major": "9",
        "nvidia.com/gpu.compute.minor": "0",
    }


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (Card(processes=BUSY), "process 4711 of ann (python train.py), 40,960 MiB holds it"),
        (Card(used=3 * GIB), "processes that this user cannot see, 3,072 MiB holds it"),
        (Card(processes=((4711, None),)), "process 4711 of ann (python train.py) holds it"),
    ],
)
def test_a_busy_one_is_refused_with_whose_process(card: Card, words: str) -> None:
    found = _found(Card(), card)
    assert found.uuids == ["GPU-0"]
    assert found.labels["nvidia.com/gpu.count"] == "1"
    assert [words in note for note in found.notes] == [True], found.notes
    assert "accelerator 1 (NVIDIA-H100-80GB-HBM3) is not used" in found.notes[0]


def test_what_an_earlier_start_left_is_no_stranger() -> None:
    own = ((OWN, 70 * GIB),)
    assert _found(Card(processes=own, used=70 * GIB)).uuids == ["GPU-0"]
    assert _found(Card(processes=own + BUSY)).uuids == []


def test_a_process_of_a_run_is_known_by_its_environment_or_its_container(tmp_path: Path) -> None:
    for pid, environ, group in ((1, b"A=1\0RUN=r\0", "0::/"), (2, b"", "0::/docker/abc"), (3, b"RUN=rr\0", "0::/")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "environ").write_bytes(environ)
        (tmp_path / str(pid) / "cgroup").write_text(group)
    found = [pid for pid in range(1, 5) if process_owner.of_run(pid, "RUN=r", ["abc"], tmp_path)]
    assert found == [1, 2]


def test_where_all_are_busy_there_is_none_but_the_words() -> None:
    found = _found(Card(processes=BUSY))
    assert (found.vendor, found.uuids, len(found.notes)) == ("nvidia", [], 1)


def test_of_several_kinds_one_is_taken_whoever_is_busy() -> None:
    other = Card("NVIDIA RTX A2000", 12 * GIB)
    for first in (Card(), Card(processes=BUSY)):
        found = _found(first, other)
        assert "NVIDIA-RTX-A2000 (accelerator 1) is not used" in found.notes[0]
        assert "GPU-1" not in found.uuids


def test_slices_are_told_with_their_own_product_and_memory() -> None:
    found = _found(Card(slices=((3, 40448), (3, 40448))))
    assert found.uuids == ["MIG-0-0", "MIG-0-1"]
    assert found.labels["nvidia.com/gpu.product"] == "NVIDIA-H100-80GB-HBM3-MIG-3g.40gb"
    assert found.labels["nvidia.com/gpu.memory"] == "40448"
    assert found.labels["nvidia.com/mig.strategy"] == "single"
    assert "MIG slices (3g.40gb)" in found.notes[-1]


def test_slices_of_different_sizes_are_not_mixed() -> None:
    found = _found(Card(slices=((3, 40448), (1, 9728))))
    assert found.uuids == ["MIG-0-0"]
    assert "MIG-1g.10gb (accelerator 0:1) is not used" in found.notes[0]


def test_the_product_is_read_as_that_of_a_cluster_is() -> None:
    labels = _found(Card(slices=((3, 40448),))).labels
    node = {"metadata": {"name": "n", "labels": labels}, "status": {"capacity": {"nvidia.com/gpu": "1"}}}
    read = node_labels.read(node, "nvidia.com/gpu")
    assert (read.product, read.memory_mib, read.mig_slice) == (labels["nvidia.com/gpu.product"], 40448, "3g.40gb")


@pytest.mark.parametrize("failure", [pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded])
def test_no_driver_is_no_accelerator_and_no_words(failure: type[Exception]) -> None:
    assert nvidia.look(Nvml(failure=failure())) == Accelerators()


def test_a_driver_that_fails_is_told() -> None:
    problem = pynvml.NVMLError(pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)
    found = nvidia.look(Nvml(failure=problem))
    assert found.vendor == ""
    assert "`nvidia-smi` says more" in found.notes[0]


def test_the_library_is_closed() -> None:
    library = Nvml([Card()])
    nvidia.look(library)
    assert library.closed == 1


def test_the_owner_of_a_process_is_this_user() -> None:
    found = process_owner.look(os.getpid(), 5)
    assert found.pid == os.getpid()
    assert found.name
    assert "python" in found.command
    assert process_owner.look(2**30) == User(2**30)


class _SmiError(Exception):
    pass


def _smi(used_mib: int = 280, processes: list[dict[str, Any]] | None = None) -> SimpleNamespace:
    return SimpleNamespace(
        AmdSmiException=_SmiError,
        amdsmi_init=lambda: None,
        amdsmi_shut_down=lambda: None,
        amdsmi_get_processor_handles=lambda: ["a", "b"],
        amdsmi_get_gpu_vram_usage=lambda handle: {"vram_total": 196592, "vram_used": used_mib if handle == "b" else 0},
        amdsmi_get_gpu_asic_info=lambda handle: {"market_name": "AMD Instinct MI300X (OAM)"},
        amdsmi_get_gpu_process_list=lambda handle: processes or [] if handle == "b" else [],
        amdsmi_get_gpu_driver_info=lambda handle: {"driver_version": "6.12.12"},
    )


def test_amds_are_told_as_its_labeller_does() -> None:
    found = amd.look(_smi())
    assert (found.vendor, found.resource, found.uuids) == ("amd", "amd.com/gpu", ["0", "1"])
    assert found.labels == {
        "amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM",
        "amd.com/gpu.vram": "192G",
        "amd.com/gpu.driver-version": "6.12.12",
    }


def test_a_busy_one_of_amd_is_refused() -> None:
    found = amd.look(_smi(processes=[{"pid": 7, "mem": 2 * GIB}]), WHOSE)
    assert found.uuids == ["0"]
    assert "process 7 of ann (python train.py), 2,048 MiB holds it" in found.notes[0]
    assert amd.look(_smi(used_mib=4096)).uuids == ["0"]


def test_a_machine_without_any_has_none() -> None:
    assert machine_devices.look().devices == ()
