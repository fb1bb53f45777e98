"""The HTTP response with a streamed answer, out of the pieces in which a network delivers it."""

from __future__ import annotations

import httptools

from autotuner.benchmark.clients.open_loop.answer import Answer
from autotuner.benchmark.clients.open_loop.event_stream import EventStream

# Of what a server says beside a status that is not 200.
LONGEST_TEXT = 1 << 16
_OK = 200
_FIRST_FINAL_STATUS = 200
_LONGEST_SIZE = 10


class HttpAnswer:
    """A response that is being read.

    Nearly all pieces of a response are one chunk with one event of one line. Those are told by their bytes; all others
    go through a parser of HTTP, whatever their framing is.

    Attributes:
        answer: what the events said.
        over: whether the response has ended.
    """

    def __init__(self) -> None:
        self.answer = Answer()
        self.over = False
        self._status = 0
        self._text = b""
        self._problem = ""
        self._chunked = self._sized = False
        self._between_chunks = False
        self._events = EventStream()
        self._now = 0.0
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, piece: bytes, now: float) -> None:
        """Take in a piece that arrived now."""
        at = 0
        while self._between_chunks and (found := event_in_chunk(piece, at)):
            begin, end, at = found
            self.answer.take(piece[begin:end], now)
        if at == len(piece):
            return
        self._now, rest = now, piece[at:]
        try:
            self._parser.feed_data(rest)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as problem:
            self._fail(f"Connection error: this is no answer of an HTTP server: {problem}")
        # A line that ends behind a chunk would be the size of the next one, which the parser would have told.
        self._between_chunks = self._between_chunks and rest.endswith(b"\r\n") and self._events.between_events

    def end(self, now: float) -> None:
        """The connection is closed."""
        self._now = now
        if self._status >= _FIRST_FINAL_STATUS and not self._chunked and not self._sized:
            self.on_message_complete()
        elif not self.over:
            what = "in the middle of the answer" if self._status else "without an answer"
            self._fail(f"Connection error: the server closed the connection {what}")

    @property
    def problem(self) -> str:
        """What is wrong with a response that has ended; empty if nothing is."""
        if self._problem:
            return self._problem
        if self._status != _OK:
            return f"HTTP {self._status}: {self._text.decode(errors='replace').strip()}"
        return self.answer.error or ("" if self.answer.whole else "the stream ended before the answer did")

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        name, value = name.lower(), value.strip().lower()
        self._chunked = self._chunked or (name == b"transfer-encoding" and value.endswith(b"chunked"))
        self._sized = self._sized or name == b"content-length"
        if name == b"content-encoding" and value not in (b"", b"identity"):
            self._fail(f"the answer is compressed ({value.decode(errors='replace')}), which was not asked for")

    def on_headers_complete(self) -> None:
        """All headers were there."""
        self._status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """Some of the body."""
        if self._status != _OK:
            self._text = (self._text + data)[:LONGEST_TEXT]
            return
        for event in self._events.feed(data):
            self.answer.take(event, self._now)

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self._between_chunks = False

    def on_chunk_complete(self) -> None:
        """A chunk has ended."""
        self._between_chunks = self._status == _OK

    def on_message_complete(self) -> None:
        """The response has ended, unless it only said that another one will come."""
        if self._status >= _FIRST_FINAL_STATUS:
            for event in self._events.end():
                self.answer.take(event, self._now)
            self.over, self._between_chunks = True, False

    def _fail(self, problem: str) -> None:
        self._problem, self.over = self._problem or problem, True


def event_in_chunk(piece: bytes, at: int) -> tuple[int, int, int] | None:
    """Where the data of an event begins and ends, and the chunk, if a whole chunk at this place is one event of one line.

    Args:
        piece: of a chunked body.
        at: where a chunk begins.
    """
    size_ends = piece.find(b"\r\n", at, at + _LONGEST_SIZE)
    if size_ends < 1 or not piece.startswith(b"data: ", size_ends + 2):
        return None
    try:
        ends = size_ends + 2 + int(piece[at:size_ends], 16)
    except ValueError:
        return None
    begin, end = size_ends + 8, ends - 2
    # The first line feed must be that of the end, and no return may stand before it.
    if not piece.startswith(b"\n\n\r\n", end) or piece.find(b"\n", begin) != end or piece.find(b"\r", begin, end) >= 0:
        return None
    return begin, end, ends + 2
