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

    Args:
        keep: whether to keep the text of the answer.

    Attributes:
        answer: what the events said.
        over: whether the response has ended.
    """

    def __init__(self, keep: bool = False) -> None:
        self.answer = Answer(keep)
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
        if self._between_chunks and self.answer.around:
            count, at = chunks_alike(piece, *self.answer.around)
            self.answer.take_alike(count, now)
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
    """Where the data of an event begins and ends, and its chunk; None where no whole chunk is one event of one line.

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


def chunks_alike(piece: bytes, before: bytes, behind: bytes) -> tuple[int, int]:
    """How many chunks at the beginning are one event of one line that has some text between these, and where they end.

    Args:
        piece: of a chunked body, from where a chunk begins.
        before: what the data of such an event has before its text.
        behind: what it has behind, from the quotation mark on that ends the text.
    """
    before, behind = b"data: " + before, behind + b"\n\n\r\n"
    skipped, rest = len(before) + 2, len(behind)
    count = at = 0
    try:
        while (size_ends := piece.find(b"\r\n", at, at + _LONGEST_SIZE)) > 0:
            text = size_ends + skipped
            ends = piece.find(b'"', text)
            if ends <= text or not piece.startswith(before, size_ends + 2) or not piece.startswith(behind, ends):
                break
            if int(piece[at:size_ends], 16) != ends + rest - size_ends - 4:
                break
            at, count = ends + rest, count + 1
    except ValueError:
        pass
    # A line that ends within a text, or a character that stands for another one, is told by looking closer.
    if (
        piece.count(b"\n", 0, at) != 4 * count
        or piece.count(b"\r", 0, at) != 2 * count
        or piece.find(b"\\", 0, at) >= 0
    ):
        return 0, 0
    return count, at
