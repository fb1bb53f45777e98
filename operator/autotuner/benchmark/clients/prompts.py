"""Prompts that are equal in every run with the same seed, and shared by no two requests of one run.

genai-bench draws prompts from Python's and numpy's global random numbers, in whatever order its users come to ask. Here
the k-th prompt of a level is drawn after seeding both with (seed, block, scenario, concurrency, k): it is the same in
every experiment, whoever asks for it. Each begins with a mark of its own, so that the engine's prefix cache finds
nothing, which with 84 built-in lines of text it otherwise would.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Hashable
from typing import Any

import numpy as np

# More than this per level is drawn when it is needed: memory is finite, maxRequestsPerLevel hardly.
MOST_DRAWN_AHEAD = 2000


class Prompts:
    """The requests of one stream (a level, or the warm-up), drawn ahead while there is time."""

    def __init__(self, sampler: Any, scenario: Any, key: Hashable, expected: int) -> None:
        self._sampler = sampler
        self._scenario = scenario
        self._key = key
        self._ahead = min(expected, MOST_DRAWN_AHEAD)
        self._drawn: dict[int, Any] = {}
        self._next_drawn = 0
        self._next_given = 0

    def draw_one_ahead(self) -> bool:
        """Draw one more request ahead of its use; False when enough are drawn."""
        k = max(self._next_drawn, self._next_given)
        if k >= self._ahead:
            return False
        self._drawn[k] = self._draw(k)
        self._next_drawn = k + 1
        return True

    def take(self, model: str) -> Any:
        """The next request of the stream."""
        k = self._next_given
        self._next_given += 1
        request = self._drawn.pop(k, None) or self._draw(k)
        request.model = model
        return request

    def _draw(self, k: int) -> Any:
        digest = hashlib.blake2s(repr((self._key, k)).encode()).digest()
        random.seed(digest)
        np.random.seed(int.from_bytes(digest[:4], "big"))
        return self._sampler.sample_marked(self._scenario, digest[4:8].hex() + " ")


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
