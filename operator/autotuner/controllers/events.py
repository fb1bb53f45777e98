"""Kubernetes events about our objects, sent once the status they speak of is written."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from autotuner import clock
from autotuner.kube import EVENT, Kube, KubeError
from autotuner.policy.conditions import shorten
from autotuner.policy.events import Event

log = logging.getLogger(__name__)
COMPONENT = "autotuner"


async def send(kube: Kube, about: dict[str, Any], events: Iterable[Event]) -> None:
    """Send one core/v1 Event each; one that cannot be sent is logged, for an event is news, not state."""
    meta = about["metadata"]
    for event in events:
        moment = clock.stamp(clock.now())
        second = moment[:19] + "Z"
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
            },
            "type": event.kind,
            "reason": event.reason,
            "message": shorten(event.message),
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "firstTimestamp": second,
            "lastTimestamp": second,
            "count": 1,
        }
        try:
            await kube.create(EVENT, meta["namespace"], body)
        except KubeError as problem:
            log.warning("event %s not sent: %s", event.reason, problem, extra={"object": meta["name"]})
