"""A pause of the search: `cancel` asks for it before an uninstall, so that no task starts another experiment.

It is an annotation of the operator's own Lease with a time in it: nothing that a user owns is written, and a pause that
nobody ends ends by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from autotuner import clock
from autotuner.api.common import GROUP
from autotuner.controllers.workqueue import ObjectKey, Reconcile
from autotuner.kube import LEASE, AlreadyExistsError, ConflictError, Kube, KubeError
from autotuner.process.leader import NAME

log = logging.getLogger(__name__)

ANNOTATION = f"{GROUP}/paused-until"
POLL_SECONDS = 2.0
_NEVER = datetime.min.replace(tzinfo=UTC)


def until(lease: Mapping[str, Any] | None) -> datetime:
    """The end of the pause that a Lease asks for; long ago if there is none or it is no time."""
    text = ((lease or {}).get("metadata", {}).get("annotations") or {}).get(ANNOTATION, "")
    try:
        moment = clock.parse(text)
    except ValueError:
        return _NEVER
    return moment if moment.tzinfo else _NEVER


async def request(kube: Kube, namespace: str, seconds: float) -> None:
    """Ask the operator of this namespace to propose nothing for so long from now.

    Raises:
        KubeError: the Lease cannot be read or written.
    """
    moment = clock.stamp(clock.now() + timedelta(seconds=seconds))
    while True:
        try:
            await _annotate(kube, namespace, moment)
            return
        except (AlreadyExistsError, ConflictError):
            await asyncio.sleep(0)  # the operator was faster


async def _annotate(kube: Kube, namespace: str, moment: str) -> None:
    lease = await kube.get(LEASE, namespace, NAME)
    if lease is None:
        metadata = {"name": NAME, "namespace": namespace, "annotations": {ANNOTATION: moment}}
        body = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata}
        await kube.create(LEASE, namespace, body)
        return
    annotations = lease["metadata"].setdefault("annotations", {})
    annotations[ANNOTATION] = moment
    await kube.replace(LEASE, lease)


class Pause:
    """The pause as the operator knows it."""

    def __init__(self) -> None:
        self._until = _NEVER

    async def follow(self, kube: Kube, namespace: str) -> None:
        """Read the Lease again and again, for ever."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.look(kube, namespace)

    async def look(self, kube: Kube, namespace: str) -> None:
        """Read the Lease once; while it cannot be read, what was known holds."""
        try:
            wanted = until(await kube.get(LEASE, namespace, NAME))
        except KubeError as problem:
            log.info("the Lease cannot be read: %s", problem)
            return
        if wanted != self._until and wanted > clock.now():
            log.warning("paused until %s: tasks start no experiments", clock.stamp(wanted))
        self._until = wanted

    def around(self, reconcile: Reconcile) -> Reconcile:
        """The reconcile function, put off while there is a pause."""

        async def paused(key: ObjectKey) -> float | None:
            left = (self._until - clock.now()).total_seconds()
            return min(left, POLL_SECONDS) if left > 0 else await reconcile(key)

        return paused
