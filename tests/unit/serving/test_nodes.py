"""What the nodes could hold, as far as they say."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving.nodes import Capacity, capacity, no_place

GPU = "nvidia.com/gpu"


def node(count: str = "8", memory: str = "81559", **labels: str) -> Object:
    found = {"nvidia.com/gpu.memory": memory, "nvidia.com/gpu.product": "H100", **labels}
    return {"metadata": {"labels": found}, "status": {"allocatable": {GPU: count} if count else {}}}


CASES: list[tuple[str, list[Object], Object, str | None, Capacity]] = [
    ("no nodes", [], {}, None, Capacity()),
    ("a node without accelerators", [node("")], {}, None, Capacity()),
    ("a node whose accelerators are all broken", [node("0")], {}, None, Capacity()),
    ("the largest of each", [node("4", "81559"), node("8", "24564")], {}, None, Capacity(8, 81559, "H100")),
    ("a selector", [node("4", pool="a"), node("8", pool="b")], {"pool": "a"}, None, Capacity(4, 81559, "H100")),
    ("a selector that matches none", [node("4")], {"pool": "a"}, None, Capacity()),
    ("the product of experiment 0", [node("4"), {**node("8"), "metadata": {}}], {}, "H100", Capacity(4, 81559, "H100")),
    ("memory that is not told", [node("4", "")], {}, None, Capacity(4, None, "H100")),
    (
        "the product with the most memory",
        [node(), node("2", "183359", **{"nvidia.com/gpu.product": "B200"})],
        {},
        None,
        Capacity(8, 183359, "B200"),
    ),
    ("two products alike", [node(), node(**{"nvidia.com/gpu.product": "A100"})], {}, None, Capacity(8, 81559)),
]


@pytest.mark.parametrize(
    ("nodes", "selector", "product", "want"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_capacity(nodes: list[Object], selector: Object, product: str | None, want: Capacity) -> None:
    assert capacity(nodes, GPU, selector, product) == want


def test_an_engine_without_accelerators_needs_none() -> None:
    assert capacity([node()], "", {}, None) == Capacity()


def tainted(*taints: tuple[str, str, str], **labels: str) -> Object:
    """A node with taints (key, value, effect) and labels."""
    found = [{"key": key, "effect": effect, **({"value": value} if value else {})} for key, value, effect in taints]
    return {"metadata": {"name": "n", "labels": labels}, "spec": {"taints": found}}


RESERVED = ("gpu", "yes", "NoSchedule")


@pytest.mark.parametrize(
    ("nodes", "pod", "want"),
    [
        ([], {}, ""),
        ([tainted()], {}, ""),
        ([tainted(RESERVED), tainted()], {}, ""),
        ([tainted(RESERVED)], {}, "none of 1 nodes can take it (1 with the taint gpu=yes:NoSchedule)"),
        ([tainted(("gpu", "yes", "PreferNoSchedule"))], {}, ""),
        (
            [tainted(("off", "", "NoExecute")), tainted(RESERVED), tainted(RESERVED)],
            {},
            "none of 3 nodes can take it (2 with the taint gpu=yes:NoSchedule; 1 with the taint off:NoExecute)",
        ),
        ([tainted(RESERVED)], {"tolerations": [{"key": "gpu", "operator": "Exists"}]}, ""),
        ([tainted(RESERVED)], {"tolerations": [{"operator": "Exists"}]}, ""),
        ([tainted(RESERVED)], {"tolerations": [{"key": "gpu", "value": "yes"}]}, ""),
        ([tainted(RESERVED)], {"tolerations": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}, ""),
        (
            [tainted(RESERVED)],
            {
                "tolerations": [
                    {"key": "gpu", "value": "no"},
                    {"key": "gpu", "operator": "Exists", "effect": "NoExecute"},
                ]
            },
            "none of 1 nodes can take it (1 with the taint gpu=yes:NoSchedule)",
        ),
        ([tainted(arch="arm64")], {"nodeSelector": {"arch": "arm64"}}, ""),
        (
            [tainted(arch="arm64")],
            {"nodeSelector": {"arch": "amd64"}},
            "none of 1 nodes can take it (1 without the label arch=amd64)",
        ),
    ],
)
def test_where_a_pod_could_run(nodes: list[Object], pod: Object, want: str) -> None:
    assert no_place(nodes, pod) == want
