"""Where a pod could run."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving.nodes import no_place


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
