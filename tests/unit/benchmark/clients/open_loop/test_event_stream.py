"""Events come out one by one, however a network or a proxy cuts their bytes."""

from __future__ import annotations

import pytest

from autotuner.benchmark.clients.open_loop.event_stream import EventStream

TEXT = b'data: {"a": 1}\n\n: keep-alive\n\nevent: x\ndata: two\ndata: lines\nid: 7\n\ndata:[DONE]\n\n'
EVENTS = [b'{"a": 1}', b"two\nlines", b"[DONE]"]


@pytest.mark.parametrize("end_of_line", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_pieces_of_any_size(end_of_line: bytes, size: int) -> None:
    stream, text = EventStream(), TEXT.replace(b"\n", end_of_line)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert [event for piece in pieces for event in stream.feed(piece)] == EVENTS
    assert stream.end() == []


def test_an_event_is_there_with_its_last_byte() -> None:
    stream = EventStream()
    assert stream.feed(b"data: one\n") == []
    assert stream.feed(b"\ndata: tw") == [b"one"]
    assert stream.feed(b"o\r\n\r") == [b"two"]
    assert stream.feed(b"\ndata: three\n\n") == [b"three"], "the line feed belongs to the line before"


def test_a_stream_that_ends_without_an_empty_line() -> None:
    stream = EventStream()
    assert stream.feed(b"data: [DONE]") == []
    assert stream.end() == [b"[DONE]"]
