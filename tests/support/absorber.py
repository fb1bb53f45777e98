"""A server that records what it was offered: when each request came, of which length, over how many connections.

It answers like an engine whose timings are known exactly, so that what a load client says can be compared with the
truth: every token is one event, the first after `ttft` seconds, the others every `tpot`.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Offered:
    """A request as it arrived.

    Attributes:
        arrived: by the monotonic clock of the machine, when its last byte was read.
        body: of it.
        first, last: when the first and the last token were written.
    """

    arrived: float
    body: dict[str, Any]
    first: float = 0.0
    last: float = 0.0

    @property
    def prompt(self) -> str:
        return str(self.body["messages"][-1]["content"])

    @property
    def asked(self) -> int:
        return int(self.body["max_tokens"])


@dataclass
class Absorber:
    """What was offered so far, in the order of arrival; the ends of answers are added when they are written."""

    ttft: float
    tpot: float
    port: int = 0
    context: int = 0
    offered: list[Offered] = field(default_factory=list)
    most_connections: int = 0
    _open: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        self.most_connections = max(self.most_connections, self._open)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if head.startswith("GET"):
                await self._plain(writer, {"data": [{"id": "model", "max_model_len": self.context or None}]})
                return
            length = next(int(line.split(":")[1]) for line in head.lower().split("\r\n") if "content-length" in line)
            body = json.loads(await reader.readexactly(length))
            if body.get("stream"):
                await self._stream(writer, body, time.monotonic())
            else:
                await self._plain(writer, {"choices": [{"message": {"content": "yes"}}]})
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open -= 1
            writer.close()

    async def _plain(self, writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
        text = json.dumps(answer).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + text)
        await writer.drain()

    async def _stream(self, writer: asyncio.StreamWriter, body: dict[str, Any], arrived: float) -> None:
        number = len(self.offered)
        self.offered.append(Offered(arrived, body))
        writer.write(_HEAD)
        token = _event({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]})
        tokens, first, now = body["max_tokens"], 0.0, arrived
        for k in range(tokens):
            await asyncio.sleep(arrived + self.ttft + k * self.tpot - time.monotonic())
            if writer.is_closing():
                return
            now = time.monotonic()
            first = first or now
            writer.write(token)
        self.offered[number] = Offered(arrived, body, first, now)
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
        usage = {"prompt_tokens": len(body["messages"][-1]["content"]), "completion_tokens": tokens}
        rest = _event(end) + _event({"choices": [], "usage": usage}) + _chunk(b"data: [DONE]\n\n")
        writer.write(rest + b"0\r\n\r\n")
        await writer.drain()


def _event(body: dict[str, Any]) -> bytes:
    return _chunk(b"data: " + json.dumps(body).encode() + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@contextmanager
def absorber(ttft: float = 0.05, tpot: float = 0.005) -> Iterator[Absorber]:
    """A running one, on a port and in a thread of its own."""
    found, loop = Absorber(ttft, tpot), asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)

    async def start() -> asyncio.Server:
        return await asyncio.start_server(found.serve, "127.0.0.1", 0, backlog=1024)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        found.port = int(server.sockets[0].getsockname()[1])
        yield found
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
