from __future__ import annotations

import json
from typing import Any

from autotuner.benchmark.clients.open_loop.request_body import request_body


def body(params: dict[str, Any], backend: Any = "sglang") -> dict[str, Any]:
    return json.loads(request_body("m", "hello", 20, params, backend))  # type: ignore[no-any-return]


def test_a_plain_request_asks_for_the_whole_length_in_a_stream() -> None:
    assert body({}) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 20,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "ignore_eos": True,
    }


def test_parameters_win_and_a_system_message_comes_first() -> None:
    found = body({"temperature": 0.7, "top_p": 0.9, "system_message": "be brief"})
    assert (found["temperature"], found["top_p"]) == (0.7, 0.9)
    assert [message["role"] for message in found["messages"]] == ["system", "user"]
    assert "system_message" not in found


def test_an_api_that_does_not_know_ignore_eos_is_not_sent_it() -> None:
    assert "ignore_eos" not in body({"ignore_eos": True}, "openai")
