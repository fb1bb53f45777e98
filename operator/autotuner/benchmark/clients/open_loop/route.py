"""The way to a server: whom to connect to, through which proxy, whether by TLS."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

from autotuner.proxies import proxy_for

_PORTS = {"http": 80, "https": 443}
LONGEST_HEAD = 1 << 16


class Route:
    """Connects to a server, directly or through the proxy that the environment names for it.

    Args:
        base: the server's URL, `http://host:port` or `https://host:port`.
        tls: how to check a server's certificate; absent: as the system does.

    Raises:
        ValueError: the environment names no HTTP proxy.
    """

    def __init__(self, base: str, tls: ssl.SSLContext | None = None) -> None:
        self._server = urlsplit(base)
        proxy = proxy_for(base)
        self._proxy = urlsplit(proxy) if proxy else None
        self._tls = tls
        self._addresses: dict[tuple[str, int], list[tuple[int, Any]]] = {}

    def head(self, path: str, headers: Mapping[str, str]) -> bytes:
        """The lines of a POST request but for Content-Length and the empty line."""
        plain_proxy = self._proxy if self._server.scheme == "http" else None
        target = f"{self._server.scheme}://{self._server.netloc}{path}" if plain_proxy else path
        told = {"Host": self._server.netloc, **headers} | (_credentials(plain_proxy) if plain_proxy else {})
        return _head(f"POST {target}", told)

    @property
    def encrypted(self) -> bool:
        """Whether the connection to the server, or to its proxy, is one of TLS."""
        return "https" in (self._server.scheme, self._proxy.scheme if self._proxy else "")

    async def open_socket(self) -> socket.socket:
        """A new connection for a request, which is not encrypted, to read and write without waiting.

        Raises:
            OSError: there is none to be had.
        """
        host, port = _address(self._proxy or self._server)
        failure: OSError | None = None
        for family, address in await self._resolve(host, port):
            found = socket.socket(family, socket.SOCK_STREAM)
            found.setblocking(False)
            try:
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await _connect(found, address)
            except BaseException as problem:
                found.close()
                if not isinstance(problem, OSError):
                    raise
                failure = failure or problem
            else:
                return found
        self._addresses.pop((host, port), None)
        raise failure or OSError(f"{host} has no address")

    async def connect(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Make a new connection for a request, which is encrypted.

        Raises:
            OSError: there is none to be had, which includes certificates that are not trusted.
        """
        if self._proxy is None:
            await self._open(self._server, protocol)
        elif self._server.scheme == "http":
            await self._open(self._proxy, protocol)
        else:
            await self._through_tunnel(self._proxy, protocol)

    async def _open(self, whom: SplitResult, protocol: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        host, port = _address(whom)
        tls = self._context() if whom.scheme == "https" else None
        failure: OSError | None = None
        for _, address in await self._resolve(host, port):
            try:
                transport, _ = await asyncio.get_running_loop().create_connection(
                    protocol, address[0], port, ssl=tls, server_hostname=host if tls else None
                )
            except OSError as problem:
                failure = failure or problem
            else:
                return transport
        # A name may lead elsewhere by now.
        self._addresses.pop((host, port), None)
        raise failure or OSError(f"{host} has no address")

    async def _resolve(self, host: str, port: int) -> list[tuple[int, Any]]:
        """The addresses of a host; asked for once, as it takes a thread."""
        if (host, port) not in self._addresses:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self._addresses[host, port] = [(family, address) for family, *_, address in found]
        return self._addresses[host, port]

    async def _through_tunnel(self, proxy: SplitResult, protocol: Callable[[], asyncio.Protocol]) -> None:
        host, port = _address(self._server)
        whom = f"{f'[{host}]' if ':' in host else host}:{port}"
        tunnel = _Tunnel(_head(f"CONNECT {whom}", {"Host": whom} | _credentials(proxy)) + b"\r\n")
        transport = await self._open(proxy, lambda: tunnel)
        try:
            await tunnel.made
            inner = protocol()
            found = await asyncio.get_running_loop().start_tls(transport, inner, self._context(), server_hostname=host)
        except BaseException:
            transport.abort()
            raise
        assert found is not None, "a connection that was made"
        inner.connection_made(found)

    def _context(self) -> ssl.SSLContext:
        self._tls = self._tls or ssl.create_default_context()
        return self._tls


async def _connect(connection: socket.socket, address: Any) -> None:
    """Connect; to a server nearby that needs no turn of the event loop."""
    try:
        connection.connect(address)
    except BlockingIOError:
        loop, connected = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
        loop.add_writer(connection.fileno(), _done, connected)
        try:
            await connected
        finally:
            loop.remove_writer(connection.fileno())
        if code := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code)) from None


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel; `made` is done when there is one."""

    def __init__(self, request: bytes) -> None:
        self._request, self._answer = request, b""
        self.made: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self.made.done() or (b"\r\n\r\n" not in self._answer and len(self._answer) < LONGEST_HEAD):
            return
        status, _, _ = self._answer.partition(b"\r\n")
        if status.split(b" ")[1:2] == [b"200"]:
            self.made.set_result(None)
        else:
            self.made.set_exception(OSError(f"the proxy makes no tunnel: {status[:80].decode(errors='replace')}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.made.done():
            self.made.set_exception(exc or OSError("the proxy closed the connection"))


def _address(url: SplitResult) -> tuple[str, int]:
    return url.hostname or "", url.port or _PORTS[url.scheme]


def _head(request: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{request} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1", "replace")


def _credentials(proxy: SplitResult) -> dict[str, str]:
    """The header with name and password of a proxy's URL; none where it has none."""
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {b64encode(pair).decode()}"}
