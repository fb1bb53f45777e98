"""One request after the other, each at its time, none waiting for another; what became of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import aiohttp

from autotuner.benchmark.clients.open_loop.answer import Answer
from autotuner.benchmark.clients.open_loop.event_stream import EventStream
from autotuner.benchmark.clients.open_loop.orders import Order
from autotuner.benchmark.contract.level_run import Request
from autotuner.proxies import proxy_for

LONGEST_ERROR = 300
_READ_BUFFER = 1 << 16


class Sender:
    """Sends orders when they are due, over a connection of its own each, as many at the same time as there are.

    A connection that is used again may have been closed by the engine in the meantime, which would be counted as an
    error of the engine; the load client of the closed loop makes a new one for each request too.

    Args:
        base: the engine's URL, `http://host:port`.
        key: of the engine's API; empty for none.
        record: is told every request that is over.
    """

    def __init__(self, base: str, key: str, record: Callable[[Request], None]) -> None:
        self._url, self._key, self._record = f"{base}/v1/chat/completions", key, record
        self._proxy = proxy_for(base)
        self._due: dict[int, asyncio.TimerHandle] = {}
        self._running: set[asyncio.Task[None]] = set()
        # A stream that is compressed comes in blocks of the compression.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True, ttl_dns_cache=None),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            headers=headers | ({"Authorization": f"Bearer {key}"} if key else {}),
            read_bufsize=_READ_BUFFER,
        )

    def take(self, order: Order) -> None:
        """Take an order; it is sent when it is due, at once if that is over."""
        loop = asyncio.get_running_loop()
        self._due[order.number] = loop.call_at(order.due, self._start, order)

    async def cut(self) -> None:
        """Drop what is not due yet, and cut off every answer that is still coming."""
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def close(self) -> None:
        """Close what is open."""
        await self.cut()
        await self._session.close()

    def _start(self, order: Order) -> None:
        self._due.pop(order.number, None)
        task = asyncio.get_running_loop().create_task(self._send(order))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _send(self, order: Order) -> None:
        start, answer, error = time.monotonic(), Answer(order.keep), ""
        late = max(0.0, start - order.due)
        try:
            error = await self._read(order, answer)
        except asyncio.CancelledError:
            now = time.monotonic()
            first = now if answer.first is None else answer.first
            self._record(Request(order.number, start, first, now, asked=order.asked, cut=True, late=late))
            return
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            error = f"Connection error: {type(problem).__name__}: {problem}"
        end = time.monotonic()
        if error:
            told = self._safe(error)
            self._record(Request(order.number, start, end, end, asked=order.asked, error=told, late=late))
            return
        first, last = (end if moment is None else moment for moment in (answer.first, answer.last))
        counts = (answer.input_tokens, answer.output_tokens, order.asked, answer.usage)
        self._record(Request(order.number, start, first, last, *counts, late=late, answer=answer.text))

    async def _read(self, order: Order, answer: Answer) -> str:
        """Send an order and read its answer; what is wrong with it, or nothing."""
        async with self._session.post(self._url, data=order.body.encode(), proxy=self._proxy) as response:
            if response.status != 200:
                return f"HTTP {response.status}: {(await response.text(errors='replace')).strip()}"
            events = EventStream()
            while piece := await response.content.readany():
                now = time.monotonic()
                for data in events.feed(piece):
                    answer.take(data, now)
            for data in events.end():
                answer.take(data, time.monotonic())
        return answer.error or ("" if answer.whole else "the stream ended before the answer did")

    def _safe(self, text: str) -> str:
        """The text without the key, which a server may echo."""
        return (text.replace(self._key, "***") if self._key else text)[:LONGEST_ERROR]
