"""A log as lines without decoration, each with the process that wrote it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_RANK = re.compile(r"\[rank\d+\]: ?")  # torch's hook for uncaught exceptions


@dataclass(frozen=True)
class Line:
    """A line of a log.

    Attributes:
        number: its place in the log, from 0.
        text: what it says, its decoration taken off.
        process: which of the engine's processes wrote it, as its decoration says; that of the line before where it has
            none, since a message of several lines is decorated once by some loggers.
        level: of the logger; empty where the decoration has none.
        logged: a logger wrote it, and not the interpreter of a process that dies.
        decorated: it has a decoration of its own.
    """

    number: int
    text: str
    process: str
    level: str
    logged: bool
    decorated: bool

    @property
    def harmless(self) -> bool:
        """Whether the engine itself says that it goes on."""
        return self.level in ("DEBUG", "INFO", "WARNING")


def read(log: str, decorations: Sequence[re.Pattern[str]]) -> list[Line]:
    """The lines of a log, in its order."""
    found: list[Line] = []
    process = ""
    for number, raw in enumerate(log.splitlines()):
        text = _RANK.sub("", _COLOURS.sub("", raw), count=1) if "[" in raw or "\x1b" in raw else raw
        told: dict[str, str] = {}
        decorated = False
        for decoration in decorations:
            if match := decoration.match(text):
                told |= {name: value or "" for name, value in match.groupdict().items()}
                text, decorated = text[match.end() :], True
        process = told.get("process", process)
        found.append(Line(number, text.rstrip(), process, told.get("level", ""), "time" in told, decorated))
    return found


def last_words(lines: Sequence[Line]) -> str:
    """The last line that says anything; empty if there is none."""
    return next((line.text for line in reversed(lines) if line.text), "")
