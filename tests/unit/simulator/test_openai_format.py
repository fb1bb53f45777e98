from __future__ import annotations

import json
from typing import Any

import pytest

from autotuner.simulator import openai_format
from autotuner.simulator.metrics import Lateness, exposition

CHAT = {"model": "model", "messages": [{"role": "user", "content": "grüße"}], "max_tokens": 3}


def unframed(data: bytes) -> bytes:
    """The payload of chunks in HTTP/1.1 chunked transfer coding."""
    payload = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n"
        payload, data = payload + rest[:length], rest[length + 2 :]
    return payload


def events(data: bytes) -> list[Any]:
    parts = unframed(data).decode().split("\n\n")
    assert parts.pop() == ""
    texts = [part.removeprefix("data: ") for part in parts]
    return [text if text == "[DONE]" else json.loads(text) for text in texts]


def test_a_prompt_is_as_long_as_its_utf8_bytes() -> None:
    assert len(openai_format.read_request(CHAT, ["model"], chat=True).prompt) == 7


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"model": "other"}, 404, "The model `other` does not exist."),
        ({"max_tokens": -1}, 400, "max_tokens must be at least 1"),
        ({"max_tokens": "x"}, 400, "max_tokens must be at least 1"),
        ({"messages": "hello"}, 400, "messages must be a list"),
    ],
)
def test_what_cannot_be_served_is_refused(change: dict[str, Any], status: int, message: str) -> None:
    with pytest.raises(openai_format.RequestError, match=message) as refused:
        openai_format.read_request(CHAT | change, ["model"], chat=True)
    assert refused.value.status == status


def test_messages_in_parts_count_with_all_their_text() -> None:
    parts = [{"type": "text", "text": "ab"}, {"type": "text", "text": "c"}]
    body = CHAT | {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": parts}]}
    assert openai_format.read_request(body, ["model"], chat=True).prompt == b"xabc"


@pytest.mark.parametrize("usage", [True, False])
def test_a_streamed_chat_is_a_role_its_tokens_the_usage_and_the_end(usage: bool) -> None:
    body = CHAT | {"stream": True, "stream_options": {"include_usage": usage}}
    asked = openai_format.read_request(body, ["model"], chat=True)
    answer = openai_format.Answer(asked, "model")
    found = events(answer.first() + answer.token(1) + answer.last(2, "length", usage=True))
    choices = [event["choices"][0] for event in found[:4]]
    assert [choice["delta"].get("content") for choice in choices] == ["", "t", "h", "e"]
    assert [choice["finish_reason"] for choice in choices] == [None, None, None, "length"]
    assert found[-1] == "[DONE]"
    want = [{"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}] if usage else []
    assert [event["usage"] for event in found[4:-1]] == want
    assert {event["id"] for event in found[:-1]} == {answer.identity}


def test_each_token_is_one_byte_also_after_the_text_repeats() -> None:
    answer = openai_format.Answer(openai_format.read_request(CHAT, ["model"], chat=True), "model")
    contents = [events(answer.token(index))[0]["choices"][0]["delta"]["content"] for index in range(200)]
    assert {len(content.encode()) for content in contents} == {1}
    whole = answer.whole(200, "length", usage=False)
    assert len(whole["choices"][0]["message"]["content"].encode()) == 200
    assert "usage" not in whole


def test_prefix_blocks_are_equal_as_far_as_the_prefix() -> None:
    one, other = openai_format.prefix_blocks(b"a" * 200, 64), openai_format.prefix_blocks(b"a" * 130 + b"b" * 70, 64)
    assert len(one) == 3
    assert one[:2] == other[:2]
    assert one[2] != other[2]


def test_lateness_is_summarised_by_quantiles() -> None:
    lateness = Lateness()
    lateness.step.extend(index / 1000 for index in range(100))
    assert lateness.summary()["step"] == {"count": 100, "0.5": 0.05, "0.95": 0.095, "0.99": 0.099, "max": 0.099}
    assert lateness.summary()["last_chunk"] == {"count": 0}
    assert 'simulator:lateness_seconds{kind="step",quantile="0.95"} 0.095000' in exposition("vllm", "m", [], lateness)
