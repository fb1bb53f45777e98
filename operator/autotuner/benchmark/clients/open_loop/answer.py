"""What a streamed answer of an OpenAI API says, event by event: when its tokens came, how many, what went wrong."""

from __future__ import annotations

import json
from typing import Any

_DONE = b"[DONE]"
# Where engines put text, also text that is thought or calls a tool.
_TEXT = ("content", "reasoning_content", "reasoning", "tool_calls")


class Answer:
    """An answer that is being streamed.

    Attributes:
        first: when the first event with text arrived, by the reader's clock; None before.
        last: when the latest one did, or the one that says that the answer is over; None before.
        input_tokens, output_tokens: as the engine counted them; 0 as long as it has not.
        usage: whether it did.
        error: what the engine or the stream says is wrong; empty if nothing is.
        whole: whether the engine has said that this is all.
        text: what it says, if it is kept; without what is only thought.

    Args:
        keep: whether to keep the text.
    """

    def __init__(self, keep: bool = False) -> None:
        self._pieces: list[str] | None = [] if keep else None
        self.first: float | None = None
        self.last: float | None = None
        self.input_tokens = self.output_tokens = 0
        self.usage = self.whole = False
        self.error = ""

    @property
    def text(self) -> str:
        """What it says so far, if it is kept."""
        return "".join(self._pieces or ())

    def take(self, data: bytes, now: float) -> None:
        """Take in the data of an event that arrived now."""
        if data == _DONE:
            self.whole = True
            return
        try:
            event = json.loads(data)
        except ValueError:
            self.error = self.error or f"unreadable event: {data[:80].decode(errors='replace')}"
            return
        if not isinstance(event, dict):
            self.error = self.error or f"unreadable event: {str(event)[:80]}"
        elif problem := event.get("error"):
            self.error = self.error or _problem(problem)
        else:
            self._take_text(event.get("choices") or (), now)
            self._take_usage(event.get("usage"))

    def _take_text(self, choices: Any, now: float) -> None:
        for choice in choices:
            delta = choice.get("delta") or {}
            if self._pieces is not None:
                self._pieces.append(delta.get("content") or "")
            if any(delta.get(name) for name in _TEXT):
                self.last = now
                if self.first is None:
                    self.first = now
            if choice.get("finish_reason"):
                # The last token may have no text of its own: the rest of a character, or one that ends the answer.
                self.whole, self.last = True, now

    def _take_usage(self, usage: Any) -> None:
        if usage:
            self.usage = True
            self.input_tokens = usage.get("prompt_tokens") or 0
            self.output_tokens = usage.get("completion_tokens") or 0


def _problem(error: Any) -> str:
    """An error of the API in words; with its status where it has one, as if the engine had refused at once."""
    if not isinstance(error, dict):
        return f"error in the stream: {error}"
    words, code = error.get("message") or error, error.get("code")
    return f"HTTP {code}: {words}" if isinstance(code, int) else f"error in the stream: {words}"
