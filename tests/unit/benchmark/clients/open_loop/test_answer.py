"""What is read from the events of an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autotuner.benchmark.clients.open_loop.answer import Answer


def read(*events: dict[str, Any] | bytes) -> Answer:
    """The answer of these events, one each second from 1 on."""
    answer = Answer()
    for second, event in enumerate(events, 1):
        answer.take(event if isinstance(event, bytes) else json.dumps(event).encode(), float(second))
    return answer


def text(content: str = "a", name: str = "content", finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {name: content}, "finish_reason": finish}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
ROLE = {"choices": [{"delta": {"role": "assistant", "content": ""}}]}


def test_times_are_those_of_text() -> None:
    answer = read(ROLE, text(), text(), text(finish="length"), text(""), USAGE, b"[DONE]")
    assert (answer.first, answer.last) == (2.0, 4.0), "neither the role nor an empty rest is a token"
    assert (answer.input_tokens, answer.output_tokens, answer.usage) == (7, 3, True)
    assert answer.whole and not answer.error
    assert (answer.pieces, answer.finish) == (3, "length")


def test_a_last_token_without_text_is_one_all_the_same() -> None:
    answer = read(ROLE, text(), text("", finish="length"), USAGE, b"[DONE]")
    assert (answer.first, answer.last) == (2.0, 3.0)


@pytest.mark.parametrize("name", ["content", "reasoning_content", "reasoning"])
def test_thoughts_are_text(name: str) -> None:
    assert read(ROLE, text(name=name)).first == 2.0


def test_usage_may_come_with_the_end_or_with_every_event() -> None:
    growing = [text() | {"usage": {"prompt_tokens": 7, "completion_tokens": n}} for n in (1, 2)]
    assert read(*growing).output_tokens == 2
    assert read(text(), text(finish="length") | {"usage": None}).usage is False


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"error": {"message": "too long", "code": 400}}, "HTTP 400: too long"),
        ({"error": {"message": "aborted", "code": "abort"}}, "error in the stream: aborted"),
        ({"error": "aborted"}, "error in the stream: aborted"),
        (b"{no json", "unreadable event: {no json"),
        (b"[1]", "unreadable event: [1]"),
    ],
)
def test_an_error_in_the_stream_is_told(event: Any, words: str) -> None:
    assert read(text(), event, text()).error == words


def test_an_answer_that_breaks_off_is_not_whole() -> None:
    assert not read(ROLE, text(), text()).whole
    assert read(text(finish="stop")).whole
