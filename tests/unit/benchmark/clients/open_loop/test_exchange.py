"""The moments of an answer are those at which it arrived, however late it is read."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Awaitable

import pytest
import uvloop

from autotuner.benchmark.clients.open_loop.exchange import arrival
from autotuner.benchmark.clients.open_loop.orders import Order
from autotuner.benchmark.clients.open_loop.request_body import request_body
from autotuner.benchmark.clients.open_loop.route import Route
from autotuner.benchmark.clients.open_loop.sending import Sender
from autotuner.benchmark.contract.level_run import Request
from tests.support.absorber import absorber

TTFT, TPOT, TOKENS = 0.2, 0.004, 50


async def _soon(condition: Awaitable[None]) -> None:
    await asyncio.wait_for(condition, 20)


def test_a_client_that_is_held_up_knows_when_tokens_came() -> None:
    over: list[Request] = []

    async def held_up() -> None:
        sender = Sender(Route(server.url), "", over.append)
        # Asked for more than there is, so that the end is not waited for.
        sender.take(Order(0, time.monotonic(), 100_000, request_body("m", "p", TOKENS, {}, "sglang")))
        await asyncio.sleep(0.05)
        time.sleep(TTFT - 0.1)
        await asyncio.sleep(0.1)
        time.sleep(0.3 + TOKENS * TPOT)
        while not over:
            await asyncio.sleep(0.01)
        await sender.cut()

    with absorber(TTFT, TPOT) as server:
        uvloop.run(_soon(held_up()))
    truth, found = server.offered[0], over[0]
    assert found.ok, found
    assert truth.first <= found.first < truth.first + 0.05
    assert truth.last <= found.end < truth.last + 0.1


def test_what_was_answered_when_a_level_ends_was_answered() -> None:
    """An answer that is read in turns, and had ended by then, is not cut off."""
    over: list[Request] = []

    async def cut() -> None:
        sender = Sender(Route(server.url), "", over.append)
        sender.take(Order(0, time.monotonic(), 100_000, request_body("m", "p", 20, {}, "sglang")))
        await asyncio.sleep(0.05 + 20 * 0.004 + 0.1)
        await sender.cut()

    with absorber(0.02, 0.004) as server:
        uvloop.run(_soon(cut()))
    assert over[0].ok and over[0].output_tokens == 20, over


def test_a_kernel_that_does_not_tell_is_no_obstacle() -> None:
    before = time.monotonic()
    assert before <= arrival([]) <= time.monotonic()


@pytest.mark.parametrize(("age", "error"), [(0.5, 0.01), (-5.0, 0.01)])
def test_the_wall_clock_is_turned_into_the_monotonic_one(age: float, error: float) -> None:
    """A clock that was set back in between makes no moment in the future."""
    seconds, nanoseconds = divmod(time.time_ns() - int(age * 1e9), 10**9)
    found = arrival([(1, 35, struct.pack("qq", seconds, nanoseconds))])
    assert found == pytest.approx(time.monotonic() - max(0.0, age), abs=error)
