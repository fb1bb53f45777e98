"""Quantities with a mandatory unit, as people write SLOs: 500ms, 1.5s, 1%, 900tok/s, 4req/s."""

from __future__ import annotations

import re

NUMBER_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,6})?"
PATTERN = rf"{NUMBER_PATTERN}(ms|s|%|tok/s|req/s)$"
_SCALE = {"ms": 1e-3, "s": 1.0, "%": 1e-2, "tok/s": 1.0, "req/s": 1.0}
_PARTS = re.compile(r"^([0-9.]+)(.+)$")


def parse(text: str) -> float:
    """Converts a quantity to SI units: seconds, a ratio, tokens/s or requests/s.

    Raises:
        ValueError: the text is no number followed by one of the units.
    """
    if not re.match(PATTERN, text):
        raise ValueError(f"{text!r}: write a number and its unit: ms, s, %, tok/s or req/s (for example 500ms)")
    number, unit = _PARTS.match(text).groups()  # type: ignore[union-attr]
    return float(number) * _SCALE[unit]
