"""The part of a long log that tells why a process ended: its head, its end, and what failed in between.

A failure echoes: after the cause an engine may print thousands of lines, and one line may be half a megabyte long. So
neither the last lines are enough nor the first bytes.
"""

from __future__ import annotations

import re
from collections import deque

HEAD_BYTES = 64 * 1024
MIDDLE_BYTES = 64 * 1024  # twice: of what tells of a process's death, and of any other failure
TAIL_BYTES = 64 * 1024
LINE_BYTES = 4096
_FOLLOWING_LINES = 100  # of a traceback
_DEATH = re.compile(
    rb"fatal error|hit an exception|failed to start|died|crashed with|is dead|exit code|[Oo]ut of memory|[Ww]atchdog"
    rb"|OutOfMemory|Segmentation fault|Fatal Python error|terminate called"
)
_FAILURE = re.compile(rb"Traceback \(most recent|\w(?:Error|Exception)\b[:(]|^(?:\(.{1,40}\) )?(?:ERROR|CRITICAL) ")


class LogExcerpt:
    """Reads a log piece by piece and keeps at most some 260 KB of it; lines are cut at 4,096 bytes."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._head: list[bytes] = []
        self._middle: list[tuple[int, bytes]] = []
        self._tail: deque[tuple[int, bytes]] = deque()
        self._number = 0
        self._following = 0
        self._into: list[int] | None = None
        self._room = {"head": [HEAD_BYTES], "death": [MIDDLE_BYTES], "failure": [MIDDLE_BYTES], "tail": [TAIL_BYTES]}

    def add(self, piece: bytes) -> None:
        """Read the next piece of the log."""
        *ended, rest = piece.split(b"\n")
        for part in ended:
            self._line += part[: LINE_BYTES - len(self._line)]
            self._keep(bytes(self._line))
            self._line.clear()
        self._line += rest[: LINE_BYTES - len(self._line)]

    def text(self) -> str:
        """What was kept, in its order; a line says how many are left out where some are."""
        kept = [*enumerate(self._head), *self._middle, *self._tail]
        if self._line:
            kept.append((self._number, bytes(self._line)))
        lines: list[str] = []
        expected = 0
        for number, line in kept:
            if number > expected:
                lines.append(f"... {number - expected} lines left out")
            lines.append(line.decode(errors="replace"))
            expected = number + 1
        return "\n".join(lines) + ("\n" if lines and not self._line else "")

    def _keep(self, line: bytes) -> None:
        number, size = self._number, len(line) + 1
        self._number += 1
        if number == len(self._head) and self._take("head", size):
            self._head.append(line)
            return
        self._tail.append((number, line))
        self._room["tail"][0] -= size
        while self._room["tail"][0] < 0:
            self._leave_tail(*self._tail.popleft())

    def _leave_tail(self, number: int, line: bytes) -> None:
        """What the tail has no room for any more is kept if it tells of a failure."""
        size = len(line) + 1
        self._room["tail"][0] += size
        if _DEATH.search(line):
            self._into, self._following = self._room["death"], _FOLLOWING_LINES
        elif _FAILURE.search(line) and (self._following == 0 or self._into is self._room["failure"]):
            self._into, self._following = self._room["failure"], _FOLLOWING_LINES
        if self._into is None or self._following == 0:
            return
        self._following -= 1
        if self._into[0] >= size:
            self._into[0] -= size
            self._middle.append((number, line))

    def _take(self, kind: str, size: int) -> bool:
        room = self._room[kind]
        if room[0] < size:
            room[0] = 0
            return False
        room[0] -= size
        return True
