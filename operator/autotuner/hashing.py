"""Short names for contents."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(value: Any, length: int = 8) -> str:
    """The first hex digits of a hash over the value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]
