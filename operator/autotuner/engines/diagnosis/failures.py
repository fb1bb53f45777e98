"""Exceptions in a log: tracebacks with their frames and chains, and lines that look like an exception without one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from autotuner.engines.diagnosis.log_lines import Line
from autotuner.engines.diagnosis.log_patterns import says

_TRACEBACK = "Traceback (most recent call last)"
_FRAME = re.compile(r'\s*File "([^"]+)", line \d+(?:, in (.+))?')
_MARKS = re.compile(r"[\s^~]*$")
_RAISED = re.compile(r"((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)(?:: ?(.*)|$)", re.DOTALL)
_BARE = re.compile(
    r"((?:\w+\.)*(?:[A-Z]\w*)?(?:Error|Exception|Exit|Interrupt|OutOfResources))(?:: (.*)|\((?=['\"])(.*)|$)"
)
_DIRECT_CAUSE = "The above exception was the direct cause of the following exception"
_WHILE_HANDLING = "During handling of the above exception, another exception occurred"
_OF_A_CHILD = re.compile(r"^Process \S+:$")
# What may go wrong in one request, thread or object while the process lives on.
_SURVIVED = re.compile(
    r"Exception in (?:thread|callback|ASGI application)|Exception ignored in|was never retrieved|Unhandled exception in"
)
_OF_ANOTHER = re.compile(r"\S+:\d+: \w*Warning: |\[?[EWI]\d{4} \d\d:|(?:INFO|WARNING|ERROR|CRITICAL):? ")
_GOES_ON = re.compile(
    r"\bretry(?:ing)?\b|\b[Ii]gnor(?:e|ed|ing)\b|\bfall(?:ing|s)? ?back\b|\b[Ss]kipp(?:ed|ing)\b|\bnon-fatal\b"
    r"|during autotuning|; using |\bcontinuing\b|\binstead\.?$"
)
_VALIDATION = re.compile(r"\b(\d+) validation errors? for ")
_MESSAGE_LINES = 40


class Standing(IntEnum):
    """How certain it is that a process died of an exception."""

    FATAL = 0  # its interpreter printed it, or the engine says so
    UNSURE = 1  # it was logged, or stands there without a traceback
    SURVIVED = 2  # of one request or thread


@dataclass(frozen=True)
class Frame:
    """A frame of a traceback: where, and the source line."""

    file: str
    function: str
    source: str


@dataclass(frozen=True)
class Raised:
    """An exception: its class as printed, its message of one or more lines, its frames from the outermost in.

    `caused` says that the next of the chain was raised from it on purpose; else it was raised while handling this one.
    """

    name: str
    message: str
    frames: tuple[Frame, ...]
    caused: bool = False

    @property
    def short_name(self) -> str:
        """The class without its module."""
        return self.name.rpartition(".")[2]

    @property
    def text(self) -> str:
        """The class and the message, as printed."""
        return f"{self.name}: {self.message}" if self.message else self.name


@dataclass(frozen=True)
class Failure:
    """Exceptions that led to one another, the first one first.

    Attributes:
        number: the place of its first line in the log; `last` is that of the last line.
        raised: the exceptions.
        header: what introduces the traceback, in its own line or in the one before.
        before: what its process said last before that.
        standing: how certain it is that a process died of it.
    """

    number: int
    last: int
    raised: tuple[Raised, ...]
    header: str
    before: str
    standing: Standing


@dataclass
class _Reader:
    """Reads the failures of one process."""

    lines: Sequence[Line]
    fatal: Sequence[re.Pattern[str]]
    at: int = 0
    found: list[Failure] = field(default_factory=list)

    def read(self) -> list[Failure]:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if _TRACEBACK in line.text:
                self._chain()
            elif not line.harmless and (bare := _BARE.match(line.text)):
                self._bare(line, bare)
            else:
                self.at += 1
        return self.found

    def _bare(self, line: Line, match: re.Match[str]) -> None:
        start = self.at
        self.at += 1
        further = self._more(line, match[0]) if _VALIDATION.search(match[0]) else ()
        message = "\n".join([match[2] or (match[3] or "").strip("'\")("), *further]).strip()
        around = [one.text for one in self.lines[max(0, start - 2) : self.at + 2]]
        if not any(goes_on(text) for text in around):
            raised = Raised(match[1], message, ())
            last = self.lines[self.at - 1].number
            self.found.append(Failure(line.number, last, (raised,), "", "", Standing.UNSURE))

    def _chain(self) -> None:
        first = self.lines[self.at]
        before = next((self.lines[at].text for at in range(self.at - 1, -1, -1) if self.lines[at].text), "")
        header = first.text.partition(_TRACEBACK)[0].strip() or before
        raised: list[Raised] = []
        while (one := self._traceback()) is not None:
            raised.append(one)
            link = self._link()
            if link is None:
                break
            raised[-1] = replace(one, caused=link)
        if raised and not first.harmless:
            last, standing = self.lines[self.at - 1].number, self._standing(first, header)
            self.found.append(Failure(first.number, last, tuple(raised), header, before, standing))

    def _standing(self, first: Line, header: str) -> Standing:
        if says(header, self.fatal) or _OF_A_CHILD.search(header):
            return Standing.FATAL
        if _SURVIVED.search(header):
            return Standing.SURVIVED
        return Standing.UNSURE if first.logged else Standing.FATAL

    def _traceback(self) -> Raised | None:
        """Read from the head line of a traceback to behind its exception; None if the log ends before."""
        self.at += 1
        frames: list[Frame] = []
        decorated = self.lines[self.at].decorated if self.at < len(self.lines) else False
        while self.at < len(self.lines):
            line = self.lines[self.at]
            text = re.sub(r"^\s*[|+][ |+-]*", "", line.text) if line.text.lstrip().startswith(("|", "+")) else line.text
            if match := _FRAME.match(text):
                frames.append(Frame(match[1], (match[2] or "").strip(), ""))
            elif text.startswith((" ", "\t")) or not text:
                if text and frames and not _MARKS.match(text):
                    frames[-1] = replace(frames[-1], source=f"{frames[-1].source} {text.strip()}".strip())
            elif _TRACEBACK in text:
                return None
            elif line.decorated == decorated and (match := _RAISED.match(text)):
                self.at += 1
                message = "\n".join([match[2] or "", *self._more(line, text)])
                return Raised(match[1], message.strip(), tuple(frames))
            self.at += 1  # also past what another thread or a progress bar wrote in between
        return None

    def _more(self, line: Line, text: str) -> Iterator[str]:
        """The further lines of a message; pydantic's hold blank lines, and end where the last field was told."""
        validation = _VALIDATION.search(text)
        fields = int(validation[1]) if validation else 0
        for _ in range(_MESSAGE_LINES):
            if self.at >= len(self.lines) or (validation and fields <= 0):
                return
            one = self.lines[self.at]
            same = not one.decorated or (line.decorated and one.level == line.level)
            if not same or _TRACEBACK in one.text or _OF_ANOTHER.match(one.text) or (not one.text and not validation):
                return
            if not validation and not text.endswith(":") and _begins_another(one.text):
                return
            self.at += 1
            fields -= "[type=" in one.text
            yield one.text

    def _link(self) -> bool | None:
        """Whether the exception just read caused the next one; None if no other follows. Stops at its traceback."""
        position = self.at
        while position < len(self.lines) and not self.lines[position].text:
            position += 1
        if position >= len(self.lines):
            return None
        text = self.lines[position].text
        if _DIRECT_CAUSE not in text and _WHILE_HANDLING not in text:
            return None
        while position < len(self.lines) and _TRACEBACK not in self.lines[position].text:
            position += 1
        self.at = position
        return _DIRECT_CAUSE in text if position < len(self.lines) else None


def _begins_another(text: str) -> bool:
    # NCCL's second line is its exception's name again, and belongs to the first.
    return bool(_OF_A_CHILD.search(text) or (_BARE.match(text) and not text.startswith("nccl")))


def goes_on(text: str) -> bool:
    """Whether a line says that what it tells is no obstacle."""
    return bool(_GOES_ON.search(text))


def find(lines: Iterable[Line], fatal: Sequence[re.Pattern[str]]) -> list[Failure]:
    """The failures of a log by their place; `fatal` is what an engine says before what a process dies of."""
    by_process: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_process[line.process].append(line)
    found = [failure for own in by_process.values() for failure in _Reader(own, fatal).read()]
    return sorted(found, key=lambda failure: failure.number)
