"""A work queue as of controller-runtime: one worker, keys are handled once at a time, failures again after a pause."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from testbed.api import AWAY, ApiError

FIRST_PAUSE, LONGEST_PAUSE, OUTAGE_PAUSE = 0.005, 1000.0, 0.5

Key = TypeVar("Key")
log = logging.getLogger("ome")


class RetryError(Exception):
    """The handler failed in a way that OME repeats, with pauses that double."""


class WorkQueue(Generic[Key]):
    """Hands each key that was added to `handle`; a key added while it waits is handled once."""

    def __init__(self, handle: Callable[[Key], Awaitable[None]]) -> None:
        self._handle = handle
        self._waiting: dict[Key, None] = {}
        self._failures: dict[Key, int] = {}
        self._awake = asyncio.Event()

    def add(self, key: Key) -> None:
        """Has a key handled as soon as possible."""
        self._waiting[key] = None
        self._awake.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Has a key handled after a pause."""
        asyncio.get_running_loop().call_later(seconds, self.add, key)

    async def run(self) -> None:
        """Works for ever."""
        while True:
            await self._awake.wait()
            while self._waiting:
                key = next(iter(self._waiting))
                del self._waiting[key]
                await self._work(key)
            self._awake.clear()

    async def _work(self, key: Key) -> None:
        try:
            await self._handle(key)
        except AWAY as error:
            log.info("%s: API server is away: %s", key, error)
            self.add_after(key, OUTAGE_PAUSE)
        except (RetryError, ApiError) as error:
            log.info("%s: %s", key, error)
            self._back_off(key)
        except Exception:
            log.exception("%s", key)
            self._back_off(key)
        else:
            self._failures.pop(key, None)

    def _back_off(self, key: Key) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(FIRST_PAUSE * 2.0**failures, LONGEST_PAUSE))
