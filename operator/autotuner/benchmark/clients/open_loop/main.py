"""The load client of an open loop: sends requests by a schedule that is drawn before, whatever the engine does.

This process draws times and prompts and keeps records; worker processes send, so that nothing makes them late. The
prompts are those of the closed loop: the same text, lengths and tokenizer.
"""

from __future__ import annotations

import contextlib
import heapq
import math
import os
import sys
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from autotuner.benchmark.clients.environment import prepare_environment
from autotuner.benchmark.clients.import_stubs import leave_out
from autotuner.benchmark.clients.open_loop.arrivals import due_times
from autotuner.benchmark.clients.open_loop.level_record import LevelRecord
from autotuner.benchmark.clients.open_loop.orders import Order
from autotuner.benchmark.clients.open_loop.request_body import request_body
from autotuner.benchmark.clients.open_loop.sessions import Sessions
from autotuner.benchmark.clients.open_loop.workers import Workers
from autotuner.benchmark.clients.scenario_streams import ScenarioStreams
from autotuner.benchmark.clients.told_to_runner import failure, loaded_tokenizer, read_traces
from autotuner.benchmark.contract.connection import RunnerConnection
from autotuner.benchmark.contract.level_run import MIN_STEADY_SECONDS, Request
from autotuner.benchmark.contract.messages import (
    FirstRequest,
    LevelRecorded,
    ReadyForLevel,
    SkipLevel,
    WarmedUp,
)
from autotuner.benchmark.contract.spec import RunnerScenario, RunnerSpec, api_key, load_spec
from autotuner.benchmark.traces.trace_file import ReadTrace, rates

WARMUPS = 4
# Output tokens of a warm-up request: compilation and graph capture happen in the first steps.
WARMUP_TOKENS = 8
LONGEST_WARMUP_SECONDS = 60.0
# From the command to the first moment of a level, in which its first orders reach the workers.
HEAD_START_SECONDS = 0.2
# Orders reach the workers so long before they are due: this process may be held up by prompts that long.
LEAD_SECONDS = 2.0
TICK_SECONDS = 0.05
# Beyond its limit of requests a level sends on for the answers that take so long.
DRAWN_BEYOND_SECONDS = 10.0
# Where drawing takes more of a core than this, it is done before the level and not during it.
DRAWING_SHARE = 0.25
LONGEST_DRAWING_SECONDS = 60.0
NICENESS = 10


class OpenLoop:
    """One ladder of rates, or traces at their own times, under the runner's commands."""

    def __init__(
        self,
        spec: RunnerSpec,
        workers: Workers,
        streams: ScenarioStreams,
        traces: Mapping[str, ReadTrace],
        runner: RunnerConnection,
    ) -> None:
        self._spec, self._workers, self._runner = spec, workers, runner
        scenario, rate = spec.levels[0]
        self._warmup = streams.warm_up(drawn_from(spec, "warm-up", scenario, rate), WARMUPS)
        self._times = [own_times(spec, scenario, traces) for scenario, _ in spec.levels]
        self._streams = [
            streams.level(index, drawn_from(spec, "level", scenario, rate), self._expected(index, rate))
            for index, (scenario, rate) in enumerate(spec.levels)
        ]
        self._drawing_seconds, self._drawn = 0.0, 0
        self._model, self._context = "", 0

    def climb(self) -> None:
        """Run the levels that the runner wants."""
        for index, (scenario, rate) in enumerate(self._spec.levels):
            self._runner.send(ReadyForLevel(level=index))
            while not self._runner.commanded(0.0) and self._draw_one_ahead():
                pass
            command = self._runner.receive()
            if isinstance(command, SkipLevel):
                continue
            if not self._model:
                self._model, self._context = command.model, command.context
                self._warm_up()
            self._draw_before(index, rate)
            self._run(index, scenario, rate)

    def _expected(self, index: int, rate: float) -> int:
        times = self._times[index]
        return _expected(self._spec, rate) if times is None else len(times)

    def _draw_one_ahead(self) -> bool:
        """Draw one more prompt ahead of its use; False when enough are drawn."""
        started = time.monotonic()
        for stream in (self._warmup, *self._streams):
            if stream.draw_one_ahead():
                self._drawing_seconds += time.monotonic() - started
                self._drawn += 1
                return True
        return False

    def _draw_before(self, index: int, rate: float) -> None:
        """Draw what cannot be drawn beside the sending: it would take the CPU that keeps requests in time."""
        each = self._drawing_seconds / self._drawn if self._drawn else 0.0
        if not self._drawn or each * self._highest_rate(index, rate) > DRAWING_SHARE:
            deadline = time.monotonic() + LONGEST_DRAWING_SECONDS
            while time.monotonic() < deadline and self._streams[index].draw_one_ahead():
                pass

    def _highest_rate(self, index: int, rate: float) -> float:
        times = self._times[index]
        return rate if times is None else max(rates(times), default=float(len(times)))

    def _warm_up(self) -> None:
        """A few requests of the first level's shape, at once, that nobody counts."""
        started = time.monotonic()
        self._runner.send(FirstRequest(unix_seconds=time.time()))
        for number in range(WARMUPS):
            request = self._warmup.take(self._model)
            asked = min(request.max_tokens, WARMUP_TOKENS)
            self._workers.send(self._order(number, started, asked, request.prompt))
        over: list[Request] = []
        while len(over) < WARMUPS and time.monotonic() - started < LONGEST_WARMUP_SECONDS:
            over += self._workers.over(TICK_SECONDS)
        over += self._workers.cut()[0]
        bad = [request for request in over if not request.ok]
        error = f"{len(bad)} of {len(over)} failed: {bad[-1].error or 'no answer in time'}" if bad else ""
        self._runner.send(WarmedUp(seconds=time.monotonic() - started, error=error))

    def _run(self, index: int, scenario: RunnerScenario, rate: float) -> None:
        started = time.monotonic() + HEAD_START_SECONDS
        most = self._spec.max_requests_per_level
        record = LevelRecord(index, scenario.name, rate, most, started, scenario.turns)
        due = _Due(self._times[index], self._spec, scenario, rate, started)
        ends = started + 60 * self._spec.max_minutes_per_level
        sent = over = 0
        while (now := time.monotonic()) < ends and not record.outage and not (due.endless and record.enough):
            if due.next < now + LEAD_SECONDS:
                self._workers.send(self._drawn_order(index, *due.take(), due.sessions))
                sent += 1
            elif sent == over and due.over:
                break
            # While there is more to send, nothing is waited for.
            for request in self._workers.over(0.0 if due.next < now + LEAD_SECONDS else TICK_SECONDS):
                over += 1
                due.answered(request)
                record.add(replace(request, answer=""))
        requests, cpu_seconds = self._workers.cut()
        for request in requests:
            record.add(replace(request, answer=""))
        stream = self._streams[index]
        path = record.write(self._spec.work_dir, cpu_seconds, stream.clipped, stream.repeated, due.last)
        self._runner.send(LevelRecorded(path=path))

    def _drawn_order(self, index: int, number: int, due: float, sessions: Sessions | None) -> Order:
        """A request of a level, written just before it is needed."""
        request = self._streams[index].take_number(number, self._model, self._context)
        more = request.additional_request_params
        if sessions is not None:
            return self._order(number, due, request.max_tokens, sessions.messages(number, request.prompt), keep=True)
        if "messages" in more:
            params = {name: value for name, value in more.items() if name != "messages"}
            return self._order(number, due, request.max_tokens, more["messages"], params)
        return self._order(number, due, request.max_tokens, request.prompt)

    def _order(
        self,
        number: int,
        due: float,
        asked: int,
        prompt: str | list[dict[str, Any]],
        recorded: Mapping[str, Any] | None = None,
        keep: bool = False,
    ) -> Order:
        params = {**(recorded or {}), **self._spec.request_params}
        return Order(number, due, asked, request_body(self._model, prompt, asked, params, self._spec.backend), keep)


class _Due:
    """What is due when at a level: by a schedule or a trace, and the next turns of sessions.

    Attributes:
        endless: whether there are always more.
        last: when the last request of a trace is due, if that is late enough to tell a rate; else None.
        sessions: of the level, if it has such.
    """

    def __init__(
        self, times: Sequence[float] | None, spec: RunnerSpec, scenario: RunnerScenario, rate: float, started: float
    ) -> None:
        key = drawn_from(spec, "level", scenario, rate)
        self._turns = scenario.turns.count if scenario.turns else 1
        self.sessions = Sessions(scenario.turns, key) if scenario.turns else None
        self.endless = times is None
        firsts = due_times(spec.arrivals, rate / self._turns, key) if times is None else iter(times)
        self._firsts = ((number * self._turns, started + due) for number, due in enumerate(firsts))
        self._turns_due: list[tuple[float, int]] = []
        self._first = next(self._firsts, None)
        self.last = started + times[-1] if times and times[-1] >= MIN_STEADY_SECONDS else None

    @property
    def next(self) -> float:
        """When the next request is due; infinite if none is known."""
        turn = self._turns_due[0][0] if self._turns_due else math.inf
        return min(turn, self._first[1] if self._first else math.inf)

    @property
    def over(self) -> bool:
        """Whether nothing will be due any more, unless an answer is followed by a turn."""
        return self._first is None and not self._turns_due

    def take(self) -> tuple[int, float]:
        """The number of the request that is due next, and when."""
        if self._turns_due and (self._first is None or self._turns_due[0][0] <= self._first[1]):
            due, number = heapq.heappop(self._turns_due)
            return number, due
        assert self._first is not None, "asked only if something is due"
        found, self._first = self._first, next(self._firsts, None)
        return found

    def answered(self, request: Request) -> None:
        """Take in that a request is over: the next turn of its session may follow."""
        if self.sessions is not None and (turn := self.sessions.next_turn(request)):
            number, seconds = turn
            heapq.heappush(self._turns_due, (time.monotonic() + seconds, number))


def own_times(spec: RunnerSpec, scenario: RunnerScenario, traces: Mapping[str, ReadTrace]) -> list[float] | None:
    """The times of a trace at its own times, in seconds; None where a schedule is drawn."""
    if spec.rates is not None:
        return None
    return [one.at or 0.0 for one in traces[scenario.name].requests]


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
        sampler = _sampler(tokenizer)
        traces = read_traces(spec, sampler.count, runner)
        # The CPU belongs to the workers while they send.
        with contextlib.suppress(OSError):
            os.nice(NICENESS)
        OpenLoop(spec, workers, ScenarioStreams(spec, sampler, traces), traces, runner).climb()


def _sampler(tokenizer: Any) -> Any:
    """The closed loop's own prompts: its library's text, cut by this tokenizer."""
    from genai_bench.data.config import DatasetConfig
    from genai_bench.data.loaders.factory import DataLoaderFactory

    from autotuner.benchmark.clients.marked_sampler import MarkedSampler

    text = DataLoaderFactory.load_data_for_task("text-to-text", DatasetConfig.from_cli_args())
    return MarkedSampler(tokenizer, "model", "text", text)


if __name__ == "__main__":
    main()
