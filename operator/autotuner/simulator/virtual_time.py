"""The model in virtual time: a closed loop of users as genai-bench runs it, without a server."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from heapq import heappop, heappush

from autotuner.simulator.config import EngineConfig
from autotuner.simulator.scheduler import Sequence, SimulatedEngine, Step


@dataclass(frozen=True, slots=True)
class Workload:
    """Request shapes in genai-bench's notation: D(in,out), N(mean,sd)/(mean,sd), U(min,max)/(min,max), U(in,out)."""

    kind: str
    prompt: tuple[int, int]
    output: tuple[int, int]

    @classmethod
    def parse(cls, text: str) -> Workload:
        """Read a scenario.

        Raises:
            ValueError: Not one of the three forms.
        """
        if match := re.fullmatch(r"D\((\d+),(\d+)\)", text):
            prompt, output = (int(group) for group in match.groups())
            return cls("D", (prompt, 0), (output, 0))
        if match := re.fullmatch(r"U\((\d+),(\d+)\)", text):
            prompt, output = (int(group) for group in match.groups())
            return cls("U", (1, prompt), (1, output))
        if match := re.fullmatch(r"([NU])\((\d+),(\d+)\)/\((\d+),(\d+)\)", text):
            a, b, c, d = (int(group) for group in match.groups()[1:])
            return cls(match.group(1), (a, b), (c, d))
        raise ValueError(f"not a scenario of the form D(..), N(..)/(..) or U(..)/(..): {text}")

    def sample(self, generator: random.Random) -> tuple[int, int]:
        """Draw the prompt and output tokens of one request."""
        return self._draw(generator, self.prompt, 1), self._draw(generator, self.output, 2)

    def _draw(self, generator: random.Random, bounds: tuple[int, int], least: int) -> int:
        if self.kind == "D":
            return bounds[0]
        if self.kind == "U":
            return max(least, int(generator.uniform(*bounds)))
        return max(least, int(generator.gauss(*bounds)))


@dataclass(frozen=True, slots=True)
class Client:
    """The client's own share in what it measures, in seconds.

    Attributes:
        gap: One thread builds prompts and opens connections for all users: each request occupies it this long.
        latency: From the send to the engine's queue, and from the engine's write to the read, together.
    """

    gap: float = 0.0
    latency: float = 0.0


@dataclass(frozen=True, slots=True)
class Timing:
    """What the client sees of one request: seconds since the start of the level, and tokens."""

    start: float
    first_token: float
    end: float
    prompt_tokens: int
    output_tokens: int

    @property
    def ttft(self) -> float:
        """Time to the first token."""
        return self.first_token - self.start

    @property
    def latency(self) -> float:
        """Time to the last token."""
        return self.end - self.start

    @property
    def tpot(self) -> float | None:
        """Mean time per output token after the first; None for a single token."""
        return (self.end - self.first_token) / (self.output_tokens - 1) if self.output_tokens > 1 else None


class _Loop:
    """One level: users, engines, and the events between them."""

    def __init__(
        self, config: EngineConfig, workload: Workload, seed: str, level: int, client: Client, common: int
    ) -> None:
        self.engines = [SimulatedEngine(config, f"{seed}/{index}") for index in range(config.engines)]
        self.steps: list[tuple[float, Step] | None] = [None] * config.engines
        self.timings: list[Timing] = []
        self._workload = workload
        self._blocks = tuple(range(common // config.prefix_block)) if config.prefix_cache else ()
        self._client = client
        self._generator = random.Random(f"{seed}/{level}/requests")
        self._client_free = 0.0
        self._sent = 0
        self._first: dict[Sequence, float] = {}
        self.arrivals: list[tuple[float, int, float, Sequence]] = []

    def send(self, now: float) -> None:
        """One user sends its next request."""
        start = self._client_free = max(self._client_free, now) + self._client.gap
        prompt, output = self._workload.sample(self._generator)
        if prompt + output > self.engines[0].longest:
            raise ValueError(f"a request of {prompt + output} tokens; this engine holds {self.engines[0].longest}")
        self._sent += 1
        sequence = Sequence(prompt, output, self._blocks, handle=start)
        heappush(self.arrivals, (start + self._client.latency, self._sent, start, sequence))

    def arrive(self) -> None:
        """The next request reaches its engine; an idle engine starts at once."""
        now, number, _, sequence = heappop(self.arrivals)
        index = number % len(self.engines)
        self.engines[index].submit(sequence)
        if self.steps[index] is None:
            self.plan(index, now)

    def plan(self, index: int, now: float) -> None:
        """Compose the next step of an engine."""
        step = self.engines[index].begin()
        self.steps[index] = None if step is None else (now + step.duration, step)

    def advance(self, index: int, now: float, step: Step) -> None:
        """Finish a step: note first and last tokens, let users whose request is done send the next one."""
        for sequence in step.completing:
            self._first.setdefault(sequence, now)
        for sequence in self.engines[index].finish(step):
            first = self._first.pop(sequence)
            self.timings.append(Timing(sequence.handle, first, now, sequence.prompt, sequence.output))
            self.send(now)
        self.plan(index, now)


def simulate(
    config: EngineConfig,
    workload: Workload,
    concurrency: int,
    requests: int = 200,
    seed: str = "0",
    client: Client | None = None,
    common: int = 0,
) -> list[Timing]:
    """Run one level in virtual time until `requests` requests are done.

    Args:
        config: The engine.
        workload: Shapes of the requests.
        concurrency: Users; each sends its next request when the last one ended.
        requests: Requests to finish.
        seed: Decides the engine's noise (equal for every level of a run) and the shapes (different at each level).
        client: The client's own delays; none by default.
        common: Leading tokens that all prompts share.

    Returns:
        Timings in the order of completion; those of the start include the ramp.

    Raises:
        StartupError: The engine does not fit into the GPU.
        ValueError: A request is longer than the engine can serve.
    """
    loop = _Loop(config, workload, seed, concurrency, client or Client(), common)
    for _ in range(concurrency):
        loop.send(0.0)
    while len(loop.timings) < requests:
        index, next_step = _earliest(loop.steps)
        if next_step is None or (loop.arrivals and loop.arrivals[0][0] < next_step[0]):
            loop.arrive()
        else:
            loop.advance(index, *next_step)
    return loop.timings


def _earliest(steps: list[tuple[float, Step] | None]) -> tuple[int, tuple[float, Step] | None]:
    """The engine whose step ends first."""
    if len(steps) == 1:
        return 0, steps[0]
    busy = [(step[0], index) for index, step in enumerate(steps) if step is not None]
    if not busy:
        return 0, None
    index = min(busy)[1]
    return index, steps[index]
