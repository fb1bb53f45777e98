"""Sessions of several turns: which request is which turn, what it carries, and when the next one is due."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Hashable
from typing import Any

from autotuner.api.traffic_scenarios import Turns
from autotuner.benchmark.contract.level_run import Request

# A turn is due a moment after the answer at the earliest: it has to be written and handed to the process that sends.
SOONEST_SECONDS = 0.02


class Sessions:
    """The sessions of a level. Request number k is turn k % count of session k // count.

    Args:
        turns: how many there are, and the mean time between them.
        key: what these times are drawn from.
    """

    def __init__(self, turns: Turns, key: Hashable) -> None:
        self._turns, self._key = turns, key
        self._said: dict[int, list[dict[str, Any]]] = {}

    def messages(self, number: int, prompt: str) -> list[dict[str, Any]]:
        """The conversation that a turn carries: all before it, with the engine's own answers, and its prompt."""
        said = self._said.setdefault(number // self._turns.count, [])
        said.append({"role": "user", "content": prompt})
        return list(said)

    def next_turn(self, request: Request) -> tuple[int, float] | None:
        """The number of the turn that follows a request which is over, and in how many seconds it is due.

        None behind the last turn, and where there is no answer to go on from.
        """
        session, turn = divmod(request.user, self._turns.count)
        if not request.ok or turn + 1 == self._turns.count:
            self._said.pop(session, None)
            return None
        self._said[session].append({"role": "assistant", "content": request.answer})
        number = request.user + 1
        return number, SOONEST_SECONDS + think_seconds(self._turns, self._key, number)


def think_seconds(turns: Turns, key: Hashable, number: int) -> float:
    """The drawn time between an answer and request number `number`, the next turn of its session."""
    if not turns.think_seconds:
        return 0.0
    draw = random.Random(hashlib.blake2s(repr((key, "think", number)).encode()).digest())
    return draw.expovariate(1 / turns.think_seconds)
