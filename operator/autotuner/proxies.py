"""Which proxy leads to a server, as kubectl answers it: by HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

The rules are those of Go's ``golang.org/x/net/http/httpproxy``, which kubectl uses. Neither the client library nor
kopf knows all of them: address ranges and ports in NO_PROXY are passed over by aiohttp, on which both rest.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The URL of the proxy through which a server is asked; None to ask it directly.

    Args:
        url: of the server.
        environment: with the variables, in capitals or small letters; capitals win.

    Raises:
        ValueError: the variable names no HTTP proxy.
    """
    server = urlsplit(url)
    name = f"{server.scheme}_proxy".upper()
    value = _variable(name, environment)
    if (
        not value
        or server.hostname is None
        or _spared(server.hostname, server.port or _PORTS[server.scheme], environment)
    ):
        return None
    proxy = value if "://" in value else f"http://{value}"
    if urlsplit(proxy).scheme not in _PORTS or not urlsplit(proxy).hostname:
        raise ValueError(f"{name}: {without_password(proxy)} is no HTTP proxy; write http://HOST:PORT")
    return proxy


def through(url: str, environment: Mapping[str, str] = os.environ) -> str:
    """What a message says of the way to a server that does not answer: the proxy without its password, or nothing."""
    try:
        proxy = proxy_for(url, environment)
    except ValueError as problem:
        return f" ({problem})"
    return f" through the proxy {without_password(proxy)}" if proxy else ""


def without_password(proxy: str) -> str:
    """A proxy's URL as it may stand in a message."""
    before, found, address = proxy.rpartition("@")
    return f"{urlsplit(before).scheme}://{address}" if found else proxy


def _variable(name: str, environment: Mapping[str, str]) -> str:
    return environment.get(name) or environment.get(name.lower()) or ""


def _spared(host: str, port: int, environment: Mapping[str, str]) -> bool:
    """Whether no proxy is asked for this server."""
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    entries = (entry.strip().lower() for entry in _variable("NO_PROXY", environment).split(","))
    return any(_covers(entry, host.lower(), port) for entry in entries if entry)


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY names this server: ``*``, a domain, an address, with or without a port, a range."""
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, only_port = _split_port(entry)
    if only_port not in (None, port):
        return False
    if (named := _address(name)) is not None:
        return address == named
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split_port(entry: str) -> tuple[str, int | None]:
    if _address(entry) is not None:
        return entry, None
    name, found, port = entry.rpartition(":")
    return (name.strip("[]"), int(port)) if found and port.isdigit() else (entry.strip("[]"), None)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
