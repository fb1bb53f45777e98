"""What is read from a response does not depend on how it is framed, nor on how a network cuts it into pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autotuner.benchmark.clients.open_loop.http_answer import HttpAnswer, chunks_alike

STATUS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = STATUS + b"Transfer-Encoding: chunked\r\n\r\n"


def text(content: str, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return b"data: " + json.dumps({"id": "x", "choices": [choice | more], "usage": None}).encode() + b"\n\n"


USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}\n\n'
# Texts that a look at the bytes alone would take for another one: quotes, escapes, braces, ends of lines.
TEXTS = ["a", 'b"', "c\\", "d\n", "ü", '"}}]}', "", "e"]
EVENTS = [text(""), *map(text, TEXTS), text("", finish_reason="length"), USAGE, b"data: [DONE]\n\n"]


def chunked(*bodies: bytes, size: str = "%x") -> bytes:
    return b"".join((size % len(body)).encode() + b"\r\n" + body + b"\r\n" for body in bodies)


WHOLE = b"".join(EVENTS)
RESPONSES = {
    "one event a chunk": CHUNKED + chunked(*EVENTS) + b"0\r\n\r\n",
    "capital sizes": CHUNKED + chunked(*EVENTS, size="%04X") + b"0\r\n\r\n",
    "extensions": CHUNKED + chunked(*EVENTS, size="%x;a=b") + b"0\r\nTrailer: x\r\n\r\n",
    "chunks that cut events": CHUNKED + chunked(*(WHOLE[k : k + 11] for k in range(0, len(WHOLE), 11))) + b"0\r\n\r\n",
    "returns and line feeds": CHUNKED + chunked(*(e.replace(b"\n", b"\r\n") for e in EVENTS)) + b"0\r\n\r\n",
    "a length": STATUS + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE,
    "the end of the connection": b"HTTP/1.0 200 OK\r\n\r\n" + WHOLE,
    "another response before": b"HTTP/1.1 103 Early Hints\r\n\r\n" + CHUNKED + chunked(*EVENTS) + b"0\r\n\r\n",
}


def read(response: bytes, size: int) -> HttpAnswer:
    """The response in pieces of this size, one each second from 1 on, and the end of the connection."""
    found = HttpAnswer()
    for second, start in enumerate(range(0, len(response), size), 1):
        found.feed(response[start : start + size], float(second))
    if not found.over:
        found.end(0.0)
    return found


@pytest.mark.parametrize("size", [1, 2, 7, 100, 101, 1000, 100_000])
@pytest.mark.parametrize("framing", RESPONSES)
def test_any_framing_in_pieces_of_any_size(framing: str, size: int) -> None:
    found = read(RESPONSES[framing], size)
    assert found.over and found.problem == ""
    answer = found.answer
    assert answer.pieces == sum(bool(one) for one in TEXTS)
    assert (answer.input_tokens, answer.output_tokens, answer.usage, answer.whole) == (7, 5, True, True)


def test_an_event_counts_when_its_last_byte_is_there() -> None:
    found = HttpAnswer()
    chunks = [chunked(event) for event in EVENTS]
    found.feed(CHUNKED + chunks[0], 1.0)
    found.feed(chunks[1] + chunks[1][:-5], 2.0)
    assert (found.answer.first, found.answer.last) == (2.0, 2.0)
    found.feed(chunks[1][-5:], 3.0)
    assert found.answer.last == 3.0
    found.feed(chunked(text("f")) * 3, 4.0)
    assert (found.answer.last, found.answer.pieces) == (4.0, 5)


BEFORE, BEHIND = b'{"t": "', b'"}'
ALIKE = chunked(b'data: {"t": "a"}\n\n')


@pytest.mark.parametrize(
    ("piece", "count"),
    [
        (ALIKE * 3, 3),
        (ALIKE * 2 + ALIKE[:-1], 2),
        (ALIKE + chunked(b'data: {"t": "", "error": "a"}\n\n'), 1),
        (ALIKE + chunked(b'data: {"t": ""}\n\n'), 1),
        (ALIKE + b"0\r\n\r\n", 1),
        (b"1" + ALIKE, 0),
        (b"x" + ALIKE, 0),
        (chunked(b'data: {"t": "a\n"}\n\n'), 0),
        (chunked(b'data: {"t": "\\u0061"}\n\n'), 0),
    ],
)
def test_only_chunks_that_are_alike_are_passed_over(piece: bytes, count: int) -> None:
    assert chunks_alike(piece, BEFORE, BEHIND) == (count, count * len(ALIKE))


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\ntoo long ", "HTTP 400: too long"),
        (
            b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"no ", b"room") + b"0\r\n\r\n",
            "HTTP 503: no room",
        ),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\nnobody", "HTTP 502: nobody"),
        (
            CHUNKED + chunked(text("a")),
            "Connection error: the server closed the connection in the middle of the answer",
        ),
        (b"", "Connection error: the server closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "Connection error: this is no answer of an HTTP server: "),
        (CHUNKED + chunked(text("a")) + b"zz\r\n", "Connection error: this is no answer of an HTTP server: "),
        (
            CHUNKED + chunked(text("a"), b'data: {"error": "aborted"}\n\n') + b"0\r\n\r\n",
            "error in the stream: aborted",
        ),
        (CHUNKED + chunked(text("a")) + b"0\r\n\r\n", "the stream ended before the answer did"),
        (CHUNKED + chunked(b"data: {\n\n") + b"0\r\n\r\n", "unreadable event: {"),
        (STATUS + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz", "the answer is compressed (gzip)"),
    ],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_what_is_wrong_is_told(response: bytes, words: str, size: int) -> None:
    found = read(response, size)
    assert found.over
    assert found.problem.startswith(words)
