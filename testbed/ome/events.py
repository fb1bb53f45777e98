"""Kubernetes events as OME's recorder writes them: equal ones are one object whose count grows."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from autotuner.kubernetes_object import Object
from testbed.api import Api, ApiError

COMPONENT = "v1beta1Controllers"


def timestamp() -> str:
    """Returns the time as Kubernetes writes it, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Recorder:
    """Writes events about objects."""

    def __init__(self, api: Api, component: str = COMPONENT) -> None:
        self._api = api
        self._component = component
        self._known: dict[tuple[str, str, str], tuple[str, int]] = {}

    async def emit(self, about: Object, reason: str, message: str, kind: str = "Warning") -> None:
        """Writes an event, or counts up the one that says the same of the same object."""
        metadata = about["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/events"
        key = (metadata["uid"], reason, message)
        name, count = self._known.get(key, ("", 0))
        if name and await self._count_up(f"{path}/{name}", count + 1):
            self._known[key] = (name, count + 1)
            return
        name = f"{metadata['name']}.{uuid.uuid4().hex[:16]}"
        try:
            await self._api.create(path, self._event(about, name, reason, message, kind))
        except ApiError as error:
            if error.status not in (403, 404):  # the namespace is going away
                raise
        self._known[key] = (name, 1)

    async def _count_up(self, path: str, count: int) -> bool:
        try:
            await self._api.patch(path, {"count": count, "lastTimestamp": timestamp()})
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    def _event(self, about: Object, name: str, reason: str, message: str, kind: str) -> Object:
        metadata, now = about["metadata"], timestamp()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
        }
