"""When an engine has stopped answering: nothing but errors for a while, or nothing at all."""

from __future__ import annotations

import time

from autotuner.benchmark.contract.level_run import Request

OUTAGE_ROUNDS = 2
OUTAGE_ERRORS = 20
# No answer for so long, and for so many times the longest answer: the engine hangs.
STALL_SECONDS = 30.0
STALL_ANSWERS = 10


class OutageWatch:
    """Watches what becomes of a level's requests, from its start on.

    Args:
        at_once: requests that one and the same hiccup can spoil: the users of a closed loop; 1 of an open one.
    """

    def __init__(self, at_once: int) -> None:
        self._most_errors = max(OUTAGE_ERRORS, OUTAGE_ROUNDS * at_once)
        self._last_answer = time.monotonic()
        self._longest_answer = 0.0
        self._errors_in_a_row, self._last_error = 0, ""

    def add(self, request: Request) -> None:
        """Take in a request that was answered or failed."""
        self._last_answer = time.monotonic()
        self._longest_answer = max(self._longest_answer, request.end - request.start)
        self._errors_in_a_row = self._errors_in_a_row + 1 if request.failed else 0
        self._last_error = request.error or self._last_error

    @property
    def outage(self) -> str | None:
        """What is wrong, if for a while there was nothing but errors, or nothing at all; else None."""
        if self._errors_in_a_row >= self._most_errors:
            return self._last_error
        silence = time.monotonic() - self._last_answer
        if self.hangs(silence):
            return f"nothing for {silence:.0f} s, where answers took {self._longest_answer:.1f} s at most"
        return None

    def hangs(self, seconds: float) -> bool:
        """Whether so long without an answer means that there will be none."""
        return bool(self._longest_answer) and seconds > max(STALL_SECONDS, STALL_ANSWERS * self._longest_answer)
