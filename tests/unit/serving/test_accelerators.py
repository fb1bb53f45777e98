"""What nodes say of their accelerators, as each labeller writes it."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving.accelerators import (
    UNKNOWN,
    Fleet,
    NodeAccelerators,
    Sharing,
    fleet,
    mig_slice,
    product_labels,
    read,
)
from testbed.node.accelerators import DESCRIBED, H100, nvidia

GPU, AMD, PRODUCT, AMD_PRODUCT = "nvidia.com/gpu", "amd.com/gpu", "nvidia.com/gpu.product", "amd.com/gpu.product-name"
SMALL, LARGE = "nvidia.com/mig-1g.10gb", "nvidia.com/mig-3g.40gb"
RENAMED = "nvidia.com/gpu.shared"
GKE = "cloud.google.com/gke-accelerator"
MI300X = "AMD_Instinct_MI300X_OAM"


def says(count: int, product: str = "", label: str = "", memory: int | None = None, **more: Any) -> NodeAccelerators:
    return NodeAccelerators("node-a", count, product, label, memory_mib=memory, **more)


ROWS: list[tuple[str, str, NodeAccelerators]] = [
    ("two whole GPUs", GPU, says(2, H100, PRODUCT, 81559)),
    # Of a GPU that is shared in time anybody may take all of the memory.
    ("time slicing", GPU, says(4, f"{H100}-SHARED", PRODUCT, 81559, sharing=Sharing("time-slicing", 4))),
    (
        "time slicing, renamed",
        "nvidia.com/gpu.shared",
        says(4, H100, PRODUCT, 81559, sharing=Sharing("time-slicing", 4)),
    ),
    ("MPS", GPU, says(4, f"{H100}-SHARED", PRODUCT, 20389, sharing=Sharing("mps", 4))),
    ("MIG single", GPU, says(2, f"{H100}-MIG-3g.40gb", PRODUCT, 40192, mig_slice="3g.40gb")),
    ("MIG single, different profiles", GPU, says(0, f"{H100}-MIG-INVALID", PRODUCT, invalid=True)),
    # Its labels under nvidia.com/gpu are of the whole GPU: 80 GB.
    ("MIG mixed", SMALL, says(4, f"{H100}-MIG-1g.10gb", f"{SMALL}.product", 9856, mig_slice="1g.10gb")),
    ("MIG mixed", LARGE, says(1, f"{H100}-MIG-3g.40gb", f"{LARGE}.product", 40192, mig_slice="3g.40gb")),
    (
        "MIG mixed, slices shared",
        SMALL,
        says(
            *(8, f"{H100}-MIG-1g.10gb-SHARED", f"{SMALL}.product", 9856),
            mig_slice="1g.10gb",
            sharing=Sharing("time-slicing", 2),
        ),
    ),
    ("unlabelled", GPU, says(8)),
    ("unlabelled slices", SMALL, says(7, memory=10240, mig_slice="1g.10gb")),
    ("GKE", GPU, says(1, "nvidia-h100-80gb", GKE)),
    ("GKE, shared", GPU, says(3, "nvidia-tesla-t4", GKE, sharing=Sharing("time-sharing", 3))),
    ("GKE, slices", GPU, says(7, "nvidia-a100-80gb", GKE, 10240, mig_slice="1g.10gb")),
    ("AMD", AMD, says(8, MI300X, AMD_PRODUCT, 196608)),
    ("AMD, beta labels", AMD, says(8, MI300X, f"beta.{AMD_PRODUCT}", 196608)),
    ("AMD, partitions", AMD, says(64, MI300X, AMD_PRODUCT, 24576)),
    ("AMD, named partitions", "amd.com/cpx_nps4", says(64, MI300X, AMD_PRODUCT, 24576)),
    ("AMD, two models", AMD, says(8, memory=196608, models=("AMD_Instinct_MI210", MI300X))),
    ("AMD, unlabelled", AMD, says(8)),
    ("Intel", "gpu.intel.com/i915", says(2, "Max_1100", "gpu.intel.com/product")),
    ("Gaudi", "habana.ai/gaudi", says(8)),
    ("no accelerators", GPU, says(0)),
    ("two whole GPUs", "", says(0)),
]


@pytest.mark.parametrize(("described", "resource", "want"), ROWS, ids=[f"{row[0]}: {row[1]}" for row in ROWS])
def test_what_a_node_says(described: str, resource: str, want: NodeAccelerators) -> None:
    assert read(DESCRIBED[described].node(), resource) == want


def test_every_description_has_a_row() -> None:
    assert {row[0] for row in ROWS} == set(DESCRIBED)


def test_a_name_that_says_shared_is_believed_without_labels() -> None:
    node = {"metadata": {"name": "n"}, "status": {"allocatable": {"nvidia.com/gpu.shared": "4"}}}

    assert read(node, "nvidia.com/gpu.shared").sharing == Sharing()
    assert str(Sharing()) == "nobody says how"


def test_a_label_of_the_users_own_says_the_model() -> None:
    found = read(DESCRIBED["two whole GPUs"].node(pool="h100"), GPU, "pool")

    assert (found.product, found.label, found.memory_mib) == ("h100", "pool", 81559)
    unlabelled = read(DESCRIBED["two whole GPUs"].node(), GPU, "pool")
    assert (unlabelled.product, unlabelled.label) == ("", "")


def test_devices_that_are_claimed_another_way_have_a_model_by_the_users_label() -> None:
    node = DESCRIBED["no accelerators"].node(pool="h100")

    assert read(node, "", "pool") == says(0, "h100", "pool")
    assert read(node, "", "else") == says(0)


@pytest.mark.parametrize(
    ("resource", "want"),
    [
        (GPU, PRODUCT),
        ("nvidia.com/gpu.shared", PRODUCT),
        (SMALL, f"{SMALL}.product"),
        (f"{SMALL}.shared", f"{SMALL}.product"),
        (AMD, AMD_PRODUCT),
        ("gpu.intel.com/xe", "gpu.intel.com/product"),
        ("habana.ai/gaudi", "habana.ai/gaudi.product"),
    ],
)
def test_a_resource_has_a_label_of_its_own(resource: str, want: str) -> None:
    assert product_labels(resource)[0] == want


def test_slices_are_known_by_their_name() -> None:
    assert [mig_slice(one) for one in (SMALL, f"{SMALL}.shared", GPU, "")] == ["1g.10gb", "1g.10gb", "", ""]


def gpus(count: str = "8", memory: str = "81559", product: str = "H100", **labels: str) -> Object:
    found = {**nvidia(memory=memory, product=product), **labels}
    return {"metadata": {"labels": found}, "status": {"allocatable": {GPU: count} if count else {}}}


# Of all nodes: the most accelerators, the most memory, whose that is.
FLEETS: list[tuple[str, list[Object], Object, Object, tuple[int | None, int | None, str]]] = [
    ("no nodes", [], {}, {}, (None, None, "")),
    ("a node without accelerators", [gpus("")], {}, {}, (None, None, "")),
    ("a node whose accelerators are all broken", [gpus("0")], {}, {}, (None, None, "")),
    ("the largest of each", [gpus("4", "81559"), gpus("8", "24564")], {}, {}, (8, 81559, "H100")),
    ("a selector", [gpus("4", pool="a"), gpus("8", pool="b")], {"pool": "a"}, {}, (4, 81559, "H100")),
    ("a selector that matches none", [gpus("4")], {"pool": "a"}, {}, (None, None, "")),
    ("the model of experiment 0", [gpus("4"), gpus("8", product="A100")], {}, {PRODUCT: "H100"}, (4, 81559, "H100")),
    ("memory that is not told", [gpus("4", "")], {}, {}, (4, None, "H100")),
    ("a node whose memory may be larger", [gpus("4"), gpus("8", "", product="B200")], {}, {}, (8, None, "")),
    ("the model with the most memory", [gpus(), gpus("2", "183359", "B200")], {}, {}, (8, 183359, "B200")),
    ("two models alike", [gpus(), gpus(product="A100")], {}, {}, (8, 81559, "")),
]


@pytest.mark.parametrize(
    ("nodes", "selector", "pinned", "want"), [row[1:] for row in FLEETS], ids=[row[0] for row in FLEETS]
)
def test_what_engines_may_get(
    nodes: list[Object], selector: Object, pinned: Object, want: tuple[int | None, int | None, str]
) -> None:
    found = fleet(nodes, GPU, selector, pinned=pinned)

    assert (found.accelerators, found.memory_mib, found.product) == want


def test_an_engine_without_accelerators_needs_none() -> None:
    assert fleet([gpus()], "", {}) == UNKNOWN


def test_nodes_of_a_kind_are_told_once_by_the_first_name() -> None:
    whole, amd = DESCRIBED["two whole GPUs"], DESCRIBED["AMD"]

    found = fleet([whole.node("node-b"), whole.node("node-a"), amd.node("node-c")], GPU, {})

    assert found == Fleet(GPU, (says(2, H100, PRODUCT, 81559),), (AMD,), looked=True)


@pytest.mark.parametrize(
    ("described", "resource", "want"),
    [
        (["MIG single"], GPU, "3g.40gb"),
        (["MIG single", "two whole GPUs"], GPU, ""),
        (["MIG mixed"], SMALL, "1g.10gb"),
        ([], SMALL, "1g.10gb"),
        ([], GPU, ""),
    ],
)
def test_whether_an_engine_can_get_slices_only(described: list[str], resource: str, want: str) -> None:
    assert fleet([DESCRIBED[one].node(one) for one in described], resource, {}).mig_slice == want


SLICING = {"key": "slicing", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("spec", "tolerations", "want"),
    [
        ({}, [], False),
        ({"unschedulable": True}, [], True),
        ({"taints": [SLICING]}, [], True),
        ({"taints": [SLICING]}, [{"key": "slicing", "operator": "Exists"}], False),
        ({"taints": [{"key": GPU, "value": "present", "effect": "NoSchedule"}]}, [], False),
    ],
)
def test_whether_engines_can_go_there(spec: Object, tolerations: list[Object], want: bool) -> None:
    node = {**DESCRIBED["time slicing"].node(), "spec": spec}
    found = fleet([node], GPU, {}, tolerations=tolerations)

    assert [one.closed for one in found.nodes] == [want]
    assert (len(found.open), found.accelerators) == (0 if want else 1, 4)


def test_a_slice_that_no_node_offers_yet_has_the_memory_of_its_name() -> None:
    assert fleet([], SMALL, {}).memory_mib == 10240
