"""What a streamed answer of an OpenAI API says, event by event: when its tokens came, how many, what went wrong."""

from __future__ import annotations

import json
from typing import Any

_DONE = b"[DONE]"
# Where engines put text, also text that is thought or calls a tool.
_TEXT = ("content", "reasoning_content", "reasoning", "tool_calls")


class Answer:
    """An answer that is being streamed.

    Nearly all events of an answer are equal but for a few letters of text. What is the same around the text is kept of
    the latest event with text, and one that fits there needs not be parsed: it says that there is text, no more.

    Attributes:
        first: when the first event with text arrived, by the reader's clock; None before.
        last: when the latest one did, or the one that says that the answer is over; None before.
        pieces: of text, of which each is one token with most engines.
        input_tokens, output_tokens: as the engine counted them; 0 as long as it has not.
        usage: whether it did.
        error: what the engine or the stream says is wrong; empty if nothing is.
        whole: whether the engine has said that this is all.
        around: what stands before and behind the text of the latest event; None where it may mean something else, or
            the text is kept.
        text: what it says, if it is kept; without what is only thought.

    Args:
        keep: whether to keep the text.
    """

    def __init__(self, keep: bool = False) -> None:
        self._pieces: list[str] | None = [] if keep else None
        self.first: float | None = None
        self.last: float | None = None
        self.pieces = self.input_tokens = self.output_tokens = 0
        self.usage = self.whole = False
        self.error = ""
        self.around: tuple[bytes, bytes] | None = None

    def take_alike(self, count: int, now: float) -> None:
        """Take in so many events that arrived now and have text where the latest one has it."""
        if count:
            self.last = now
            self.pieces += count

    @property
    def text(self) -> str:
        """What it says so far, if it is kept."""
        return "".join(self._pieces or ())

    def take(self, data: bytes, now: float) -> None:
        """Take in the data of an event that arrived now."""
        if self.around and _fits(data, *self.around):
            self.take_alike(1, now)
            return
        if data == _DONE:
            self.whole = True
            return
        try:
            self._take_event(data, json.loads(data), now)
        except (ValueError, TypeError, AttributeError, KeyError):
            self.error = self.error or f"unreadable event: {data[:80].decode(errors='replace')}"

    def _take_event(self, data: bytes, event: Any, now: float) -> None:
        if problem := event.get("error"):
            self.error = self.error or _problem(problem)
        else:
            self._take_text(event.get("choices") or (), now)
            self._take_usage(event.get("usage"))
            self.around = around_text(data, event) if self._pieces is None else None

    def _take_text(self, choices: Any, now: float) -> None:
        for choice in choices:
            delta = choice.get("delta") or {}
            if self._pieces is not None:
                self._pieces.append(delta.get("content") or "")
            if any(delta.get(name) for name in _TEXT):
                self.last = now
                self.pieces += 1
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


def around_text(data: bytes, event: dict[str, Any]) -> tuple[bytes, bytes] | None:
    """What stands before and behind the text of an event; None where another text there could mean something else.

    Args:
        data: of the event.
        event: the data, parsed.
    """
    choices: list[Any] = event.get("choices") or []
    if len(choices) != 1 or choices[0].get("finish_reason") or event.get("usage"):
        return None
    delta = choices[0].get("delta") or {}
    with_text = [name for name in _TEXT if delta.get(name)]
    if len(with_text) != 1 or not isinstance(text := delta[with_text[0]], str):
        return None
    name = f'"{with_text[0]}":'.encode()
    before, found, rest = data.partition(name)
    blank = rest[: rest.find(b'"') + 1]
    raw, _, behind = rest[len(blank) :].partition(b'"')
    if not found or name in rest or raw != text.encode(errors="replace") or b"\\" in raw or blank.strip() != b'"':
        return None
    return before + found + blank, b'"' + behind


def _fits(data: bytes, before: bytes, behind: bytes) -> bool:
    """Whether an event has text between these, and nothing there that ends the text."""
    if not data.startswith(before) or not data.endswith(behind):
        return False
    text = data[len(before) : -len(behind)]
    return bool(text) and b'"' not in text and b"\\" not in text


def _problem(error: Any) -> str:
    """An error of the API in words; with its status where it has one, as if the engine had refused at once."""
    if not isinstance(error, dict):
        return f"error in the stream: {error}"
    words, code = error.get("message") or error, error.get("code")
    return f"HTTP {code}: {words}" if isinstance(code, int) else f"error in the stream: {words}"
