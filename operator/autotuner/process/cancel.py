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
from autotuner.kube import EXPERIMENT, Kube, KubeError
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

    Whatever the API server answers is asked again until `timeout`: a service account that is seconds old gets 401 and
    403, and an uninstall should not fail for a server that restarts.

    Args:
        kube: the connection.
        home: the operator's namespace.
        namespaces: those served; empty: all.
        timeout: seconds.
        now: seconds of a monotonic clock.

    Raises:
        UnfinishedError: not within `timeout`; the message says what was in the way.
    """
    begun, told = now(), ""
    work = _Cancellation(kube, home, namespaces, timeout, now)
    while True:
        try:
            obstacle = await work.go_on()
        except KubeError as problem:
            obstacle = str(problem)
        if not obstacle:
            return len(work.cancelled)
        if obstacle != told:
            log.info("%s", obstacle)
        told = obstacle
        if now() - begun >= timeout:
            raise UnfinishedError(f"not over within {timeout:.0f} s: {obstacle}")
        await asyncio.sleep(POLL_SECONDS)


class _Cancellation:
    """What was done so far.

    Attributes:
        cancelled: uids of experiments.
    """

    def __init__(
        self, kube: Kube, home: str, namespaces: Sequence[str], timeout: float, now: Callable[[], float]
    ) -> None:
        self._kube, self._home, self._namespaces, self._timeout, self._now = kube, home, namespaces, timeout, now
        self._paused: float | None = None
        self.cancelled: set[str] = set()

    async def go_on(self) -> str:
        """Do what can be done now; returns what is waited for, empty when all is done.

        Raises:
            KubeError: as the API server says; the next call begins there.
        """
        if self._paused is None:
            await search_pause.request(self._kube, self._home, self._timeout + AFTERWARDS_SECONDS)
            self._paused = self._now()
        # Sooner, a task that knows nothing of the pause would answer the cancellation with the next experiment.
        if self._now() - self._paused < SETTLE_SECONDS:
            return "waiting for the operator to pause"
        left = await _unfinished(self._kube, self._namespaces)
        problems = [problem for item in left if (problem := await self._cancel(item))]
        if problems:
            raise problems[0]
        if left:
            return f"waiting for the operator to release {_names(left)}"
        await search_pause.request(self._kube, self._home, AFTERWARDS_SECONDS)
        return ""

    async def _cancel(self, experiment: Object) -> KubeError | None:
        """Cancel one; what is refused keeps nobody from cancelling the others."""
        meta = experiment["metadata"]
        self.cancelled.add(meta["uid"])
        if experiment["spec"].get("cancel") or "deletionTimestamp" in meta:
            return None
        try:
            await self._kube.merge(EXPERIMENT, meta["namespace"], meta["name"], withdrawal(experiment))
        except KubeError as problem:
            return None if problem.status == 404 else problem  # deleted since it was listed
        return None


def _names(experiments: Sequence[Object]) -> str:
    return ", ".join(f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in experiments)


async def _unfinished(kube: Kube, namespaces: Sequence[str]) -> list[Object]:
    found = []
    for namespace in namespaces or (None,):
        found += await kube.list(EXPERIMENT, namespace, labels=f"!{FINISHED_LABEL}")
    return found
