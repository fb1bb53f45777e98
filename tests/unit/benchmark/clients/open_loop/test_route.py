"""An engine is reached directly, through a proxy, and by TLS; what goes wrong on the way is told."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop

from autotuner.benchmark.clients.open_loop.orders import Order
from autotuner.benchmark.clients.open_loop.route import Route
from autotuner.benchmark.clients.open_loop.sending import Sender
from autotuner.benchmark.contract.level_run import Request

EVENTS = (
    b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": null}]}\n\n'
    b'data: {"choices": [{"delta": {}, "finish_reason": "length"}]}\n\n'
    b'data: {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}\n\ndata: [DONE]\n\n'
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(EVENTS) + EVENTS
TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost and 127.0.0.1 that signed itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    found = folder / "certificate.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:engine.test,IP:127.0.0.1"]
    subprocess.run([*command, *names, "-out", found[0], "-keyout", found[1]], check=True, capture_output=True)
    return found


@contextmanager
def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server in a thread of its own; its port."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls), loop).result(10)
    yield int(server.sockets[0].getsockname()[1])
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def heads_of(answers: list[bytes], heads: list[str], onward: int = 0) -> Serve:
    """Answers each head on a connection with the next of these; behind them all it passes bytes on to a port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for answer in answers:
                heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                writer.write(answer)
                await writer.drain()
            if onward:
                there, back = await asyncio.open_connection("127.0.0.1", onward)
                await asyncio.gather(_pass(reader, back), _pass(there, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return serve


async def _pass(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    while piece := await source.read(1 << 16):
        to.write(piece)
    to.close()


def send(base: str, key: str = "", tls: ssl.SSLContext | None = None) -> Request:
    """What becomes of a request."""
    over: list[Request] = []

    async def one() -> None:
        sender = Sender(Route(base, tls), key, over.append)
        sender.take(Order(0, time.monotonic(), 1, '{"a": 1}'))
        while not over:
            await asyncio.sleep(0.005)
        await sender.cut()

    uvloop.run(asyncio.wait_for(one(), 20))
    return over[0]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[0]))


def server_context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_directly() -> None:
    heads: list[str] = []
    with serving(heads_of([ANSWER], heads)) as port:
        found = send(f"http://127.0.0.1:{port}", "secret")
    assert found.ok and found.usage and found.output_tokens == 1, found
    assert heads[0].startswith(f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n")
    assert "\r\nAuthorization: Bearer secret\r\n" in heads[0] and "\r\nContent-Length: 8\r\n" in heads[0]


def test_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[str] = []
    with serving(heads_of([ANSWER], heads)) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:p%40ss@127.0.0.1:{port}")
        assert send("http://engine.test:30000").ok
    assert heads[0].startswith(
        "POST http://engine.test:30000/v1/chat/completions HTTP/1.1\r\nHost: engine.test:30000\r\n"
    )
    assert "\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n" in heads[0]


def test_by_tls(certificate: tuple[Path, Path]) -> None:
    with serving(heads_of([ANSWER], []), server_context(certificate)) as port:
        base = f"https://127.0.0.1:{port}"
        assert send(base, tls=trusting(certificate)).ok
        assert "certificate verify failed" in send(base).error


def test_by_tls_through_a_proxy(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[str] = []
    with (
        serving(heads_of([ANSWER], heads), server_context(certificate)) as engine,
        serving(heads_of([TUNNEL], heads, onward=engine)) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:you@127.0.0.1:{proxy}")
        found = send("https://engine.test:443", "secret", trusting(certificate))
    assert found.ok, found
    assert heads[0].startswith("CONNECT engine.test:443 HTTP/1.1\r\n") and "secret" not in heads[0]
    assert "Proxy-Authorization" in heads[0] and "Proxy-Authorization" not in heads[1]


def test_a_proxy_that_makes_no_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(heads_of([b"HTTP/1.1 403 No\r\n\r\n"], [])) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy}")
        error = send("https://engine.test:443").error
    assert error == "Connection error: OSError: the proxy makes no tunnel: HTTP/1.1 403 No"


def test_a_key_that_the_server_echoes_is_not_told() -> None:
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 14\r\n\r\nno such secret"
    with serving(heads_of([refusal], [])) as port:
        assert send(f"http://127.0.0.1:{port}", "secret").error == "HTTP 401: no such ***"
