"""What happened in a history, one line each: when, who, what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable


class Trace:
    """Lines in the order in which they happened; their digest is equal only if all of them are."""

    def __init__(self, seconds: Callable[[], float], *, keep: bool) -> None:
        self._seconds, self._keep = seconds, keep
        self._digest = hashlib.blake2b(digest_size=12)
        self.lines: list[str] = []

    def tell(self, who: str, what: str) -> None:
        """Add a line.

        Args:
            who: operator, api, ome, kubelet, a user ...
            what: happened, on one line.
        """
        line = f"{self._seconds():11.3f}  {who:<9} {what}"
        self._digest.update(line.encode())
        if self._keep:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """24 hexadecimal digits."""
        return self._digest.hexdigest()
