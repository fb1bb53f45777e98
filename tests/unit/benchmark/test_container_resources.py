"""The benchmark's requests and limits under LimitRanges: within their bounds, and as large as may be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from autotuner.benchmark.container_resources import WANTED, cores, fitted, quantity, short_of_cpu
from autotuner.kubernetes_object import Object
from tests.unit.builders import make_job


def limit_range(kind: str = "Container", **bounds: Any) -> Object:
    return {"spec": {"limits": [{"type": kind, **bounds}]}}


MEMORY = {"memory": "1Gi"}
ROWS: list[tuple[str, list[Object], Object]] = [
    ("nothing", [], {"requests": {"cpu": "1", **MEMORY}, "limits": {"memory": "4Gi"}}),
    ("bounds of claims", [limit_range("PersistentVolumeClaim", max={"storage": "1Gi"})], dict(WANTED)),
    (
        "a default limit below the request",
        [limit_range(default={"cpu": "500m", "memory": "8Gi"}, defaultRequest={"cpu": "100m"})],
        {"requests": {"cpu": "1", "memory": str(2**30)}, "limits": {"cpu": "2", "memory": str(4 * 2**30)}},
    ),
    (
        "a maximum below the request",
        [limit_range(max={"cpu": "500m", "memory": "512Mi"}, default={"cpu": "500m", "memory": "512Mi"})],
        {"requests": {"cpu": "500m", "memory": str(2**29)}, "limits": {"cpu": "500m", "memory": str(2**29)}},
    ),
    (
        "a maximum above the request",
        [limit_range(max={"cpu": "1500m"}, default={"cpu": "1500m"})],
        {"requests": {"cpu": "1", "memory": str(2**30)}, "limits": {"cpu": "1500m", "memory": str(4 * 2**30)}},
    ),
    (
        "a minimum above the request",
        [limit_range(min={"cpu": "3"})],
        {"requests": {"cpu": "3", "memory": str(2**30)}, "limits": {"memory": str(4 * 2**30)}},
    ),
    (
        "limits that may not exceed requests",
        [limit_range(maxLimitRequestRatio={"cpu": "1", "memory": "2"})],
        {"requests": {"cpu": "1", "memory": str(2**30)}, "limits": {"cpu": "1", "memory": str(2 * 2**30)}},
    ),
    (
        "a maximum of the pod, and a smaller one of the container",
        [limit_range("Pod", max={"cpu": "4"}), limit_range(max={"cpu": "1"})],
        {"requests": {"cpu": "1", "memory": str(2**30)}, "limits": {"cpu": "1", "memory": str(4 * 2**30)}},
    ),
]


@pytest.mark.parametrize(("ranges", "want"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_fits_under(ranges: list[Object], want: Object) -> None:
    assert fitted(ranges) == want


@pytest.mark.parametrize(
    ("least", "limit"), [("10m", "100m"), ("50m", "0.25"), ("1", "1"), ("50m", "3"), ("1", "12"), ("3", "12")]
)
@pytest.mark.parametrize("ratio", [None, "1", "3"])
def test_keeps_every_bound_that_can_be_kept(limit: str, least: str, ratio: str | None) -> None:
    bounds: Object = {"max": {"cpu": limit}, "min": {"cpu": least}, "default": {"cpu": limit}}
    if ratio:
        bounds["maxLimitRequestRatio"] = {"cpu": ratio}
    found = fitted([limit_range(**bounds)])
    request, most = quantity(found["requests"]["cpu"]), quantity(found["limits"]["cpu"])

    assert quantity(least) <= request <= most <= quantity(limit)
    assert ratio is None or most <= request * quantity(ratio)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("1", Decimal(1)),
        ("500m", Decimal("0.5")),
        ("0.5", Decimal("0.5")),
        ("1Gi", Decimal(2**30)),
        ("1G", Decimal(10**9)),
        ("2Ki", Decimal(2048)),
        ("1e3", Decimal(1000)),
        (4, Decimal(4)),
    ],
)
def test_reads_quantities(text: str | int, want: Decimal) -> None:
    assert quantity(text) == want


@pytest.mark.parametrize("text", ["", "x", "1Xi", "m"])
def test_refuses_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        quantity(text)


@pytest.mark.parametrize(
    ("limits", "short"), [({}, False), ({"cpu": "2"}, False), ({"cpu": "1"}, False), ({"cpu": "999m"}, True)]
)
def test_tells_a_benchmark_that_has_less_than_a_core(limits: dict[str, str], short: bool) -> None:
    assert bool(short_of_cpu(make_job(limits=limits))) == short


@pytest.mark.parametrize(
    ("resources", "want"),
    [
        ({}, 1),
        (dict(WANTED), 1),
        ({"requests": {"cpu": "4"}}, 4),
        ({"requests": {"cpu": "500m"}}, 1),
        ({"requests": {"cpu": "4"}, "limits": {"cpu": "2900m"}}, 2),
        ({"limits": {"memory": "1Gi"}, "requests": {"cpu": 200}}, 64),
    ],
)
def test_counts_whole_cores(resources: Object, want: int) -> None:
    assert cores(resources) == want
