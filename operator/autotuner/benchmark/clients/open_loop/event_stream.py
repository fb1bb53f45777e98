"""Server-sent events out of the pieces in which a network delivers them.

The format is that of the WHATWG HTML standard, section 9.2.6: lines end with LF, CR or both, an event with an empty
line; several `data` lines make one event, and what begins with a colon is a comment.
"""

from __future__ import annotations


class EventStream:
    """The data of each event, as soon as its last byte is there, however the bytes are cut into pieces."""

    def __init__(self) -> None:
        self._incomplete = b""
        self._data: list[bytes] = []
        self._after_return = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that end in this piece, in order."""
        if self._plain(piece):
            return [piece[6:-2]]
        if self._after_return or b"\r" in piece:
            piece = self._with_line_feeds(piece)
        *lines, self._incomplete = (self._incomplete + piece).split(b"\n")
        events = []
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                events.append(b"\n".join(self._data))
                self._data = []
        return events

    @property
    def between_events(self) -> bool:
        """Whether nothing has come of an event that is not over."""
        return not (self._incomplete or self._data or self._after_return)

    def end(self) -> list[bytes]:
        """The data of an event whose empty line is missing at the end of the stream, if there is one."""
        return self.feed(b"\n\n")

    def _plain(self, piece: bytes) -> bool:
        """Whether the piece is one whole event of one line: nearly all are, and there are thousands each second."""
        whole = piece.startswith(b"data: ") and piece.endswith(b"\n\n") and b"\r" not in piece
        return whole and self.between_events and piece.count(b"\n") == 2

    def _with_line_feeds(self, piece: bytes) -> bytes:
        """The piece with every end of a line as LF; a CR may end one piece, and its LF begin the next."""
        if self._after_return and piece.startswith(b"\n"):
            piece = piece[1:]
            self._after_return = False
        if piece:
            self._after_return = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
