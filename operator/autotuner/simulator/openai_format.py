"""The OpenAI wire format: reading a request, writing chunks as ready-made bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from time import time
from typing import Any

DEFAULT_OUTPUT = 128
TEXT = "the quick brown fox jumps over the lazy dog and runs on "
DONE = b"data: [DONE]\n\n"
_numbers = count(1)


def _piece(chat: bool, index: int, finish: str = "null") -> bytes:
    text = TEXT[index % len(TEXT)]
    content = f'"delta": {{"content": "{text}"}}' if chat else f'"text": "{text}"'
    return f'{{"index": 0, {content}, "finish_reason": {finish}}}'.encode()


# Every token that can occur between the first and the last, encoded once.
_PIECES = {chat: tuple(_piece(chat, index) for index in range(len(TEXT))) for chat in (True, False)}
_ROLE = b'{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}'


class RequestError(Exception):
    """The request cannot be served; `status` is the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Asked:
    """A completion request: sizes in tokens, which are the UTF-8 bytes of the prompt."""

    chat: bool
    prompt: bytes
    output: int
    stream: bool
    usage: bool


def read_request(body: Any, names: Sequence[str], chat: bool) -> Asked:
    """Understand a request body.

    Raises:
        RequestError: 404 for another model's name, 400 for everything else that cannot be served.
    """
    if not isinstance(body, dict):
        raise RequestError("the body must be a JSON object")
    if body.get("model", names[0]) not in names:
        raise RequestError(f"The model `{body['model']}` does not exist.", 404)
    output = body.get("max_completion_tokens") or body.get("max_tokens") or DEFAULT_OUTPUT
    if not isinstance(output, int) or isinstance(output, bool) or output < 1:
        raise RequestError(f"max_tokens must be at least 1, got {output}.")
    options = body.get("stream_options") or {}
    return Asked(
        chat=chat,
        prompt=_prompt(body, chat).encode() or b" ",
        output=output,
        stream=bool(body.get("stream")),
        usage=isinstance(options, dict) and bool(options.get("include_usage")),
    )


def _prompt(body: dict[str, Any], chat: bool) -> str:
    """All text of the messages, or of the prompt."""
    if not chat:
        prompt = body.get("prompt")
        if not isinstance(prompt, str):
            raise RequestError("prompt must be a string")
        return prompt
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise RequestError("messages must be a list of objects")
    parts: list[str] = []
    for message in messages:
        content = message.get("content") or ""
        pieces = content if isinstance(content, list) else [{"text": content}]
        parts += [str(piece.get("text", "")) for piece in pieces if isinstance(piece, dict)]
    return "".join(parts)


def prefix_blocks(prompt: bytes, size: int) -> tuple[int, ...]:
    """Hashes of the leading blocks of `size` tokens, each over everything before it: equal ones mean equal prefixes."""
    blocks: list[int] = []
    digest = 0
    for end in range(size, len(prompt) + 1, size):
        digest = hash((digest, prompt[end - size : end]))
        blocks.append(digest)
    return tuple(blocks)


def error_body(message: str, status: int) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    kind = {401: "AuthenticationError", 404: "NotFoundError", 503: "ServiceUnavailableError"}.get(
        status, "BadRequestError" if status < 500 else "InternalServerError"
    )
    return {"error": {"object": "error", "message": message, "type": kind, "param": None, "code": status}}


def model_list(names: Sequence[str], context: int) -> dict[str, Any]:
    """The answer of /v1/models; all names are of one model, that of the first."""
    model = {"object": "model", "created": int(time()), "owned_by": "simulator", "max_model_len": context}
    return {"object": "list", "data": [model | {"id": name, "root": names[0]} for name in names]}


class Answer:
    """The wire form of one completion: a chunk per token, in HTTP/1.1 chunked framing."""

    __slots__ = ("_head", "_name", "_shape", "asked", "identity")

    def __init__(self, asked: Asked, served_name: str) -> None:
        self.asked = asked
        self._name = served_name
        self.identity = f"{'chatcmpl' if asked.chat else 'cmpl'}-{next(_numbers):x}"
        self._shape = "chat.completion" if asked.chat else "text_completion"
        kind = "chat.completion.chunk" if asked.chat else "text_completion"
        start = json.dumps({"id": self.identity, "object": kind, "created": int(time()), "model": served_name})
        self._head = b"data: " + start[:-1].encode() + b', "choices": ['

    def token(self, index: int) -> bytes:
        """The chunk of token number `index`, from 0."""
        return framed(self._event(_PIECES[self.asked.chat][index % len(TEXT)]))

    def first(self) -> bytes:
        """The chunk of the first token, after the role where it is a chat."""
        if not self.asked.chat:
            return self.token(0)
        return framed(self._event(_ROLE)) + self.token(0)

    def last(self, index: int, finish: str, usage: bool) -> bytes:
        """Token number `index` with the reason to finish, the token counts if asked for, and the end mark."""
        event = self._event(_piece(self.asked.chat, index, f'"{finish}"'))
        if self.asked.usage and usage:
            event += self._event(b"", b', "usage": ' + json.dumps(self._usage(index + 1)).encode())
        return framed(event + DONE)

    def whole(self, tokens: int, finish: str, usage: bool) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        text = (TEXT * (tokens // len(TEXT) + 1))[:tokens]
        part = {"message": {"role": "assistant", "content": text}} if self.asked.chat else {"text": text}
        body = {"id": self.identity, "object": self._shape, "created": int(time()), "model": self._name}
        body["choices"] = [{"index": 0, "finish_reason": finish, **part}]
        return body | ({"usage": self._usage(tokens)} if usage else {})

    def _event(self, choice: bytes, rest: bytes = b"") -> bytes:
        return b"".join((self._head, choice, b"]", rest, b"}\n\n"))

    def _usage(self, output: int) -> dict[str, int]:
        prompt = len(self.asked.prompt)
        return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


def framed(data: bytes) -> bytes:
    """One chunk of HTTP/1.1 chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)
