"""The scheduler of a continuous-batching engine, in discrete steps, without a clock and without I/O.

`begin` composes the next step and says how long it takes, `finish` applies it. The caller decides what time means: the
server sleeps until the step's deadline, the virtual client just adds. Between the two new requests may be submitted;
the next step sees them.

A decode step costs O(1), whatever the batch: sequences are kept in the order of the decode round in which they end.
"""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import heappop, heappush
from typing import Any

from autotuner.simulator.config import EngineConfig
from autotuner.simulator.costs import step_costs
from autotuner.simulator.memory import plan

LPM_LIMIT = 128
OUTPUT_CLIP = 4096


@dataclass(slots=True, eq=False)
class Sequence:
    """One request inside the engine; `blocks` are hashes of its prompt's leading blocks of `prefix_block` tokens."""

    prompt: int
    output: int
    blocks: tuple[int, ...] = ()
    handle: Any = None
    generated: int = 0
    computed: int = 0
    cached: int = 0
    last_round: int = -1
    aborted: bool = False

    @property
    def target(self) -> int:
        """Tokens to compute before the next output token: the prompt, and after a preemption the output so far."""
        return self.prompt + self.generated


@dataclass(slots=True)
class Step:
    """One step: `decoding` says that each running sequence gets a token, `completing` get theirs from their prompt."""

    duration: float
    decoding: bool
    completing: list[Sequence] = field(default_factory=list)
    prompt: int = 0


@dataclass(slots=True)
class Counters:
    """Totals since the start, in requests and tokens."""

    finished: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    preemptions: int = 0
    steps: int = 0


@lru_cache(maxsize=64)
def _noise(seed: str, noise: float) -> tuple[float, ...]:
    """Factors of a run's steps: one log-normal factor for the run, one for each step (repeated after 1021)."""
    generator = random.Random(seed)
    run = generator.lognormvariate(0.0, noise)
    return tuple(run * generator.lognormvariate(0.0, 3 * noise) for _ in range(1021))


class SimulatedEngine:
    """One scheduler with its share of the GPUs.

    Raises:
        StartupError: The configuration does not fit into the GPU.
    """

    def __init__(self, config: EngineConfig, seed: str = "") -> None:
        self.config = config
        self.memory = plan(config)
        self.capacity = self.memory.tokens
        self.running: dict[Sequence, None] = {}
        self.waiting: deque[Sequence] = deque()
        self.counters = Counters()
        self._costs = step_costs(config)
        self._factors = _noise(seed, config.noise) if config.noise else (1.0,)
        self._random = random.Random(seed)
        self._partial: Sequence | None = None
        self._round = 0
        self._ends: list[tuple[int, int, Sequence]] = []
        self._order = 0
        self._tokens = 0
        self._remaining = 0
        self._prefixes: OrderedDict[int, None] = OrderedDict()

    @property
    def used_tokens(self) -> int:
        """Tokens that running and started sequences hold in the cache, rounded up to blocks on average."""
        return self._tokens + len(self.running) * (self.config.block - 1) // 2

    @property
    def longest(self) -> int:
        """Longest sequence, prompt and output together, that can ever be served."""
        return min(self.config.context, self.capacity - self.config.block)

    def submit(self, sequence: Sequence) -> None:
        """Queue a request; its prompt and output must be positive and fit into `longest`."""
        self.waiting.append(sequence)

    def abort(self, sequence: Sequence) -> None:
        """Forget a request whose client is gone."""
        sequence.aborted = True
        if sequence in self.running:
            self._leave(sequence)
        elif sequence is self._partial:
            self._tokens -= sequence.computed
            self._partial = None
        elif sequence in self.waiting:
            self.waiting.remove(sequence)

    def forget_prefixes(self) -> None:
        """Empty the prefix cache."""
        self._prefixes.clear()

    def begin(self) -> Step | None:
        """Compose the next step; None if there is nothing to do."""
        config = self.config
        # A lone sequence always fits: `longest` bounds it.
        while len(self.running) > 1 and self.used_tokens + len(self.running) > self.capacity:
            self._preempt()
        decoding = len(self.running)
        if self._partial is not None or self.waiting:
            budget = config.step_tokens - (decoding if config.mixed else 0)
            prompt, attended, completing = self._prompts(budget)
            if prompt:
                return self._step(prompt, attended, completing, decoding=config.mixed and decoding > 0)
        return self._step(0, 0.0, [], decoding=True) if decoding else None

    def finish(self, step: Step) -> list[Sequence]:
        """Apply a step: every decoding sequence grows by a token; returns those that are done."""
        counters = self.counters
        counters.steps += 1
        done: list[Sequence] = []
        if step.decoding and self.running:
            count = len(self.running)
            self._round += 1
            self._tokens += count
            self._remaining -= count
            counters.output_tokens += count
            ends = self._ends
            while ends and ends[0][0] <= self._round:
                last, _, sequence = heappop(ends)
                if sequence.last_round == last and sequence in self.running:
                    self._leave(sequence)
                    done.append(sequence)
        for sequence in step.completing:
            if sequence.aborted:
                self._tokens -= sequence.computed
            else:
                self._join(sequence, done)
        for sequence in done:
            sequence.generated = sequence.output
            counters.finished += 1
            self._remember(sequence)
        return done

    def _step(self, prompt: int, attended: float, completing: list[Sequence], decoding: bool) -> Step:
        sequences = len(self.running) if decoding else 0
        duration = self._costs.step(
            prompt, attended, sequences, self._tokens if decoding else 0, min(len(self.waiting), LPM_LIMIT)
        )
        return Step(duration * self._factors[self.counters.steps % len(self._factors)], decoding, completing, prompt)

    def _prompts(self, budget: int) -> tuple[int, float, list[Sequence]]:
        """Fill a step with prompt tokens: the number, the sum of what they attend to, the prompts that end."""
        total, attended = 0, 0.0
        completing: list[Sequence] = []
        while total < budget:
            sequence = self._partial or self._admit(len(completing))
            if sequence is None:
                break
            missing = sequence.target - sequence.computed
            take = min(missing, budget - total)
            if take < missing and not self.config.chunked:
                if total:
                    self._postpone(sequence)
                    break
                take = missing
            attended += take * (sequence.computed + take / 2)
            total += take
            sequence.computed += take
            self._tokens += take
            self._partial = sequence if take < missing else None
            if take == missing:
                completing.append(sequence)
        return total, attended, completing

    def _admit(self, joining: int) -> Sequence | None:
        """Take the next request from the queue if there is a free place and room in the cache for it."""
        if not self.waiting or len(self.running) + joining >= self.config.max_running:
            return None
        sequence = self._next()
        cached = self._cached(sequence)
        # Room for one token of every running sequence, or a preempted one would come back at once.
        need = sequence.target - cached + self.config.block + len(self.running)
        if self.config.reserve:
            need += min(sequence.output - sequence.generated, OUTPUT_CLIP) + int(self.config.reserve * self._remaining)
        busy = self.running or joining
        if busy and self.used_tokens + cached + need > self.capacity:
            return None
        self.waiting.remove(sequence)
        sequence.cached = sequence.computed = cached
        self._tokens += cached
        self.counters.prompt_tokens += sequence.prompt
        self.counters.cached_tokens += cached
        return sequence

    def _next(self) -> Sequence:
        """The request that the policy prefers; ties go to the one that came first."""
        policy, waiting = self.config.policy, self.waiting
        if len(waiting) == 1 or len(waiting) > LPM_LIMIT:
            return waiting[0]
        if policy in ("lpm", "dfs-weight") and self._prefixes:
            return max(waiting, key=self._cached)
        if policy == "lof":
            return max(waiting, key=lambda sequence: sequence.output)
        if policy == "random":
            return waiting[self._random.randrange(len(waiting))]
        return waiting[0]

    def _postpone(self, sequence: Sequence) -> None:
        self._tokens -= sequence.computed
        self.counters.prompt_tokens -= sequence.prompt
        self.counters.cached_tokens -= sequence.cached
        sequence.computed = 0
        self.waiting.appendleft(sequence)

    def _join(self, sequence: Sequence, done: list[Sequence]) -> None:
        """A prompt has been computed: its token comes with the same step, the rest one by one in later rounds."""
        sequence.generated += 1
        self.counters.output_tokens += 1
        left = sequence.output - sequence.generated
        if left <= 0:
            self._tokens -= sequence.computed
            done.append(sequence)
            return
        self._tokens += 1
        sequence.last_round = self._round + left
        self.running[sequence] = None
        self._remaining += left
        self._order += 1
        heappush(self._ends, (sequence.last_round, self._order, sequence))

    def _leave(self, sequence: Sequence) -> None:
        """Take a running sequence out and free its cache."""
        left = sequence.last_round - self._round
        del self.running[sequence]
        sequence.generated = sequence.output - left
        self._remaining -= left
        self._tokens -= sequence.prompt + sequence.generated

    def _preempt(self) -> None:
        """Send the youngest sequence back to the queue: its cache is dropped and computed again."""
        sequence = next(reversed(self.running))
        self._leave(sequence)
        sequence.last_round = -1
        sequence.computed = 0
        self.counters.preemptions += 1
        self.waiting.appendleft(sequence)

    def _cached(self, sequence: Sequence) -> int:
        """Leading prompt tokens found in the prefix cache; the last token is always computed."""
        if not self._prefixes:
            return 0
        count = 0
        for block in sequence.blocks:
            if block not in self._prefixes:
                break
            self._prefixes.move_to_end(block)
            count += 1
        return min(count * self.config.prefix_block, sequence.prompt - 1)

    def _remember(self, sequence: Sequence) -> None:
        """Keep a finished prompt's blocks in what room the cache has, dropping the least recently used ones."""
        if not self.config.prefix_cache:
            return
        for block in sequence.blocks:
            self._prefixes[block] = None
            self._prefixes.move_to_end(block)
        room = max(0, self.capacity - self.used_tokens) // self.config.prefix_block
        while len(self._prefixes) > room:
            self._prefixes.popitem(last=False)
