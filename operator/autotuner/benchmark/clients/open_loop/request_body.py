"""The body of a chat completion, as the load client of the closed loop writes it: both load an engine alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.api.common import ClientBackend

_ELSEWHERE = ("system_message", "temperature", "ignore_eos")


def request_body(
    model: str,
    prompt: str | Sequence[Mapping[str, Any]],
    max_tokens: int,
    params: Mapping[str, Any],
    backend: ClientBackend,
) -> str:
    """The JSON of a streamed chat completion.

    Args:
        model: the served name.
        prompt: of the user, or all messages of a conversation.
        max_tokens: of the answer.
        params: benchmark.requestParams; they win over what is written here. `system_message` is put before the prompt.
        backend: the engine's API; one that knows `ignore_eos` is told to give the answer its whole length.
    """
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    if params.get("system_message"):
        messages.insert(0, {"role": "system", "content": params["system_message"]})
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "max_tokens": max_tokens,
        "temperature": params.get("temperature", 0.0),
        "stream": True,
        "stream_options": {"include_usage": True},
        **{name: value for name, value in params.items() if name not in _ELSEWHERE},
    }
    if backend != "openai":
        body["ignore_eos"] = True
    return json.dumps(body)
