"""Waits for what tests expect, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")
_POLL_SECONDS = 0.05


async def wait_for(look: Callable[[], Awaitable[Found | None]], what: str, seconds: float = 60) -> Found:
    """Returns the first thing found that is true.

    Raises:
        AssertionError: nothing in time; the message holds what was found last.
    """
    found: Found | None = None
    try:
        async with asyncio.timeout(seconds):
            while not (found := await look()):
                await asyncio.sleep(_POLL_SECONDS)
            return found
    except TimeoutError as error:
        raise AssertionError(f"not within {seconds} s: {what}; last: {found}") from error
