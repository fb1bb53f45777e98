"""Where the operator's endpoints are served."""

from __future__ import annotations

import asyncio
import socket

import pytest

from autotuner.process.endpoints import Health, served


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def status(address: str, port: int) -> str:
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return line.decode().split()[1]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_probes_are_answered_with_ipv4_and_ipv6(address: str) -> None:
    port = free_port()
    async with served(port, Health().routes()):
        assert await status(address, port) == "200"


async def test_an_address_keeps_out_the_others() -> None:
    port = free_port()
    async with served(port, Health().routes(), "::1"):
        assert await status("::1", port) == "200"
        with pytest.raises(OSError, match="Connect call failed"):
            await status("127.0.0.1", port)
