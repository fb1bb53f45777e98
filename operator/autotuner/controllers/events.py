"""Kubernetes events about our objects, sent once the status they speak of is written."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from autotuner import clock
from autotuner.hashing import digest
from autotuner.kube import EVENT, AlreadyExistsError, Kube, KubeError, RejectedError
from autotuner.kubernetes_object import Object
from autotuner.policy.conditions import shorten
from autotuner.policy.events import Event
from autotuner.serving import refusals

log = logging.getLogger(__name__)
COMPONENT = "autotuner"


async def send(kube: Kube, about: Mapping[str, Any], events: Iterable[Event]) -> None:
    """Send one core/v1 Event each; one that cannot be sent is logged, for an event is news, not state."""
    for event in events:
        await _send(kube, _body(about, event, {"generateName": f"{about['metadata']['name']}."}))


async def send_once(kube: Kube, about: Mapping[str, Any], event: Event) -> bool:
    """Send an Event unless this very object has one with that reason; returns whether it has one now."""
    meta = about["metadata"]
    identity = digest([meta["uid"], event.reason], 16)
    return await _send(kube, _body(about, event, {"name": f"{meta['name'][:200]}.{identity}"}))


async def namespace_goes(kube: Kube, about: Mapping[str, Any]) -> bool:
    """Whether the namespace is being deleted. Asked by the dry run of an Event: no right to read namespaces is needed.

    Raises:
        KubeError: the API server does not answer.
    """
    body = _body(about, Event("Normal", "Asked", ""), {"generateName": "autotuner."})
    try:
        await kube.dry_run(EVENT, body["metadata"]["namespace"], body)
    except RejectedError as problem:
        return refusals.namespace_goes(problem.message)
    return False


async def _send(kube: Kube, body: Object) -> bool:
    try:
        await kube.create(EVENT, body["metadata"]["namespace"], body)
    except AlreadyExistsError:
        return True
    except KubeError as problem:
        log.warning("event %s not sent: %s", body["reason"], problem, extra={"object": body["involvedObject"]["name"]})
        return False
    return True


def _body(about: Mapping[str, Any], event: Event, name: Mapping[str, str]) -> Object:
    meta, second = about["metadata"], clock.stamp(clock.now())[:19] + "Z"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {**name, "namespace": meta["namespace"]},
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
