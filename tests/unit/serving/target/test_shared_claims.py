"""Which claims a copy can mount beside the original."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving.target.shared_claims import HOST, conflict, of_one_node


def claim(*modes: str) -> Object:
    return {"metadata": {"name": "weights"}, "spec": {"accessModes": list(modes)}}


@pytest.mark.parametrize(
    ("modes", "selector", "fits"),
    [
        (["ReadWriteMany"], {}, True),
        (["ReadWriteOnce", "ReadOnlyMany"], {}, True),
        (["ReadWriteOnce"], {}, False),
        (["ReadWriteOnce"], {HOST: "a"}, True),
        (["ReadWriteOncePod"], {HOST: "a"}, False),
        ([], {}, True),
    ],
)
def test_a_claim_of_one_node_keeps_the_copies_there(modes: list[str], selector: dict[str, str], fits: bool) -> None:
    assert (conflict("Deployment chat", [claim(*modes)], selector) == "") is fits


def test_the_way_out_is_told() -> None:
    assert conflict("Deployment chat", [claim("ReadWriteOnce")], {}) == (
        "Deployment chat mounts PersistentVolumeClaim weights, which allows ReadWriteOnce alone, and it is in use: copy"
        " the files to a claim that many may read, or keep the engines on its node with placement.nodeSelector"
        " (kubernetes.io/hostname)"
    )


def test_claims_that_a_node_can_share() -> None:
    assert of_one_node([claim("ReadWriteOnce"), claim("ReadWriteOncePod"), claim("ReadWriteMany")]) == ["weights"]
