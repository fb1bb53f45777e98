"""How long ago something was, by a clock that nobody sets."""

from __future__ import annotations

import time


def seconds() -> float:
    """Seconds since some moment."""
    return time.monotonic()
