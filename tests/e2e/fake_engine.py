"""An engine that remembers what it was sent and can be told to misbehave; the simulated engine does neither."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Fault = Literal["none", "errors", "sheds", "refuses", "no usage", "short", "hang", "no completion"]


@dataclass
class FakeEngine:
    """Answers after `ttft` seconds, then a token every `tpot`; misbehaves from streamed request `fault_after` on."""

    fault: Fault = "none"
    fault_after: int = 0
    ttft: float = 0.03
    tpot: float = 0.004
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    port: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def streamed(self) -> list[dict[str, Any]]:
        """What genai-bench sent, warm-up first."""
        return [body for body in self.requests if body.get("stream")]

    def stop(self) -> None:
        """Cut every connection and refuse new ones, as a process that dies does."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/v1/models", self._models)
        application.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(application, shutdown_timeout=0.01, handler_cancellation=True, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _models(self, request: web.Request) -> web.Response:
        self.keys.add(request.headers.get("Authorization"))
        return web.json_response({"data": [{"id": "model"}]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.keys.add(request.headers.get("Authorization"))
        self.hosts.add(request.headers["Host"])
        if self.fault == "no completion":
            return web.json_response({"error": "no such route"}, status=404)
        if not body.get("stream"):
            return web.json_response({"choices": [{"message": {"content": "yes"}}]})
        number = len(self.streamed)
        fault = self.fault if number > self.fault_after else "none"
        if fault == "errors" and number % 10 < 3:
            return web.json_response({"error": f"busy, {request.headers.get('Authorization')}"}, status=500)
        if fault in ("sheds", "refuses"):
            status, words = (
                (429, "too many requests") if fault == "sheds" else (400, "maximum context length is 64 tokens")
            )
            return web.json_response({"error": words}, status=status)
        if fault == "hang":
            await asyncio.sleep(3600)
        return await self._stream(request, body, fault)

    async def _stream(self, request: web.Request, body: dict[str, Any], fault: Fault) -> web.StreamResponse:
        tokens = 2 if fault == "short" else body["max_tokens"]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        start = asyncio.get_running_loop().time() + self.ttft
        for number in range(tokens):
            await asyncio.sleep(start + number * self.tpot - asyncio.get_running_loop().time())
            last = "length" if number == tokens - 1 else None
            await _send(response, {"choices": [{"delta": {"content": "a"}, "finish_reason": last}]})
        usage = {"prompt_tokens": len(body["messages"][0]["content"]), "completion_tokens": tokens}
        if fault != "no usage":
            await _send(response, {"choices": [], "usage": usage})
        await response.write(b"data: [DONE]\n\n")
        return response


async def _send(response: web.StreamResponse, chunk: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")


@contextmanager
def fake_engine(**behaviour: Any) -> Iterator[FakeEngine]:
    """A running one, on a port of its own."""
    engine = FakeEngine(**behaviour)
    loop = engine._loop
    # Clients that are cut off are what these tests are about.
    loop.set_exception_handler(lambda *_: None)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(engine.start(), loop).result(10)
        yield engine
    finally:
        engine.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def prompts(requests: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Text and asked length of each, in the order sent."""
    return [(body["messages"][0]["content"], body["max_tokens"]) for body in requests]


def heads(requests: list[dict[str, Any]]) -> list[str]:
    """The first characters of each prompt: what a prefix cache sees first."""
    return ["".join(itertools.islice(text, 8)) for text, _ in prompts(requests)]
