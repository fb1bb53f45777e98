"""What a worker is told to send: orders, as lines of JSON."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Order:
    """A request to send.

    Attributes:
        number: of the request in its level.
        due: when it is to be sent, in seconds of this machine's monotonic clock.
        asked: output tokens that it asks for.
        body: JSON.
        keep: whether the text of the answer is told, for the next turn of a session.
    """

    number: int
    due: float
    asked: int
    body: str
    keep: bool = False


CUT = "cut"
"""The command that ends a level, in the place of an order."""
# A prompt may have a million characters.
LONGEST_LINE = 1 << 26


def encode(order: Order | str) -> bytes:
    """An order, or CUT, as a line with its end."""
    return json.dumps(order if isinstance(order, str) else astuple(order)).encode() + b"\n"


def decode(line: bytes) -> Order | str:
    """The order, or CUT, in a line."""
    found = json.loads(line)
    return found if isinstance(found, str) else Order(*found)
