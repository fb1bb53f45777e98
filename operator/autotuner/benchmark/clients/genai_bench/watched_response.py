"""What genai-bench does not tell of a streamed answer: in how many pieces it came, and why the engine ended it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# Quotes within a text are escaped, so that no text looks like these.
_TEXT = re.compile(rb'"(?:content|reasoning_content|reasoning)":\s*"[^"]')
_FINISH = re.compile(rb'"finish_reason":\s*"(\w+)"')
_TOLD_AFTER_THE_FINISH = re.compile(rb'"usage":\s*\{|"error":\s*[{"]|^data:\s*\[DONE\]')


class WatchedResponse:
    """A response of `requests` whose lines are looked at while genai-bench reads them.

    Attributes:
        pieces: events with text so far.
        finish: why the engine ended the answer, in its words; empty as long as it has not.
    """

    def __init__(self, response: Any) -> None:
        self._response = response
        self.pieces = 0
        self.finish = ""

    def iter_lines(self, **more: Any) -> Iterator[bytes]:
        """The lines of the response, less what follows the end of the answer and tells nothing.

        genai-bench takes an empty delta behind the finish for an answer that goes on, and overlooks the usage.
        """
        for line in self._response.iter_lines(**more):
            if self.finish and line and not _TOLD_AFTER_THE_FINISH.search(line):
                continue
            self.pieces += _TEXT.search(line) is not None
            if found := _FINISH.search(line):
                self.finish = found[1].decode()
            yield line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)
