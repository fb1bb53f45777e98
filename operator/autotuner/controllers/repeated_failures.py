"""Reconciles that fail again and again, told in the object itself; see `policy.trouble`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from autotuner import clock
from autotuner.api.experiment import ExperimentStatus
from autotuner.api.task_status import TaskStatus
from autotuner.controllers.workqueue import ObjectKey
from autotuner.kube import EXPERIMENT, Kube
from autotuner.kubernetes_object import Object, Resource
from autotuner.policy import trouble

log = logging.getLogger(__name__)


def teller(kube: Kube, resource: Resource) -> Callable[[ObjectKey, str], Awaitable[None]]:
    """What a work queue calls with the key of an object of this kind and the error that keeps coming."""

    async def tell(key: ObjectKey, error: str) -> None:
        found = await kube.get(resource, key.namespace, key.name)
        if found is None or "deletionTimestamp" in found["metadata"]:
            return
        generation = int(found["metadata"].get("generation", 0))
        status = trouble.told(_status(resource, found), error, generation, clock.now()).dump()
        if status != found.get("status"):
            await kube.apply_status(resource, found, status)

    return tell


async def forget(kube: Kube, resource: Resource, seen: Object) -> None:
    """Take back what the object says of reconciles that failed: one has come to its end."""
    found = await kube.get(resource, seen["metadata"]["namespace"], seen["metadata"]["name"])
    if found is not None:
        await kube.apply_status(resource, found, trouble.forgotten(_status(resource, found)).dump())


def _status(resource: Resource, found: Object) -> Any:
    kind = ExperimentStatus if resource == EXPERIMENT else TaskStatus
    return kind.model_validate(found.get("status") or {})
