"""`python -m autotuner.main cancel`: free every GPU before the operator is uninstalled.

The operator that runs does the work: it is asked to pause the search, every unfinished experiment is cancelled, and
this waits until all are released. Tasks are not touched: they go on where they were once the operator is back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from autotuner.api.common import FINISHED_LABEL
from autotuner.kube import EXPERIMENT, Kube, KubeError, RejectedError
from autotuner.kubernetes_object import Object
from autotuner.ownership import WITHDRAWN_ANNOTATION
from autotuner.process import search_pause

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
# Until the operator has read of the pause and reconciles that knew nothing of it are over.
SETTLE_SECONDS = 3 * search_pause.POLL_SECONDS
# The search stays paused for so long afterwards: meanwhile the operator is taken down.
AFTERWARDS_SECONDS = 60.0


class UnfinishedError(Exception):
    """Experiments still hold their GPUs; the message names them."""


def withdrawal(experiment: Object) -> Object:
    """The patch that cancels an experiment; a task's is marked, so that its configuration is proposed again later."""
    owners = experiment["metadata"].get("ownerReferences", [])
    if any(owner.get("controller") for owner in owners):
        return {"metadata": {"annotations": {WITHDRAWN_ANNOTATION: "true"}}, "spec": {"cancel": True}}
    return {"spec": {"cancel": True}}


async def cancel_all(
    kube: Kube,
    home: str,
    namespaces: Sequence[str],
    timeout: float,
    now: Callable[[], float] = time.monotonic,
) -> int:
    """Cancel every unfinished experiment and wait until each has released its GPUs; returns how many there were.

    Args:
        kube: the connection.
        home: the operator's namespace.
        namespaces: those served; empty: all.
        timeout: seconds.
        now: seconds of a monotonic clock.

    Raises:
        UnfinishedError: not within `timeout`.
    """
    begun, told, cancelled = now(), "", set[str]()
    await search_pause.request(kube, home, timeout + AFTERWARDS_SECONDS)
    while True:
        # Sooner, a task that knows nothing of the pause would answer the cancellation with the next experiment.
        settled = now() - begun >= SETTLE_SECONDS
        obstacle = await _push(kube, namespaces, cancelled) if settled else "waiting for the operator to pause"
        if not obstacle:
            await search_pause.request(kube, home, AFTERWARDS_SECONDS)
            return len(cancelled)
        if obstacle and obstacle != told:
            log.info("%s", obstacle)
        told = obstacle
        if now() - begun >= timeout:
            raise UnfinishedError(f"not over within {timeout:.0f} s: {obstacle}")
        await asyncio.sleep(POLL_SECONDS)


async def _push(kube: Kube, namespaces: Sequence[str], cancelled: set[str]) -> str:
    """Cancel what is not finished; returns the experiments to wait for."""
    try:
        left = await _unfinished(kube, namespaces)
        for experiment in left:
            await _cancel(kube, experiment, cancelled)
    except RejectedError:
        raise
    except KubeError as problem:
        return str(problem)
    return f"waiting for the operator to release {_names(left)}" if left else ""


def _names(experiments: Sequence[Object]) -> str:
    return ", ".join(f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in experiments)


async def _unfinished(kube: Kube, namespaces: Sequence[str]) -> list[Object]:
    found = []
    for namespace in namespaces or (None,):
        found += await kube.list(EXPERIMENT, namespace, labels=f"!{FINISHED_LABEL}")
    return found


async def _cancel(kube: Kube, experiment: Object, cancelled: set[str]) -> None:
    meta = experiment["metadata"]
    cancelled.add(meta["uid"])
    if experiment["spec"].get("cancel") or "deletionTimestamp" in meta:
        return
    try:
        await kube.merge(EXPERIMENT, meta["namespace"], meta["name"], withdrawal(experiment))
    except RejectedError as problem:
        if problem.status != 404:  # deleted since it was listed
            raise
