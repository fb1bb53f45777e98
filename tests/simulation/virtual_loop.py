"""An event loop whose time passes only when nothing is left to do: days within seconds, the same way every time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class StuckError(Exception):
    """Everybody waits, and no timer is left that would wake anybody."""


class _Selector:
    """Stands where a loop waits for sockets: it has none, so to wait is to let time pass."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise StuckError("nothing is scheduled any more")
        self._loop.pass_time(timeout)
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in the order of their time, and of their scheduling where that is equal."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 0.0
        self._selector = _Selector(self)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._seconds

    def pass_time(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self._seconds += seconds

    def _process_events(self, event_list: list[object]) -> None:
        """Nothing comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody waits in another thread."""


def run(loop: VirtualLoop, main: Coroutine[Any, Any, T]) -> T:
    """Run to the end of `main`, and cancel what it leaves behind.

    Raises:
        StuckError: it waits for what never comes.
    """
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        # In the order in which they began: a set of tasks has the order of their addresses.
        left = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
