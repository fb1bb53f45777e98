"""Docker's API over a socket of this machine, as far as workloads need it. Podman answers the same calls.

aiohttp speaks it directly: a client library of Docker would add an abstraction over ten calls, and hides what differs
between the two programs.
"""

from __future__ import annotations

import json
import struct
from collections import deque
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote

import aiohttp

# Docker 20.10 (2020) and Podman 3 have it; newer ones still take it.
_VERSION = "v1.41"
_TIMEOUT = 60.0
_FRAME = struct.Struct(">BxxxL")


class ApiError(Exception):
    """The daemon refused a call.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class DaemonGoneError(Exception):
    """Nobody answers on the socket, or in time; the text says where, and what to do."""


class DockerApi:
    """A connection to one daemon; to be closed, or used by `async with`.

    Args:
        socket: path of its Unix socket.
    """

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> DockerApi:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; what runs is not touched."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        seconds: float = _TIMEOUT,
    ) -> Any:
        """One call; returns the answer's JSON, None where it has none.

        Args:
            method: of HTTP.
            path: below the version, its parts quoted.
            query: texts, or objects that become JSON.
            body: becomes JSON.
            seconds: until the daemon is given up.

        Raises:
            ApiError: it was refused.
            DaemonGoneError: nobody answers.
        """
        try:
            async with self._request(method, path, query, body, seconds) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise self._gone(problem) from None
        if answer.status >= 400:
            raise ApiError(answer.status, _words(answer.status, content))
        return json.loads(content) if content.strip() else None

    async def lines(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Mapping[str, Any]]:
        """The objects of an answer that comes bit by bit, such as that of a pull; errors as `call` has them."""
        try:
            async with self._request(method, path, query, None, None, headers) as answer:
                if answer.status >= 400:
                    raise ApiError(answer.status, _words(answer.status, await answer.read()))
                rest = b""
                async for part in answer.content.iter_any():
                    *whole, rest = (rest + part).split(b"\n")
                    for line in whole:
                        if line.strip():
                            yield json.loads(line)
                if rest.strip():
                    yield json.loads(rest)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise self._gone(problem) from None

    async def log(self, container: str, lines: int, most_bytes: int) -> bytes:
        """The last bytes of the last lines that a container printed, on both streams in order; errors as of `call`."""
        query = {"stdout": "true", "stderr": "true", "tail": str(lines)}
        kept, size = deque[bytes](), 0
        try:
            async with self._request("GET", f"/containers/{quote(container)}/logs", query, None, _TIMEOUT) as answer:
                if answer.status >= 400:
                    raise ApiError(answer.status, _words(answer.status, await answer.read()))
                async for text in _frames(answer.content):
                    kept.append(text)
                    size += len(text)
                    while size - len(kept[0]) >= most_bytes:
                        size -= len(kept.popleft())
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise self._gone(problem) from None
        return b"".join(kept)[-most_bytes:]

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        seconds: float | None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=self.socket))
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in (query or {}).items()}
        limit = aiohttp.ClientTimeout(total=seconds, sock_connect=_TIMEOUT)
        url = f"http://daemon/{_VERSION}{path}"
        return self._session.request(method, url, params=texts, json=body, timeout=limit, headers=headers)

    def _gone(self, problem: Exception) -> DaemonGoneError:
        told = str(problem) or type(problem).__name__
        return DaemonGoneError(
            f"the container engine at {self.socket} does not answer ({told}); look whether it runs, for example with "
            "`docker version` or `podman info`"
        )


async def _frames(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The texts of a log: each is preceded by its stream's number and its length."""
    while True:
        try:
            head = await stream.readexactly(_FRAME.size)
            yield await stream.readexactly(_FRAME.unpack(head)[1])
        except EOFError:
            return


def _words(status: int, content: bytes) -> str:
    """What the daemon says of a refusal."""
    try:
        told = json.loads(content)
        words = told.get("message") or told.get("cause") or ""
    except (ValueError, AttributeError):
        words = content.decode(errors="replace").strip()
    return words or f"HTTP {status} without a word"
