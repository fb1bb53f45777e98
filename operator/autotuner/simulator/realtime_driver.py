"""Drives the model in real time: each step's tokens are written at the model's own time.

Deadlines are absolute: a step begins when the last one was due, not when it was written, so delays of this process or
of its machine never add up in the model's clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from autotuner.simulator.metrics import Lateness
from autotuner.simulator.openai_format import Answer
from autotuner.simulator.scheduler import Sequence, SimulatedEngine, Step

# The event loop's timers are a millisecond coarse, and reading a request takes another: so the end of each step is
# slept exactly, blocking the loop. What arrives meanwhile would not be seen before the next step anyway.
EXACT_SECONDS = 0.0025


@dataclass(slots=True, eq=False)
class Job:
    """One request in flight: where its tokens go, and the future that ends with it."""

    answer: Answer
    done: asyncio.Future[None]
    transport: asyncio.Transport | None
    usage: bool
    finish: str = "length"
    written: int = 0

    def write(self, sequence: Sequence) -> bool:
        """Write the token that the sequence just got and say whether it was the last; a gone client ends the job."""
        index = self.written
        self.written += 1
        last = self.written >= sequence.output
        transport = self.transport
        if transport is None:
            return last
        if transport.is_closing():
            self.end()
        elif last:
            transport.write(self.answer.last(index, self.finish, self.usage))
        else:
            transport.write(self.answer.first() if index == 0 else self.answer.token(index))
        return last

    def end(self) -> None:
        """Let the handler go on."""
        if not self.done.done():
            self.done.set_result(None)


class Driver:
    """Runs one engine in real time."""

    def __init__(
        self, engine: SimulatedEngine, lateness: Lateness, on_finish: Callable[[], None], exact: float = EXACT_SECONDS
    ) -> None:
        self.engine = engine
        self._exact = exact
        self._lateness = lateness
        self._on_finish = on_finish
        self._arrived = asyncio.Event()

    def submit(self, sequence: Sequence) -> None:
        """Queue a request."""
        self.engine.submit(sequence)
        self._arrived.set()

    async def run(self) -> None:
        """Step for ever."""
        clock = time.monotonic()
        while True:
            step = self.engine.begin()
            if step is None:
                self._arrived.clear()
                await self._arrived.wait()
                clock = time.monotonic()
                continue
            clock += step.duration
            await _sleep_until(clock, self._exact)
            self._deliver(step, clock)

    def _deliver(self, step: Step, due: float) -> None:
        """Write the step's tokens, then tell the engine."""
        if step.decoding:
            for sequence in list(self.engine.running):
                self._write(sequence, due)
        for sequence in step.completing:
            if not sequence.aborted:
                self._write(sequence, due)
        self._lateness.step.append(time.monotonic() - due)
        for sequence in self.engine.finish(step):
            sequence.handle.end()
            self._on_finish()

    def _write(self, sequence: Sequence, due: float) -> None:
        job: Job = sequence.handle
        last = job.write(sequence)
        if job.done.done():
            self.engine.abort(sequence)
        elif last:
            self._lateness.last_chunk.append(time.monotonic() - due)


async def _sleep_until(due: float, exact: float) -> None:
    remaining = due - time.monotonic()
    # Also when late: requests and closed connections must get their turn.
    await asyncio.sleep(max(0.0, remaining - exact))
    remaining = due - time.monotonic()
    if remaining > 0:
        time.sleep(remaining)
