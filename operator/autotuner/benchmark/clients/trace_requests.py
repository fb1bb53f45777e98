"""From recorded requests to requests that are sent: texts for lengths and blocks, and what does not fit cut off."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any

from autotuner.benchmark.clients.prompts import TEMPLATE_TOKENS, marked_text
from autotuner.benchmark.traces.formats import BLOCK_TOKENS, RecordedRequest

_BLOCKS_KEPT = 4096


class TraceRequests:
    """Draws the requests of a level from a trace.

    Recorded lengths get texts of their own in each level. Recorded texts are dealt to the levels like cards, so that
    no two levels share one as long as there are enough.

    Args:
        sampler: makes texts.
        recorded: the trace.
        key: what texts are drawn from.
        level: the number of the level among those of this scenario.
        levels: their count.

    Attributes:
        different: how many recorded texts the level has before they repeat; None where texts are drawn.
    """

    def __init__(
        self, sampler: Any, recorded: Sequence[RecordedRequest], key: Hashable, level: int = 0, levels: int = 1
    ) -> None:
        self._sampler, self._recorded, self._key = sampler, recorded, key
        # Lengths alone get texts that no other level has.
        has_text = bool(recorded[0].prompt or recorded[0].messages)
        self._level, self._levels = (level, levels) if has_text else (0, 1)
        own = len(range(self._level, len(recorded), self._levels)) or len(recorded)
        self.different = own if has_text else None
        self._block = lru_cache(maxsize=_BLOCKS_KEPT)(self._draw_block)

    def __call__(self, k: int) -> Any:
        """Draw the k-th request of the level."""
        one = self._recorded[place(k, len(self._recorded), self._level, self._levels)]
        if one.messages:
            request = self._sampler.chat_request("", 0, one.output_tokens)
            request.additional_request_params = {**one.more, "messages": list(one.messages)}
            return request
        if one.prompt:
            return self._sampler.chat_request(one.prompt, None, max(1, self._sampler.count(one.answer)))
        return self._sampler.chat_request(self._text(one, k), one.input_tokens, one.output_tokens)

    def _text(self, one: RecordedRequest, k: int) -> str:
        """A prompt of the recorded length, whose blocks are those of every other prompt with the same ids."""
        pieces, left = [], one.input_tokens
        for block in one.blocks:
            if left <= 0:
                break
            pieces.append(self._block(block, min(left, BLOCK_TOKENS)))
            left -= BLOCK_TOKENS
        if left > 0:
            pieces.append(marked_text(self._sampler, left, self._key, k))
        return "".join(pieces)

    def _draw_block(self, block: str, tokens: int) -> str:
        return marked_text(self._sampler, tokens, self._key, ("block", block))


def place(k: int, count: int, level: int, levels: int) -> int:
    """Which recorded request is the k-th of a level: dealt in turns, from the beginning again when all are used."""
    own = len(range(level, count, levels))
    return level + (k % own) * levels if own else k % count


def clip(sampler: Any, request: Any, context: int) -> bool:
    """Cut a request to a context of so many tokens; whether it was too long. Messages stay as they are."""
    if "messages" in request.additional_request_params:
        return False
    room = context - TEMPLATE_TOKENS
    if request.num_prefill_tokens + request.max_tokens <= room or room < 2:
        return False
    request.max_tokens = min(request.max_tokens, max(1, room // 2))
    most = room - request.max_tokens
    if request.num_prefill_tokens > most:
        request.prompt = sampler.cut(request.prompt, most)
        request.num_prefill_tokens = most
    return True
