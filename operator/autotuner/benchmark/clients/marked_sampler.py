"""genai-bench's sampler of text, with a mark at the beginning of each prompt. Importing genai-bench patches sockets."""

from __future__ import annotations

from typing import Any

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

    def _generate_text_from_dataset(self, num_tokens: int, rng: Any = None) -> str:
        mark = len(self.tokenizer.encode(self._mark, add_special_tokens=False))
        if num_tokens < 2 * mark:
            return str(super()._generate_text_from_dataset(num_tokens, rng))
        return self._mark + str(super()._generate_text_from_dataset(num_tokens - mark, rng))
