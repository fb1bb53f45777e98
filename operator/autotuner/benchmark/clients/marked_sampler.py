"""genai-bench's sampler of text, with a mark at the beginning of each prompt. Importing genai-bench patches sockets."""

from __future__ import annotations

from typing import Any

from genai_bench.protocol import UserChatRequest
from genai_bench.sampling.text import TextSampler

from autotuner.benchmark.clients.prompts import LineMemory


class MarkedSampler(TextSampler):  # type: ignore[misc] # genai-bench has no types
    """genai-bench's sampler of text, with a mark at the beginning of each prompt. Being defined registers it."""

    def __init__(self, tokenizer: Any, *args: Any, **more: Any) -> None:
        super().__init__(LineMemory(tokenizer), *args, **more)
        self._mark = ""

    def sample_marked(self, scenario: Any, mark: str) -> Any:
        """A request whose prompt begins with the mark, unless it is too short for one."""
        self._mark = mark
        return self.sample(scenario)

    def text(self, tokens: int, mark: str) -> str:
        """A text of so many tokens that begins with the mark, unless it is too short for one."""
        self._mark = mark
        return self._generate_text_from_dataset(tokens)

    def chat_request(self, prompt: str, tokens: int | None, asked: int) -> UserChatRequest:
        """A request with a given prompt of so many tokens (None: to be counted), and an answer of the length asked."""
        counted = self.count(prompt) if tokens is None else tokens
        more = {**self.additional_request_params, "ignore_eos": True}
        return UserChatRequest(
            model=self.model,
            prompt=prompt,
            num_prefill_tokens=counted,
            max_tokens=asked,
            additional_request_params=more,
        )

    def count(self, text: str) -> int:
        """The tokens of a text."""
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def cut(self, text: str, tokens: int) -> str:
        """The first so many tokens of a text."""
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        return str(self.tokenizer.decode(ids[:tokens], skip_special_tokens=True))

    def _generate_text_from_dataset(self, num_tokens: int, rng: Any = None) -> str:
        mark = len(self.tokenizer.encode(self._mark, add_special_tokens=False))
        if num_tokens < 2 * mark:
            return str(super()._generate_text_from_dataset(num_tokens, rng))
        return self._mark + str(super()._generate_text_from_dataset(num_tokens - mark, rng))
