"""Waits for what tests expect of objects, by watching, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from autotuner.kubernetes_object import Object
from testbed.api import Api

Condition = Callable[[Object], bool]


async def until(api: Api, collection: str, name: str, condition: Condition, seconds: float = 60) -> Object:
    """Returns the object as soon as it meets the condition.

    Raises:
        AssertionError: it did not in time, or was deleted; the message holds its last status.
    """
    last: Object | None = None
    try:
        async with asyncio.timeout(seconds):
            async for event, item in api.watch(collection, fieldSelector=f"metadata.name={name}"):
                last = item
                if event == "DELETED":
                    break
                if condition(item):
                    return item
    except TimeoutError:
        raise AssertionError(
            f"{collection}/{name}: not so within {seconds} s; last: {last and last.get('status')}"
        ) from None
    raise AssertionError(f"{collection}/{name} was deleted; last: {last and last.get('status')}")


async def gone(api: Api, collection: str, name: str, seconds: float = 60) -> None:
    """Returns as soon as there is no object of that name."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = await api.list(collection, fieldSelector=f"metadata.name={name}")
                if not found["items"]:
                    return
                version = found["metadata"]["resourceVersion"]
                async for event, _ in api.events(collection, version, fieldSelector=f"metadata.name={name}"):
                    if event == "DELETED":
                        return
    except TimeoutError:
        raise AssertionError(f"{collection}/{name} is still there after {seconds} s") from None


def phase(*wanted: str) -> Condition:
    """Matches pods in one of these phases."""
    return lambda pod: pod.get("status", {}).get("phase") in wanted


def ready(pod: Object) -> bool:
    """Matches pods that are ready."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def waiting(*reasons: str) -> Condition:
    """Matches pods whose first container waits for one of these reasons."""

    def matches(pod: Object) -> bool:
        statuses = pod.get("status", {}).get("containerStatuses") or [{}]
        return statuses[0].get("state", {}).get("waiting", {}).get("reason") in reasons

    return matches
