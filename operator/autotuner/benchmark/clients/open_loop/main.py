"""The load client of an open loop: sends requests by a schedule that is drawn before, whatever the engine does.

This process draws times and prompts and keeps records; worker processes send, so that nothing makes them late. The
prompts are those of the closed loop: the same text, lengths and tokenizer.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from bisect import bisect_right
from collections.abc import Hashable, Iterator
from typing import Any

from autotuner.benchmark.clients.environment import prepare_environment
from autotuner.benchmark.clients.import_stubs import leave_out
from autotuner.benchmark.clients.open_loop.arrivals import due_times
from autotuner.benchmark.clients.open_loop.level_record import LevelRecord
from autotuner.benchmark.clients.open_loop.orders import Order
from autotuner.benchmark.clients.open_loop.request_body import request_body
from autotuner.benchmark.clients.open_loop.workers import Workers
from autotuner.benchmark.clients.prompts import Prompts
from autotuner.benchmark.clients.told_to_runner import failure, loaded_tokenizer
from autotuner.benchmark.contract.connection import RunnerConnection
from autotuner.benchmark.contract.level_run import Request
from autotuner.benchmark.contract.messages import (
    FirstRequest,
    LevelRecorded,
    ReadyForLevel,
    WarmedUp,
)
from autotuner.benchmark.contract.spec import RunnerScenario, RunnerSpec, api_key, load_spec

WARMUPS = 4
# Output tokens of a warm-up request: compilation and graph capture happen in the first steps.
WARMUP_TOKENS = 8
LONGEST_WARMUP_SECONDS = 60.0
# From the command to the first moment of a level, in which its first orders reach the workers.
HEAD_START_SECONDS = 0.2
# Orders reach the workers so long before they are due: this process may be held up by prompts that long.
LEAD_SECONDS = 2.0
TICK_SECONDS = 0.05
# Between two looks at whether the engine keeps up.
SATURATION_SECONDS = 2.0
# Beyond its limit of requests a level sends on for the answers that take so long.
DRAWN_BEYOND_SECONDS = 10.0
# Where drawing takes more of a core than this, it is done before the level and not during it.
DRAWING_SHARE = 0.25
LONGEST_DRAWING_SECONDS = 60.0
NICENESS = 10


class OpenLoop:
    """One ladder of rates, under the runner's commands."""

    def __init__(self, spec: RunnerSpec, workers: Workers, sampler: Any, runner: RunnerConnection) -> None:
        self._spec, self._workers, self._runner = spec, workers, runner
        self._sampler = sampler
        warmup_scenario, warmup_rate = spec.planned[0]
        self._warmup = self._stream("warm-up", warmup_scenario, warmup_rate, WARMUPS)
        self._streams = {
            (scenario.name, rate): self._stream("level", scenario, rate, _expected(spec, rate))
            for scenario, rate in spec.planned
        }
        self._drawing_seconds, self._drawn = 0.0, 0

    def climb(self) -> None:
        """Run the levels that the runner wants."""
        model = ""
        scenarios = {scenario.name: scenario for scenario in self._spec.scenarios}
        for index in itertools.count():
            self._runner.send(ReadyForLevel(level=index))
            while not self._runner.commanded(0.0) and self._draw_one_ahead():
                pass
            command = self._runner.receive()
            scenario, rate = scenarios[command.scenario], command.offered
            level = (scenario.name, rate)
            if level not in self._streams:
                self._streams[level] = self._stream("level", scenario, rate, _expected(self._spec, rate))
            if not model:
                model = command.model
                self._warm_up(model)
            self._draw_before(self._streams[level], rate)
            self._run(index, scenario, rate, model)

    def _stream(self, purpose: str, scenario: RunnerScenario, rate: float, expected: int) -> Prompts:
        from genai_bench.scenarios import Scenario

        key = drawn_from(self._spec, purpose, scenario, rate)
        return Prompts(self._sampler, Scenario.from_string(scenario.load), key, expected)

    def _draw_one_ahead(self) -> bool:
        """Draw one more prompt ahead of its use; False when enough are drawn."""
        started = time.monotonic()
        for stream in (self._warmup, *self._streams.values()):
            if stream.draw_one_ahead():
                self._drawing_seconds += time.monotonic() - started
                self._drawn += 1
                return True
        return False

    def _draw_before(self, stream: Prompts, rate: float) -> None:
        """Draw what cannot be drawn beside the sending: it would take the CPU that keeps requests in time."""
        each = self._drawing_seconds / self._drawn if self._drawn else 0.0
        if not self._drawn or each * rate > DRAWING_SHARE:
            deadline = time.monotonic() + LONGEST_DRAWING_SECONDS
            while time.monotonic() < deadline and stream.draw_one_ahead():
                pass

    def _warm_up(self, model: str) -> None:
        """A few requests of the first level's shape, at once, that nobody counts."""
        started = time.monotonic()
        self._runner.send(FirstRequest(unix_seconds=time.time()))
        for number in range(WARMUPS):
            self._workers.send(self._order(number, started, self._warmup, model, WARMUP_TOKENS))
        over: list[Request] = []
        while len(over) < WARMUPS and time.monotonic() - started < LONGEST_WARMUP_SECONDS:
            over += self._workers.over(TICK_SECONDS)
        over += self._workers.cut()[0]
        bad = [request for request in over if not request.ok]
        error = f"{len(bad)} of {len(over)} failed: {bad[-1].error or 'no answer in time'}" if bad else ""
        self._runner.send(WarmedUp(seconds=time.monotonic() - started, error=error))

    def _run(self, index: int, scenario: RunnerScenario, rate: float, model: str) -> None:
        started = time.monotonic() + HEAD_START_SECONDS
        record = LevelRecord(index, scenario.name, rate, self._spec.max_requests_per_level, started)
        orders = self._orders(scenario, rate, model, started)
        order = next(orders)
        ends = started + 60 * self._spec.max_minutes_per_level
        looked = started
        due: list[float] = []
        while (now := time.monotonic()) < ends and not record.enough and not record.outage:
            if now - looked >= SATURATION_SECONDS:
                looked = now
                if record.saturates(due[: bisect_right(due, now - started)], now):
                    break
            if order.due < now + LEAD_SECONDS:
                self._workers.send(order)
                due.append(order.due - started)
                order = next(orders)
            # While there is more to send, nothing is waited for.
            for request in self._workers.over(0.0 if order.due < now + LEAD_SECONDS else TICK_SECONDS):
                record.add(request)
        requests, cpu_seconds = self._workers.cut()
        for request in requests:
            record.add(request)
        path = record.write(self._spec.work_dir, cpu_seconds)
        self._runner.send(LevelRecorded(path=path))

    def _orders(self, scenario: RunnerScenario, rate: float, model: str, started: float) -> Iterator[Order]:
        """The requests of a level without end, each written just before it is needed."""
        stream = self._streams[scenario.name, rate]
        times = due_times(self._spec.arrivals, rate, drawn_from(self._spec, "level", scenario, rate))
        for number, due in enumerate(times):
            yield self._order(number, started + due, stream, model)

    def _order(self, number: int, due: float, stream: Prompts, model: str, most: int = sys.maxsize) -> Order:
        request = stream.take(model)
        asked = min(request.max_tokens, most)
        body = request_body(model, request.prompt, asked, self._spec.request_params, self._spec.backend)
        return Order(number, due, asked, body)


def drawn_from(spec: RunnerSpec, purpose: str, scenario: RunnerScenario, rate: float) -> Hashable:
    """What times and prompts of a level, or of the warm-up, are drawn from: equal for all configurations of a task."""
    return (spec.seed, spec.block, purpose, scenario.name, scenario.load, "rate", rate)


def _expected(spec: RunnerSpec, rate: float) -> int:
    sent = min(spec.max_requests_per_level, rate * 60 * spec.max_minutes_per_level)
    return int(sent + rate * DRAWN_BEYOND_SECONDS) + 1


def main() -> None:
    """Run as the runner's load client, started with `client_command`."""
    runner = RunnerConnection.from_arguments(sys.argv[1:])
    spec = load_spec(os.environ)
    prepare_environment(spec)
    api_key(os.environ)
    # First of all: they load meanwhile, and know nothing of what the sampler's library does to sockets.
    workers = Workers(spec.processes)

    import locust  # noqa: F401 - gevent must patch sockets and locks before anything else is imported

    tokenizer = loaded_tokenizer(spec.tokenizer, runner)

    # After transformers, which looks at what is installed.
    leave_out()
    with failure(runner):
        # The CPU belongs to the workers while they send.
        with contextlib.suppress(OSError):
            os.nice(NICENESS)
        OpenLoop(spec, workers, _sampler(tokenizer), runner).climb()


def _sampler(tokenizer: Any) -> Any:
    """The closed loop's own prompts: its library's text, cut by this tokenizer."""
    from genai_bench.data.config import DatasetConfig
    from genai_bench.data.loaders.factory import DataLoaderFactory

    from autotuner.benchmark.clients.marked_sampler import MarkedSampler

    text = DataLoaderFactory.load_data_for_task("text-to-text", DatasetConfig.from_cli_args())
    return MarkedSampler(tokenizer, "model", "text", text)


if __name__ == "__main__":
    main()
