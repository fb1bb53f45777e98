"""Prompts that are equal in every run with the same seed, and shared by no two requests of one run.

genai-bench draws prompts from Python's and numpy's global random numbers, in whatever order its users come to ask. Here
the k-th prompt of a level is drawn after seeding both with (seed, block, scenario, concurrency, k): it is the same in
every experiment, whoever asks for it. Each begins with a mark of its own, so that the engine's prefix cache finds
nothing, which with 84 built-in lines of text it otherwise would.
"""

from __future__ import annotations

import hashlib
import random
from bisect import bisect
from collections.abc import Callable, Hashable
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from autotuner.api.traffic_scenarios import Prefix

# More than this per level is drawn when it is needed: memory is finite, maxRequestsPerLevel hardly.
MOST_DRAWN_AHEAD = 2000


Draw = Callable[[int], Any]
"""Draws the k-th request of a stream, of genai-bench's type UserChatRequest."""
# Between a prompt and an engine's limit: what a chat template adds.
TEMPLATE_TOKENS = 64


class Prompts:
    """The requests of one stream (a level, or the warm-up), drawn ahead while there is time.

    Args:
        draw: the k-th one.
        expected: how many will be taken.
        clip: shortens one to a context of so many tokens, or leaves it; None: they fit.
        different: how many there are before they repeat; None: they never do.

    Attributes:
        clipped: how many were shortened.
        repeated: how many had been taken before.
    """

    def __init__(
        self,
        draw: Draw,
        expected: int,
        clip: Callable[[Any, int], bool] | None = None,
        different: int | None = None,
    ) -> None:
        self._draw, self._clip, self._different = draw, clip, different
        self._ahead = min(expected, MOST_DRAWN_AHEAD)
        self._drawn: dict[int, Any] = {}
        self._next_drawn = 0
        self._next_given = 0
        self.clipped = self.repeated = 0

    def draw_one_ahead(self) -> bool:
        """Draw one more request ahead of its use; False when enough are drawn."""
        k = max(self._next_drawn, self._next_given)
        if k >= self._ahead:
            return False
        self._drawn[k] = self._draw(k)
        self._next_drawn = k + 1
        return True

    def take(self, model: str, context: int = 0) -> Any:
        """The next request of the stream, for an engine that takes so many tokens; 0: nobody knows."""
        k = self._next_given
        self._next_given += 1
        return self.take_number(k, model, context)

    def take_number(self, k: int, model: str, context: int = 0) -> Any:
        """The k-th request of the stream."""
        request = self._drawn.pop(k, None) or self._draw(k)
        request.model = model
        self.repeated += self._different is not None and k >= self._different
        if context and self._clip is not None:
            self.clipped += self._clip(request, context)
        return request


class SyntheticRequests:
    """Draws requests of drawn lengths.

    Args:
        sampler: makes their text.
        shape: the distribution of lengths, as genai-bench has it.
        key: what all is drawn from.
        prefix: what prompts begin with alike.
        turns: of a session, whose first request alone has the prefix.
    """

    def __init__(self, sampler: Any, shape: Any, key: Hashable, prefix: Prefix | None = None, turns: int = 1) -> None:
        self._sampler, self._shape, self._key, self._prefix, self._turns = sampler, shape, key, prefix, turns
        self._shares = list(prefix_shares(key, prefix.groups)) if prefix else []
        # Distinct ones are kept, unless they are many and long.
        self._beginning = lru_cache(maxsize=1024)(self._draw_beginning)

    def __call__(self, k: int) -> Any:
        """Draw the k-th request."""
        beginning = ""
        if self._prefix and k % self._turns == 0:
            beginning = self._beginning(prefix_group(self._key, k, self._shares))
        mark = _mark(_seeded(self._key, k))
        request = self._sampler.sample_marked(self._shape, mark)
        if beginning and self._prefix:
            request.prompt = beginning + request.prompt
            request.num_prefill_tokens += self._prefix.tokens
        return request

    def _draw_beginning(self, group: int) -> str:
        assert self._prefix is not None, "asked only with one"
        return marked_text(self._sampler, self._prefix.tokens, self._key, ("prefix", group))


def prefix_shares(key: Hashable, groups: int) -> list[float]:
    """The cumulated shares of groups: weights are exponential, so that some are asked for far more than others."""
    draw = random.Random(_digest(key, "shares"))
    weights = list(accumulate(draw.expovariate(1.0) for _ in range(groups)))
    return [weight / weights[-1] for weight in weights]


def prefix_group(key: Hashable, k: int, shares: list[float]) -> int:
    """The group of the k-th request."""
    return min(bisect(shares, random.Random(_digest(key, ("group", k))).random()), len(shares) - 1)


def _digest(key: Hashable, what: Hashable) -> bytes:
    return hashlib.blake2s(repr((key, what)).encode()).digest()


def _seeded(key: Hashable, what: Hashable) -> bytes:
    """Seed both generators that genai-bench draws from."""
    digest = _digest(key, what)
    random.seed(digest)
    np.random.seed(int.from_bytes(digest[:4], "big"))
    return digest


def _mark(digest: bytes) -> str:
    return digest[4:8].hex() + " "


def marked_text(sampler: Any, tokens: int, key: Hashable, what: Hashable) -> str:
    """A text of so many tokens that is drawn from a key, and begins like no other."""
    return str(sampler.text(tokens, _mark(_seeded(key, what))))


class LineMemory:
    """A tokenizer that remembers how it encoded short texts: every prompt is made of the same few lines."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._lines: dict[tuple[str, bool], list[int]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """Token ids of a text, as the tokenizer itself encodes it."""
        if len(text) > 500:
            return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens))
        key = (text, add_special_tokens)
        if key not in self._lines:
            self._lines[key] = list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens))
        return self._lines[key]
