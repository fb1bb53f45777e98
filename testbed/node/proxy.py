"""Makes service names reachable for the pods' processes: an HTTP proxy that knows services and their endpoints.

Processes get it by `http_proxy`. It rewrites a request's head, then passes bytes on as they come, one connection per
request.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from urllib.parse import urlsplit

from autotuner.kubernetes_object import Object
from testbed.node.context import local

_HEAD_LIMIT = 64 * 1024
_HOP_HEADERS = (b"connection:", b"proxy-connection:", b"proxy-authorization:", b"keep-alive:")


class UnreachableError(Exception):
    """A name that leads nowhere, with the HTTP status to answer."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status


class Directory:
    """Knows which address of this machine stands for a host and port of the cluster."""

    def __init__(self, net: int) -> None:
        self._pods = f"10.{net}."
        self._own = ("127.", "localhost")
        self._services: dict[tuple[str, str], Object] = {}
        self._slices: dict[str, Object] = {}
        self._turn = itertools.count()

    def note_service(self, event: str, service: Object) -> None:
        """Takes a watch event of a Service."""
        key = (service["metadata"]["namespace"], service["metadata"]["name"])
        if event == "DELETED":
            self._services.pop(key, None)
        else:
            self._services[key] = service["spec"]

    def note_slice(self, event: str, endpoints: Object) -> None:
        """Takes a watch event of an EndpointSlice."""
        uid = endpoints["metadata"]["uid"]
        if event == "DELETED":
            self._slices.pop(uid, None)
        else:
            self._slices[uid] = endpoints

    def resolve(self, host: str, port: int) -> tuple[str, int]:
        """Returns where to connect.

        Raises:
            UnreachableError: 502 for a host that is not of this cluster, 503 for a service without a ready endpoint.
        """
        if host.startswith(self._own):
            return host, port
        if host.startswith(self._pods):
            return local(host), port
        service = self._service(host)
        if service is None:
            raise UnreachableError("502 Bad Gateway", f"{host} is not a name or an address of this cluster")
        (namespace, name), spec = service
        port_names = [entry.get("name") or "" for entry in spec.get("ports") or [] if entry["port"] == port]
        if not port_names:
            raise UnreachableError("502 Bad Gateway", f"service {namespace}/{name} has no port {port}")
        ready = self._ready(namespace, name, port_names[0])
        if not ready:
            raise UnreachableError("503 Service Unavailable", f"service {namespace}/{name} has no ready endpoint")
        return ready[next(self._turn) % len(ready)]

    def _service(self, host: str) -> tuple[tuple[str, str], Object] | None:
        name, _, rest = host.partition(".")
        namespace, _, suffix = rest.partition(".")
        if suffix in ("", "svc", "svc.cluster.local") and (namespace, name) in self._services:
            return (namespace, name), self._services[namespace, name]
        for key, spec in self._services.items():
            if spec.get("clusterIP") == host:
                return key, spec
        return None

    def _ready(self, namespace: str, name: str, port_name: str) -> list[tuple[str, int]]:
        found = []
        for endpoints in self._slices.values():
            metadata = endpoints["metadata"]
            owner = (metadata.get("labels") or {}).get("kubernetes.io/service-name")
            if owner != name or metadata["namespace"] != namespace:
                continue
            ports = [port["port"] for port in endpoints.get("ports") or [] if (port.get("name") or "") == port_name]
            for endpoint in endpoints.get("endpoints") or []:
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    found += [(local(address), port) for address in endpoint["addresses"] for port in ports]
        return found


def rewrite(head: bytes) -> tuple[str, int, bytes]:
    """Turns a proxy request's head into one for the server itself; returns host, port and the new head.

    Raises:
        UnreachableError: 400, this is no request for a proxy.
    """
    line, _, headers = head.partition(b"\r\n")
    words = line.split(b" ")
    if len(words) != 3 or not words[1].lower().startswith(b"http://"):
        raise UnreachableError("400 Bad Request", "only requests for http:// addresses pass here")
    try:
        url = urlsplit(words[1].decode("latin-1"))
        host, port = url.hostname or "", url.port or 80
    except ValueError as error:
        raise UnreachableError("400 Bad Request", str(error)) from error
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    kept = [line for line in headers.split(b"\r\n") if not line.lower().startswith(_HOP_HEADERS)]
    lines = [b" ".join([words[0], target.encode("latin-1"), words[2]]), b"Connection: close", *kept]
    return host, port, b"\r\n".join(lines)


class _Side(asyncio.Protocol):
    """One end of a spliced pair of connections."""

    peer: _Side | None = None
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.peer is not None:
            self.peer.transport.write(data)

    def pause_writing(self) -> None:
        if self.peer is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.peer is not None:
            self.peer.transport.close()


class _Client(_Side):
    """The side of a pod's process: reads one request head, then splices."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._head = b""
        self._connecting: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        if self.peer is not None:
            self.peer.transport.write(data)
            return
        self._head += data
        if self._connecting is None and (b"\r\n\r\n" in self._head or len(self._head) > _HEAD_LIMIT):
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        super().connection_lost(exc)

    async def _connect(self) -> None:
        try:
            head, _, _ = self._head.partition(b"\r\n\r\n")
            host, port, rewritten = rewrite(head)
            address = self._directory.resolve(host, port)
            _, server = await asyncio.get_running_loop().create_connection(_Side, *address)
        except UnreachableError as error:
            self._refuse(error.status, str(error))
        except OSError as error:
            self._refuse("502 Bad Gateway", f"{host}:{port}: {error.strerror or error}")
        else:
            server.peer, self.peer = self, server
            _, _, body = self._head.partition(b"\r\n\r\n")
            server.transport.write(rewritten + b"\r\n\r\n" + body)

    def _refuse(self, status: str, why: str) -> None:
        body = f"{why}\n".encode()
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


async def serve(directory: Directory) -> tuple[asyncio.Server, str]:
    """Starts the proxy on a free port; returns it and its URL."""
    factory: Callable[[], _Client] = lambda: _Client(directory)  # noqa: E731
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, backlog=1024)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
