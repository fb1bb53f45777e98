"""A keyed work queue: one worker per key, failures come back later and later; an event only says *look again*."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from autotuner import metrics
from autotuner.controllers.own_writes import OwnWrites
from autotuner.kube import ConflictError, KubeError
from autotuner.policy.conditions import same_but_for_numbers

log = logging.getLogger(__name__)

FIRST_BACKOFF = 0.2
MAX_BACKOFF = 30.0
# How often a reconcile meets the same error until its object tells of it.
TOLD_AT = 5
_ERROR_MAX = 500


class ObjectKey(NamedTuple):
    """The namespace and name of an object to reconcile."""

    namespace: str
    name: str


# Looks at one object and acts; says after how many seconds to look again although nothing happens (None: not at all).
Reconcile = Callable[[ObjectKey], Awaitable[float | None]]
# Lets an object tell of the error that its reconciles keep meeting.
Tell = Callable[[ObjectKey, str], Awaitable[None]]


class _Failures(NamedTuple):
    """Reconciles of one key that failed one after the other: how many, and how many of the last with the same error."""

    total: int = 0
    alike: int = 0
    error: str = ""

    def and_one(self, error: str) -> _Failures:
        alike = self.alike + 1 if same_but_for_numbers(self.error, error) else 1
        return _Failures(self.total + 1, alike, error)


class WorkQueue:
    """Runs `reconcile` for keys: at most once at a time for each key, and `workers` times in all.

    A key added while it is reconciled is reconciled again afterwards. One that raises is repeated with exponential
    backoff; a conflict (the object changed under it) at once.
    """

    def __init__(
        self,
        name: str,
        reconcile: Reconcile,
        workers: int,
        tell: Tell | None = None,
        own_writes: OwnWrites | None = None,
    ) -> None:
        self._name, self._reconcile, self._tell = name, reconcile, tell
        self._own_writes = own_writes or OwnWrites()
        self._figures = metrics.QueueFigures(name, self.waiting)
        self._slots = asyncio.Semaphore(workers)
        self._running: dict[ObjectKey, asyncio.Task[None]] = {}
        self._dirty: set[ObjectKey] = set()
        self._changes: dict[ObjectKey, Mapping[str, Any]] = {}  # the last that was told while the key is reconciled
        self._timers: dict[ObjectKey, asyncio.TimerHandle] = {}
        self._failures: dict[ObjectKey, _Failures] = {}
        self._woken: dict[ObjectKey, float] = {}  # since when an event waits to be answered
        self._active = 0
        self._closed = False

    def waiting(self) -> int:
        """How many keys wait for a worker, or for their own reconcile to end."""
        return len(self._running) - self._active + len(self._dirty)

    def add(self, key: ObjectKey) -> None:
        """Reconcile the key as soon as a worker is free: there was an event."""
        if not self._closed:
            self._woken.setdefault(key, time.monotonic())
            self._start(key)

    def add_soon(self, key: ObjectKey, seconds: float) -> None:
        """Reconcile the key after so many seconds, together with all that happens to it until then."""
        if self._closed:
            return
        self._woken.setdefault(key, time.monotonic())
        if seconds > 0:
            self.add_after(key, seconds)
        else:
            self._start(key)

    def changed(self, meta: Mapping[str, Any], *, gone: bool) -> None:
        """Reconcile the object with this metadata, unless the event only tells what its own reconcile wrote."""
        key = ObjectKey(meta["namespace"], meta["name"])
        if key in self._running and not gone:
            # A watch may tell of a write before the answer to it is here.
            self._changes[key] = meta
        elif not self._own_writes.is_own(meta, gone=gone):
            self.add(key)

    def _start(self, key: ObjectKey) -> None:
        if self._closed:
            return
        self._cancel_timer(key)
        if key in self._running:
            self._dirty.add(key)
            return
        task = asyncio.get_running_loop().create_task(self._run(key), name=f"{self._name} {key.namespace}/{key.name}")
        self._running[key] = task

    def add_after(self, key: ObjectKey, seconds: float) -> None:
        """Reconcile the key after so many seconds, unless something is sooner."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if self._closed or (timer and timer.when() <= loop.time() + seconds):
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(seconds, self._start, key)

    async def close(self, grace: float = 0.0) -> None:
        """Stop: nothing new begins, and what still runs after `grace` seconds is cancelled."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        tasks = list(self._running.values())
        if tasks and grace > 0:
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._dirty.clear()

    async def _run(self, key: ObjectKey) -> None:
        again: float | None = None
        try:
            async with self._slots:
                if not self._closed:
                    again = await self._work(key)
                self._failures.pop(key, None)
        except ConflictError:
            again = 0.0
        except KubeError as problem:
            again = await self._failed(key, str(problem))
            # Deleted while it was reconciled, as with every kubectl delete: the next reconcile finds nothing to do.
            level = logging.INFO if problem.status == 404 else logging.WARNING
            log.log(level, "%s; again in %.1f s", problem, again, extra={"queue": self._name, "object": key.name})
        except Exception as problem:
            again = await self._failed(key, f"{type(problem).__name__}: {problem}")
            log.exception("pass failed; again in %.1f s", again, extra={"queue": self._name, "object": key.name})
        finally:
            del self._running[key]
        changed = self._changes.pop(key, None)
        if changed is not None and not self._own_writes.is_own(changed, gone=False):
            self._dirty.add(key)
        if key in self._dirty:
            self._start(key)
        elif again is not None:
            self.add_after(key, again)

    async def _work(self, key: ObjectKey) -> float | None:
        self._dirty.discard(key)
        self._changes.pop(key, None)
        woken = self._woken.pop(key, None)
        self._active += 1
        try:
            with self._figures.timed(woken):
                return await self._reconcile(key)
        except BaseException:
            if woken is not None:
                self._woken[key] = woken  # the event is not answered yet
            raise
        finally:
            self._active -= 1

    async def _failed(self, key: ObjectKey, error: str) -> float:
        """Count a failure, and let the object tell of one that keeps coming; returns seconds until the next try."""
        failures = self._failures[key] = self._failures.get(key, _Failures()).and_one(error)
        if failures.alike == TOLD_AT and self._tell is not None:
            try:
                await self._tell(key, " ".join(error.split())[:_ERROR_MAX])
            except Exception as problem:
                log.info("cannot be told: %s", problem, extra={"queue": self._name, "object": key.name})
        return float(min(FIRST_BACKOFF * 2 ** (failures.total - 1), MAX_BACKOFF))

    def _cancel_timer(self, key: ObjectKey) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
