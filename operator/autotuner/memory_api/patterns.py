"""Regular expressions as an API server reads them: Go's syntax, of which `$` means the end and nothing before it."""

from __future__ import annotations

import re
from functools import cache

_DOLLAR = re.compile(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|\$", re.DOTALL)


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern for Python; matches anywhere unless it is anchored, letters are those of ASCII."""
    return re.compile(_DOLLAR.sub(lambda found: found[1] or r"\Z", pattern), re.ASCII)
