"""What is read of a streamed answer beside genai-bench's own reading."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autotuner.benchmark.clients.genai_bench.watched_response import WatchedResponse

ROLE = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}'
TEXT = b'data: {"choices": [{"delta": {"content": "a \\"content\\": b"}, "finish_reason": null}], "usage": null}'
THOUGHT = b'data: {"choices":[{"delta":{"reasoning_content":"hm"},"finish_reason":null}]}'
END = b'data: {"choices":[{"delta":{"content":"b"},"finish_reason":"length"}]}'
EMPTY = b'data: {"choices":[{"delta":{"content":""},"finish_reason":null}],"usage":null}'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}'
DONE = b"data: [DONE]"


class Lines:
    status_code = 200

    def __init__(self, *lines: bytes) -> None:
        self._lines = lines

    def iter_lines(self, chunk_size: int | None = 512) -> Iterator[bytes]:
        assert chunk_size is None, "as the reader asked"
        return iter(self._lines)


def test_pieces_and_the_end_are_told() -> None:
    response = WatchedResponse(Lines(ROLE, b"", TEXT, THOUGHT, END, USAGE, DONE))

    assert list(response.iter_lines(chunk_size=None)) == [ROLE, b"", TEXT, THOUGHT, END, USAGE, DONE]
    assert (response.pieces, response.finish) == (3, "length")
    assert response.status_code == 200


@pytest.mark.parametrize("last", [USAGE, b'data: {"error": {"message": "aborted"}}', DONE])
def test_an_empty_rest_behind_the_end_does_not_hide_what_follows(last: bytes) -> None:
    response = WatchedResponse(Lines(TEXT, END, EMPTY, last))

    assert list(response.iter_lines(chunk_size=None)) == [TEXT, END, last]
