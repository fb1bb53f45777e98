"""A request and its answer on a connection of their own, read as seldom as the figures allow.

To read takes more CPU than all the rest: a call of the system for each token of each answer. But only two moments of
an answer count, those of its first and of its last token. So the first is waited for; from then on connections are
read in turns, many tokens at a time; and the last ones are waited for again. When a piece arrived is told by the
kernel, however late it is read.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from typing import cast

from autotuner.benchmark.clients.open_loop.http_answer import HttpAnswer
from autotuner.benchmark.clients.open_loop.route import Route

# Of the socket interface of Linux, which Python does not name; the answer is a `struct timespec` of the wall clock.
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("qq")
# Where all connections are read into, one after the other.
_BUFFER = bytearray(1 << 18)
_VIEW = memoryview(_BUFFER)
_TOLD_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)
# Between two readings of an answer that is neither at its beginning nor at its end.
_READ_EVERY_SECONDS = 0.5
_TICK_SECONDS = 0.02
# So many readings may hold up a request that is due.
_READ_AT_ONCE = 10
# So many pieces of text before the end that is expected an answer is waited for again.
_LAST_PIECES = 2


class Reading:
    """The connections that are read in turns, a few every few milliseconds so that nothing is held up."""

    def __init__(self) -> None:
        self._turns: deque[tuple[float, Exchange]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, exchange: Exchange) -> None:
        """Read this one when it is its turn."""
        self._turns.append((time.monotonic() + _READ_EVERY_SECONDS, exchange))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_READ_EVERY_SECONDS, self._tick)

    def read_all(self) -> None:
        """Read what there is of all of them now."""
        for _, exchange in list(self._turns):
            exchange.read()

    def _tick(self) -> None:
        now, loop = time.monotonic(), asyncio.get_running_loop()
        for _ in range(_READ_AT_ONCE):
            if not self._turns or self._turns[0][0] > now:
                next_turn = max(now + _TICK_SECONDS, self._turns[0][0]) if self._turns else 0.0
                self._timer = loop.call_at(next_turn, self._tick) if next_turn else None
                return
            _, exchange = self._turns.popleft()
            exchange.read()
            exchange.go_on()
        self._timer = loop.call_later(0, self._tick)


class Exchange(asyncio.Protocol):
    """One request and what becomes of it.

    Args:
        reading: reads it while it is not waited for.
        request: all of it, as it goes over the wire.
        asked: output tokens that it asks for.
        keep: whether to keep what the answer says.

    Attributes:
        response: what was read so far.
        over: done when the response has ended.
    """

    def __init__(self, reading: Reading, request: bytes, asked: int, keep: bool = False) -> None:
        self.response = HttpAnswer(keep)
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reading, self._request, self._asked = reading, request, asked
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._waiting = False
        self._read_at = 0.0
        # What is kept is answered to, so that its end is waited for even where it comes early.
        self._in_turns = not keep

    async def send(self, route: Route) -> None:
        """Connect and send the request.

        Raises:
            OSError: that is not possible.
        """
        if route.encrypted:
            await route.connect(lambda: self)
            return
        self._socket = await route.open_socket()
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        try:
            sent = self._socket.send(self._request)
        except BlockingIOError:
            sent = 0
        if sent < len(self._request):
            await asyncio.get_running_loop().sock_sendall(self._socket, self._request[sent:])
        self._wait(True)

    def read(self) -> None:
        """Read what there is."""
        if self._socket is None or self.over.done():
            return
        try:
            size, told, _, _ = self._socket.recvmsg_into([_BUFFER], _TOLD_BYTES)
            piece = bytes(_VIEW[:size])
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            piece, told = b"", []
        # A sandbox's kernel may not say when; then every token is waited for.
        self._in_turns = self._in_turns and bool(told)
        self._read_at = max(self._read_at, arrival(told))
        self._take(piece)

    def go_on(self) -> None:
        """Wait for what comes next, or read it in turn, as its place in the answer demands."""
        if self.over.done():
            return
        self._wait(not self._between)
        if self._between:
            self._reading.add(self)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()
        if self._socket is not None:
            self._wait(False)
            self._socket.close()
            self._socket = None

    def _wait(self, waiting: bool) -> None:
        assert self._socket is not None
        if waiting != self._waiting:
            self._waiting, loop = waiting, asyncio.get_running_loop()
            if waiting:
                loop.add_reader(self._socket.fileno(), self._readable)
            else:
                loop.remove_reader(self._socket.fileno())

    def _readable(self) -> None:
        self.read()
        if not self.over.done() and self._between:
            self.go_on()

    @property
    def _between(self) -> bool:
        """Whether what comes next needs not be read at once: it is neither the first token nor one of the last."""
        return self._in_turns and 0 < self.response.answer.pieces < self._asked - _LAST_PIECES

    def _take(self, piece: bytes) -> None:
        if piece:
            self.response.feed(piece, self._read_at)
        else:
            self.response.end(self._read_at)
        if (self.response.over or not piece) and not self.over.done():
            self.over.set_result(None)

    # What an encrypted connection calls, which the event loop reads.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there: send."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Something arrived."""
        self._read_at = time.monotonic()
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop passes it
        """The server, or this process, closed it."""
        self._read_at = time.monotonic()
        self._take(b"")


def arrival(told: list[tuple[int, int, bytes]]) -> float:
    """When the last byte of what was just read arrived, by the monotonic clock; now where the kernel does not say."""
    # The wall clock first: what comes between the two can only make the moment later than it was.
    wall = time.time_ns()
    now = time.monotonic()
    for level, kind, data in told:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) == _TIMESPEC.size:
            seconds, nanoseconds = cast("tuple[int, int]", _TIMESPEC.unpack(data))
            return now - max(0.0, 1e-9 * (wall - 1_000_000_000 * seconds - nanoseconds))
    return now
