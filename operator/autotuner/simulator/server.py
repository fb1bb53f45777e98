"""The HTTP face of the simulated engine."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from json import JSONDecodeError

from aiohttp import web

from autotuner.simulator import faults, openai_format
from autotuner.simulator.config import StartupError
from autotuner.simulator.flags import EngineSettings
from autotuner.simulator.metrics import Lateness, exposition
from autotuner.simulator.realtime_driver import EXACT_SECONDS, Driver, Job
from autotuner.simulator.scheduler import Sequence, SimulatedEngine

log = logging.getLogger("simulator")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BODY_LIMIT = 64 * 2**20
STATS_SECONDS = 10.0
CUDA_ERROR = (
    "torch.AcceleratorError: CUDA error: an illegal memory access was encountered",
    "Scheduler hit an exception: the engine cannot go on.",
)


class Server:
    """One engine behind an address: its schedulers, its drivers, what it answers."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.lateness = Lateness()
        self.engines: list[SimulatedEngine] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._drivers: list[Driver] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._random = random.Random(settings.seed)
        self._accepted = self._running = 0
        self._finished = 0

    async def start(self) -> None:
        """Load: take the start-up time, check the memory, and begin to step.

        Raises:
            StartupError: The engine cannot start; in its own words.
        """
        settings, config = self.settings, self.settings.config
        log.info("Load weight begin. model=%s gpu=%s x %d", config.model.name, config.gpu.name, config.gpu_count)
        await asyncio.sleep(settings.startup_seconds / 2)
        _fail_at_start(settings)
        self.engines = [SimulatedEngine(config, f"{settings.seed}/{index}") for index in range(config.engines)]
        memory = self.engines[0].memory
        log.info("KV Cache is allocated. #tokens: %d, size: %.2f GB", memory.tokens, memory.cache)
        await asyncio.sleep(settings.startup_seconds / 2)
        if settings.fault.name == "hang":
            return
        exact = EXACT_SECONDS / len(self.engines)
        self._drivers = [Driver(engine, self.lateness, self._on_finish, exact) for engine in self.engines]
        for driver in self._drivers:
            task = asyncio.create_task(driver.run())
            task.add_done_callback(self._on_driver_end)
            self._tasks.append(task)
        self._tasks.append(asyncio.create_task(self._log_stats()))
        log.info(
            "max_total_num_tokens=%d, step_tokens=%d, max_running_requests=%d, context_len=%d, seed=%s",
            *(memory.tokens, config.step_tokens, config.max_running, config.context, settings.seed),
        )
        log.info("The server is fired up and ready to roll!")
        # A collection over everything loaded so far takes milliseconds, which would show as lateness.
        gc.collect()
        gc.freeze()

    async def live(self) -> None:
        """Start, then serve until something fails.

        Raises:
            StartupError: The engine cannot start, or was told to crash.
        """
        await self.start()
        await self._failed

    async def stop(self) -> None:
        """Stop stepping; requests in flight are cut."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=BODY_LIMIT, middlewares=[self._guard])
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._text)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/sim/lateness", self._read_lateness)
        app.router.add_delete("/sim/lateness", self._clear_lateness)
        app.router.add_route("*", "/flush_cache", self._flush)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nothing but metrics before the start; the API only with the key; errors in OpenAI's shape."""
        try:
            if not self._drivers and request.path != "/metrics":
                raise openai_format.RequestError("The server is starting.", 503)
            key = self.settings.api_key
            if key and request.path.startswith("/v1/") and request.headers.get("Authorization") != f"Bearer {key}":
                raise openai_format.RequestError("Unauthorized", 401)
            if self.settings.fault.name == "path-prefix" and request.path.startswith("/v1/"):
                raise openai_format.RequestError("Not Found", 404)
            return await handler(request)
        except openai_format.RequestError as error:
            return web.json_response(openai_format.error_body(str(error), error.status), status=error.status)

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _models(self, _: web.Request) -> web.Response:
        if self.settings.fault.name == "no-model-list":
            raise openai_format.RequestError("Internal Server Error", 500)
        return web.json_response(openai_format.model_list(self.settings.names, self.settings.config.context))

    async def _metrics(self, _: web.Request) -> web.Response:
        settings = self.settings
        return web.Response(
            text=exposition(settings.config.dialect, settings.served_name, self.engines, self.lateness),
            content_type="text/plain",
        )

    async def _read_lateness(self, _: web.Request) -> web.Response:
        return web.json_response(self.lateness.summary())

    async def _clear_lateness(self, _: web.Request) -> web.Response:
        self.lateness.clear()
        return web.Response(status=204)

    async def _flush(self, _: web.Request) -> web.Response:
        for engine in self.engines:
            engine.forget_prefixes()
        return web.Response(text="Cache flushed.\n")

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._complete(request, chat=True)

    async def _text(self, request: web.Request) -> web.StreamResponse:
        return await self._complete(request, chat=False)

    async def _complete(self, request: web.Request, chat: bool) -> web.StreamResponse:
        fault = self.settings.fault
        try:
            asked = openai_format.read_request(await request.json(), self.settings.names, chat)
        except (JSONDecodeError, UnicodeDecodeError) as error:
            raise openai_format.RequestError(f"the body is not JSON: {error}") from None
        if fault.name == "no-completion" or (fault.name == "error-rate" and self._random.random() < fault.number):
            raise openai_format.RequestError("Internal Server Error", 500)
        if fault.name == "stall-after-requests" and self._finished >= fault.number:
            await asyncio.Event().wait()
        output = max(1, asked.output // 2) if fault.name == "early-eos" else asked.output
        longest = self.engines[0].longest
        if len(asked.prompt) + output > longest:
            raise openai_format.RequestError(
                f"This model's maximum context length is {longest} tokens. However, you requested "
                f"{len(asked.prompt) + output} tokens ({len(asked.prompt)} in the messages, {output} in the "
                "completion)."
            )
        if fault.name == "shed-above" and self._running >= fault.number:
            raise openai_format.RequestError("too many requests, try again later", 429)
        answer = openai_format.Answer(asked, self.settings.served_name)
        self._running += 1
        try:
            return await (self._stream if asked.stream else self._whole)(request, answer, output)
        finally:
            self._running -= 1

    async def _stream(self, request: web.Request, answer: openai_format.Answer, output: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        # The driver writes framed chunks straight to the transport: one call per token, no task switch.
        if request.transport is not None:
            await self._run(answer, output, request.transport)
        if request.transport is not None and not request.transport.is_closing():
            await response.write_eof()
        return response

    async def _whole(self, _: web.Request, answer: openai_format.Answer, output: int) -> web.Response:
        await self._run(answer, output, None)
        return web.json_response(
            answer.whole(
                output, "stop" if output < answer.asked.output else "length", self.settings.fault.name != "no-usage"
            )
        )

    async def _run(self, answer: openai_format.Answer, output: int, transport: asyncio.Transport | None) -> None:
        """Put a request into the next engine's queue and wait for its end."""
        prompt = answer.asked.prompt
        job = Job(
            answer,
            asyncio.get_running_loop().create_future(),
            transport,
            usage=self.settings.fault.name != "no-usage",
            finish="stop" if output < answer.asked.output else "length",
        )
        config = self.settings.config
        blocks = openai_format.prefix_blocks(prompt, config.prefix_block) if config.prefix_cache else ()
        sequence = Sequence(len(prompt), output, blocks, job)
        driver = self._drivers[self._accepted % len(self._drivers)]
        self._accepted += 1
        driver.submit(sequence)
        try:
            await job.done
        except asyncio.CancelledError:
            driver.engine.abort(sequence)
            raise

    def _on_finish(self) -> None:
        self._finished += 1
        fault = self.settings.fault
        if fault.name == "crash-after-requests" and self._finished >= fault.number and not self._failed.done():
            self._failed.set_exception(StartupError(*CUDA_ERROR))

    def _on_driver_end(self, task: asyncio.Task[None]) -> None:
        """A driver never ends by itself: what stopped it stops the server."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _log_stats(self) -> None:
        """One line in ten seconds while there is work."""
        before = 0
        while True:
            await asyncio.sleep(STATS_SECONDS)
            output = sum(engine.counters.output_tokens for engine in self.engines)
            if output != before:
                log.info(
                    "Decode batch. #running-req: %d, token usage: %.2f, gen throughput (token/s): %.2f, #queue-req: %d",
                    sum(len(engine.running) for engine in self.engines),
                    self.engines[0].used_tokens / self.engines[0].capacity,
                    (output - before) / STATS_SECONDS,
                    sum(len(engine.waiting) for engine in self.engines),
                )
            before = output


def _fail_at_start(settings: EngineSettings) -> None:
    """The faults that end an engine while it loads."""
    name, config = settings.fault.name, settings.config
    if name == "crash-at-start":
        raise StartupError(*CUDA_ERROR)
    if name == "out-of-memory":
        raise StartupError(
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
            f"{config.memory_gib:.2f} GiB of which 1.02 GiB is free."
        )
    if name == "model-missing":
        raise faults.model_missing(config.dialect, settings.model_path)


async def serve(settings: EngineSettings) -> int:
    """Serve until SIGTERM or SIGINT (0) or until the engine fails (its exit code)."""
    loop = asyncio.get_running_loop()
    server = Server(settings)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    runner = web.AppRunner(server.application(), access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
    except OSError as error:
        log.error("%s", error)
        return 1
    log.info("Listening on http://%s:%d, pid %d", *runner.addresses[0][:2], os.getpid())
    life = asyncio.create_task(server.live())
    stop = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
        if life.done():
            life.result()
        return 0
    except StartupError as error:
        if settings.config.dialect == "vllm":  # ends with a traceback as Python writes it
            sys.stderr.write("\n".join(error.lines) + "\n")
            return error.exit_code
        for line in error.lines:
            log.error("%s", line)
        return error.exit_code
    finally:
        life.cancel()
        stop.cancel()
        await server.stop()
        await runner.cleanup()
