"""One request after the other, each at its time, none waiting for another; what became of each."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from autotuner.benchmark.clients.open_loop.exchange import Exchange, Reading
from autotuner.benchmark.clients.open_loop.orders import Order
from autotuner.benchmark.clients.open_loop.route import Route
from autotuner.benchmark.contract.level_run import Request

LONGEST_ERROR = 300
_PATH = "/v1/chat/completions"


class Sender:
    """Sends orders when they are due, over a connection of its own each, as many at the same time as there are.

    A connection that is used again may have been closed by the engine in the meantime, which would be counted as an
    error of the engine; the load client of the closed loop makes a new one for each request too.

    Args:
        route: to the engine.
        key: of the engine's API; empty for none.
        record: is told every request that is over.
    """

    def __init__(self, route: Route, key: str, record: Callable[[Request], None]) -> None:
        self._route, self._key, self._record = route, key, record
        self._due: dict[int, asyncio.TimerHandle] = {}
        self._reading = Reading()
        self._running: set[asyncio.Task[None]] = set()
        # A stream that is compressed comes in blocks of the compression.
        headers = {"Content-Type": "application/json", "Accept": "*/*", "Accept-Encoding": "identity"}
        headers |= {"Connection": "close"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._head = route.head(_PATH, headers)

    def take(self, order: Order) -> None:
        """Take an order; it is sent when it is due, at once if that is over."""
        loop = asyncio.get_running_loop()
        # The loop rounds to the nearest millisecond, which would be too early half of the time.
        self._due[order.number] = loop.call_at(math.ceil(order.due * 1000) / 1000, self._start, order)

    async def cut(self) -> None:
        """Drop what is not due yet, and cut off every answer that is still coming."""
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()
        self._reading.read_all()
        # What was read may have been the end of an answer.
        await asyncio.sleep(0)
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _start(self, order: Order) -> None:
        self._due.pop(order.number, None)
        task = asyncio.get_running_loop().create_task(self._send(order))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _send(self, order: Order) -> None:
        start = time.monotonic()
        late = max(0.0, start - order.due)
        body = order.body.encode()
        request = b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body)
        exchange = Exchange(self._reading, request, order.asked, order.keep)
        try:
            error = await self._exchange(exchange)
        except asyncio.CancelledError:
            now, first = time.monotonic(), exchange.response.answer.first
            first = now if first is None else first
            self._record(Request(order.number, start, first, now, asked=order.asked, cut=True, late=late))
            return
        end, answer = time.monotonic(), exchange.response.answer
        if error:
            told = self._safe(error)
            self._record(Request(order.number, start, end, end, asked=order.asked, error=told, late=late))
            return
        first, last = (end if moment is None else moment for moment in (answer.first, answer.last))
        counts = (answer.input_tokens, answer.output_tokens, order.asked, answer.usage)
        self._record(Request(order.number, start, first, last, *counts, late=late, answer=answer.text))

    async def _exchange(self, exchange: Exchange) -> str:
        """Send a request and read its answer; what is wrong with it, or nothing."""
        try:
            await exchange.send(self._route)
            await exchange.over
        except (OSError, ValueError) as problem:
            return f"Connection error: {type(problem).__name__}: {problem}"
        finally:
            exchange.close()
        return exchange.response.problem

    def _safe(self, text: str) -> str:
        """The text without the key, which a server may echo."""
        return (text.replace(self._key, "***") if self._key else text)[:LONGEST_ERROR]
