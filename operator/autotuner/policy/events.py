"""Kubernetes events that a reconcile emits once the status they speak of is written."""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """A Kubernetes event to emit once the status write has succeeded."""

    kind: str  # Normal | Warning
    reason: str
    message: str
