"""Leader election by a Lease, as client-go does it: of several operators, one acts.

A candidate trusts no clock but its own: it measures how long it has seen the same record. A holder stops `DEADLINE`
after the last renewal that it asked for with success, which is before any candidate may take over (`DURATION`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from autotuner import clock
from autotuner.kube import LEASE, AlreadyExistsError, ConflictError, Kube, KubeError
from autotuner.kubernetes_object import Object

log = logging.getLogger(__name__)

NAME = "autotuner"
DURATION = 12.0
DEADLINE = 8.0
RETRY = 2.0


class LeadershipLostError(Exception):
    """Another operator acts, or may act from now on."""


@dataclass(frozen=True)
class Sighting:
    """A holder's renewal, and when it was first seen here (seconds of this machine's monotonic clock)."""

    holder: str
    renewed: str
    seen: float


def sight(lease: Object, before: Sighting | None, now: float) -> Sighting:
    """The sighting that follows from the Lease now; the same one unless the holder renewed."""
    spec = lease.get("spec", {})
    holder, renewed = spec.get("holderIdentity") or "", spec.get("renewTime") or ""
    if before and (before.holder, before.renewed) == (holder, renewed):
        return before
    return Sighting(holder, renewed, now)


def seconds_until_free(sighting: Sighting, identity: str, duration: float, now: float) -> float:
    """How many seconds `identity` has to wait before it may take the Lease; 0 if it may now."""
    if sighting.holder in ("", identity):
        return 0.0
    return max(0.0, sighting.seen + duration - now)


def claimed(lease: Object, identity: str, stamp: str) -> Object:
    """The Lease in the hands of `identity`, everything else in it kept."""
    spec = lease.get("spec", {})
    mine = spec.get("holderIdentity") == identity
    changes = {
        "holderIdentity": identity,
        "leaseDurationSeconds": int(DURATION),
        "acquireTime": (mine and spec.get("acquireTime")) or stamp,
        "renewTime": stamp,
        "leaseTransitions": spec.get("leaseTransitions", 0) + (0 if mine else 1),
    }
    return {**lease, "spec": {**spec, **changes}}


def released(lease: Object) -> Object:
    """The Lease held by nobody, so that the next holder need not wait."""
    return {**lease, "spec": {**lease.get("spec", {}), "holderIdentity": "", "leaseDurationSeconds": 1}}


class Election:
    """One candidate in the election of a leader.

    Args:
        kube: a connection of its own: a renewal must not wait behind the operator's other requests.
        namespace: of the Lease.
        identity: who this is; no two processes that are alive may share it.
        now: seconds of a monotonic clock.
    """

    def __init__(self, kube: Kube, namespace: str, identity: str, now: Callable[[], float] = time.monotonic) -> None:
        self._kube, self._namespace, self._identity, self._now = kube, namespace, identity, now
        self._sighting: Sighting | None = None
        self._renewed: float | None = None  # when the last renewal that succeeded was asked for

    @property
    def leads(self) -> bool:
        """Whether nobody else can act yet."""
        return self._renewed is not None and self._now() < self._renewed + DEADLINE

    async def acquire(self) -> None:
        """Return once this candidate leads."""
        told = ""
        while not await self._try():
            holder = self._sighting.holder if self._sighting else ""
            if holder and holder != told:
                log.info("standing by: %s leads", holder)
                told = holder
            await asyncio.sleep(min(RETRY, self._wait() or RETRY))
        log.info("%s leads", self._identity)

    async def keep(self) -> None:
        """Renew the Lease for as long as this runs.

        Raises:
            LeadershipLostError: the Lease could not be renewed in time, or another holds it.
        """
        while self.leads:
            await asyncio.sleep(RETRY if await self._try() else RETRY / 4)
            if self._sighting and self._sighting.holder not in ("", self._identity):
                raise LeadershipLostError(f"{self._sighting.holder} holds the Lease")
        raise LeadershipLostError(f"the Lease was not renewed for {DEADLINE:.0f} s")

    async def release(self) -> None:
        """Let another take over at once; a Lease that cannot be released runs out by itself."""
        self._renewed = None
        try:
            async with asyncio.timeout(RETRY):
                lease = await self._kube.get(LEASE, self._namespace, NAME)
                if lease and lease["spec"].get("holderIdentity") == self._identity:
                    await self._kube.replace(LEASE, released(lease))
        except (KubeError, TimeoutError) as problem:
            log.warning("the Lease was not released: %s", problem or "no answer")

    def _wait(self) -> float:
        return seconds_until_free(self._sighting, self._identity, DURATION, self._now()) if self._sighting else 0.0

    async def _try(self) -> bool:
        """Take or renew the Lease, if that is allowed; whether it is ours now."""
        asked = self._now()
        left = DEADLINE if self._renewed is None else self._renewed + DEADLINE - asked
        try:
            async with asyncio.timeout(left):
                taken = await self._take()
        except TimeoutError:
            log.warning("the Lease: no answer within %.0f s", left)
            return False
        except (AlreadyExistsError, ConflictError):
            return False  # another was faster; who, tells the next look
        except KubeError as problem:
            log.warning("the Lease: %s", problem)
            return False
        if taken:
            self._renewed = asked
        return taken

    async def _take(self) -> bool:
        lease = await self._kube.get(LEASE, self._namespace, NAME)
        stamp = clock.micro_stamp(clock.now())
        if lease is None:
            metadata = {"name": NAME, "namespace": self._namespace}
            body = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata}
            await self._kube.create(LEASE, self._namespace, claimed(body, self._identity, stamp))
            self._sighting = Sighting(self._identity, stamp, self._now())
            return True
        self._sighting = sight(lease, self._sighting, self._now())
        if self._wait() > 0:
            return False
        await self._kube.replace(LEASE, claimed(lease, self._identity, stamp))
        self._sighting = Sighting(self._identity, stamp, self._now())
        return True
