"""Adds up what the histories of all workers came to."""

from __future__ import annotations

import time
from collections import Counter

import pytest

_BEGUN = time.monotonic()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was played, and how fast."""
    sums: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        sums.update({name: value for name, value in report.user_properties if name in ("histories", "acting", "cpu")})
    if sums["acting"]:
        wall = time.monotonic() - _BEGUN
        terminalreporter.write_line(
            f"{sums['histories']} histories, {sums['acting']} reconciles that wrote in {wall:.0f} s:"
            f" {sums['acting'] / wall:.0f} a second ({sums['acting'] / sums['cpu']:.0f} a second of CPU)"
        )
