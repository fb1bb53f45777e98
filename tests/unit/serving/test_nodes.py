"""What the nodes could hold, as far as they say."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving.nodes import Capacity, capacity

GPU = "nvidia.com/gpu"


def node(count: str = "8", memory: str = "81559", **labels: str) -> Object:
    found = {"nvidia.com/gpu.memory": memory, "nvidia.com/gpu.product": "H100", **labels}
    return {"metadata": {"labels": found}, "status": {"allocatable": {GPU: count} if count else {}}}


CASES: list[tuple[str, list[Object], Object, str | None, Capacity]] = [
    ("no nodes", [], {}, None, Capacity()),
    ("a node without accelerators", [node("")], {}, None, Capacity()),
    ("a node whose accelerators are all broken", [node("0")], {}, None, Capacity()),
    ("the largest of each", [node("4", "81559"), node("8", "24564")], {}, None, Capacity(8, 81559)),
    ("a selector", [node("4", pool="a"), node("8", pool="b")], {"pool": "a"}, None, Capacity(4, 81559)),
    ("a selector that matches none", [node("4")], {"pool": "a"}, None, Capacity()),
    ("the product of experiment 0", [node("4"), {**node("8"), "metadata": {}}], {}, "H100", Capacity(4, 81559)),
    ("memory that is not told", [node("4", "")], {}, None, Capacity(4, None)),
]


@pytest.mark.parametrize(
    ("nodes", "selector", "product", "want"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_capacity(nodes: list[Object], selector: Object, product: str | None, want: Capacity) -> None:
    assert capacity(nodes, GPU, selector, product) == want


def test_an_engine_without_accelerators_needs_none() -> None:
    assert capacity([node()], "", {}, None) == Capacity()
