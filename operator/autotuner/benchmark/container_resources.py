"""The benchmark's own requests and limits, made to fit what a namespace's LimitRanges allow. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from autotuner.kubernetes_object import Object

# A load client's process is one thread: a whole core, and no limit that would throttle it.
WANTED: Mapping[str, Mapping[str, str]] = {
    "requests": {"cpu": "1", "memory": "1Gi"},
    "limits": {"memory": "4Gi"},
}
# Where there must be a limit of CPU: the runner and the client's other threads have room beside it.
_CPU_LIMIT = Decimal(2)
MOST_PROCESSES = 64
_RESOURCES = ("cpu", "memory")
_FACTORS = {
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
    "m": Decimal("0.001"),
    "u": Decimal("0.000001"),
    "n": Decimal("0.000000001"),
}


def fitted(limit_ranges: Iterable[Mapping[str, Any]]) -> Object:
    """Requests and limits of the benchmark's container, as core/v1 writes them, within the bounds of LimitRanges.

    A LimitRange gives a container without a limit its own default, often less than the container requests, which the
    API server then refuses. So there is a limit wherever one would be given. Bounds that contradict each other are
    left to the API server, whose words are better.
    """
    items = [
        item
        for limit_range in limit_ranges
        for item in limit_range["spec"]["limits"]
        if item.get("type") in ("Container", "Pod")
    ]
    if not items:
        return {kind: dict(values) for kind, values in WANTED.items()}
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for resource in _RESOURCES:
        request, limit = _fitted(resource, items)
        requests[resource] = _written(request)
        if limit is not None:
            limits[resource] = _written(limit)
    return {"requests": requests, "limits": limits}


def _fitted(resource: str, items: list[Mapping[str, Any]]) -> tuple[Decimal, Decimal | None]:
    """The request and the limit of one resource."""
    highest = min(_values(items, "max", resource), default=None)
    lowest = max(_values(items, "min", resource), default=None)
    ratio = min(_values(items, "maxLimitRequestRatio", resource), default=None)
    given = WANTED["limits"].get(resource)
    limit = quantity(given) if given else None
    if limit is None and (highest is not None or ratio is not None or _values(items, "default", resource)):
        limit = _CPU_LIMIT
    request = quantity(WANTED["requests"][resource])
    if lowest is not None:
        request = max(request, lowest)
        limit = max(limit, lowest) if limit is not None else None
    if highest is not None and limit is not None:
        limit = min(limit, highest)
    if limit is not None:
        request = min(request, limit)
        limit = min(limit, request * ratio) if ratio is not None else limit
    return request, limit


def _values(items: list[Mapping[str, Any]], bound: str, resource: str) -> list[Decimal]:
    return [quantity(item[bound][resource]) for item in items if resource in (item.get(bound) or {})]


def quantity(text: str | int | float) -> Decimal:
    """A Kubernetes quantity as a number, in cores or bytes.

    The client library has such a function too; importing it costs 100 MB of memory.

    Raises:
        ValueError: the text is no quantity.
    """
    written = str(text)
    number = written.rstrip("KMGTPEikmun")
    suffix = written[len(number) :]
    if suffix not in _FACTORS:
        raise ValueError(f"{written!r} is no quantity")
    try:
        return Decimal(number) * _FACTORS[suffix]
    except ArithmeticError as problem:
        raise ValueError(f"{written!r} is no quantity") from problem


def cores(resources: Mapping[str, Any]) -> int:
    """The whole cores that a container may count on, at least 1: its limit of CPU, or else what it requests.

    Args:
        resources: as core/v1 writes them.
    """
    given = [(resources.get(kind) or {}).get("cpu") for kind in ("limits", "requests")]
    found = next((quantity(amount) for amount in given if amount is not None), Decimal(1))
    return max(1, min(MOST_PROCESSES, int(found)))


def _written(amount: Decimal) -> str:
    """As Kubernetes writes it: whole, or in thousandths."""
    whole = amount.to_integral_value()
    return str(int(whole)) if whole == amount else f"{int(amount * 1000)}m"


def short_of_cpu(job: Mapping[str, Any]) -> str:
    """A warning if a Job's container may use less than a core; empty if it has one.

    Args:
        job: of the benchmark, as it is in the cluster.
    """
    resources = job["spec"]["template"]["spec"]["containers"][0].get("resources") or {}
    limit = (resources.get("limits") or {}).get("cpu")
    if limit is None or quantity(limit) >= 1:
        return ""
    return (
        f"the benchmark may use only {limit} of CPU, by the namespace's LimitRange or benchmark.pod.resources: it"
        " needs a whole core, or it measures itself"
    )
