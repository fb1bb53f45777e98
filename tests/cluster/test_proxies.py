"""Where only a proxy leads to the API server, both halves of the operator take it; and neither takes a useless one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from testbed import Testbed
from testbed.api import Api
from testbed.operator_process import Operator
from testbed.waiting import until
from tests.support.objects import make_task, tasks
from tests.support.waiting import wait_for

NAME = "kubernetes.default.svc"  # in the API server's certificate; this machine has no address for it
NOWHERE = "http://me:secret@127.0.0.1:9"


class Proxy:
    """A proxy that tunnels to one name; keeps what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._tunnel, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, address, _ = head.split(" ", 2)
        self.asked.append(address)
        name, _, port = address.rpartition(":")
        if (method, name) != ("CONNECT", NAME):
            writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            writer.close()
            return
        answers, requests = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_copy(reader, requests), _copy(answers, writer))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with Proxy().serve() as serving:
        yield serving


@pytest.fixture
def by_name(bed: Testbed, tmp_path: Path) -> Path:
    """The testbed's kubeconfig with a server that has no address here."""
    config = json.loads(bed.kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    cluster["server"] = f"https://{NAME}:{urlsplit(cluster['server']).port}"
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


async def heard(api: Api, namespace: str, name: str) -> None:
    """Creates a task that is invalid and waits until the operator says so: it hears events and writes."""
    await api.create(tasks(namespace), make_task(name, {"spec.model.preset": "no-such"}))
    await until(api, tasks(namespace), name, lambda body: bool((body.get("status") or {}).get("conditions")))


def operator(kubeconfig: Path, folder: Path, namespace: str, **proxies: str) -> Operator:
    """An operator that serves the namespace, with these variables."""
    return Operator(kubeconfig, folder / "operator.log", {"AUTOTUNER_NAMESPACES": namespace, **proxies})


async def test_both_halves_take_the_proxy(
    api: Api, namespace: str, proxy: Proxy, by_name: Path, tmp_path: Path
) -> None:
    with operator(by_name, tmp_path, namespace, HTTPS_PROXY=proxy.url):
        await heard(api, namespace, "through")
    # Each watch has a connection of its own: the requests' alone would be one or two.
    assert len(proxy.asked) > 5
    assert {address.rpartition(":")[0] for address in proxy.asked} == {NAME}


async def test_a_proxy_for_others_is_not_taken(api: Api, bed: Testbed, namespace: str, tmp_path: Path) -> None:
    with operator(bed.kubeconfig, tmp_path, namespace, HTTPS_PROXY=NOWHERE, NO_PROXY="10.0.0.0/8"):
        await heard(api, namespace, "direct")


async def test_a_proxy_that_is_away_is_named(namespace: str, by_name: Path, tmp_path: Path) -> None:
    with operator(by_name, tmp_path, namespace, HTTPS_PROXY=NOWHERE) as running:

        async def told() -> bool:
            return any("through the proxy http://127.0.0.1:9)" in entry["message"] for entry in running.log())

        await wait_for(told, "the operator names the proxy")
        assert "secret" not in running.log_path.read_text()


async def test_what_is_no_proxy_is_told_at_the_start(namespace: str, by_name: Path, tmp_path: Path) -> None:
    with operator(by_name, tmp_path, namespace, HTTPS_PROXY="socks5://127.0.0.1:9") as running:
        assert running.wait(30) == 1
        assert "HTTPS_PROXY: socks5://127.0.0.1:9 is no HTTP proxy" in running.log_path.read_text()
