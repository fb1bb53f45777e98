"""Conditions: one way to set them, so that lastTransitionTime moves only when the status does."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from autotuner import clock
from autotuner.api.common import Condition

Status = Literal["True", "False", "Unknown"]
MESSAGE_MAX = 1024
# Of kstatus, by which Helm, Flux and others judge kinds that they do not know: True is a failure, absence is none.
STALLED = "Stalled"
# Conditions that, where False for such a reason, are a failure.
_STALLING: dict[str, Callable[[str], bool]] = {
    "Valid": lambda _: True,
    "Succeeded": lambda reason: reason != "Cancelled",
    "Released": lambda reason: reason == "TeardownStuck",
}
_NUMBER = re.compile(r"\d+")


def shorten(text: str, limit: int = MESSAGE_MAX) -> str:
    """At most `limit` characters of the text, marked where it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def same_but_for_numbers(one: str, other: str) -> bool:
    """Whether two messages differ at most in numbers, such as the ports and seconds in an error of the network."""
    return _NUMBER.sub("#", one) == _NUMBER.sub("#", other)


def steady(before: str, text: str) -> str:
    """The text, or the one before it if only numbers differ: a status new with every attempt wakes its own writer."""
    return before if same_but_for_numbers(before, text) else text


class ConditionSet:
    """The conditions of one object while a reconcile recomputes them."""

    def __init__(self, existing: Sequence[Condition] | None, generation: int, now: datetime) -> None:
        self._conditions = {condition.type: condition for condition in existing or ()}
        self._generation, self._now = generation, now

    def set(self, kind: str, status: Status, reason: str, message: str = "") -> None:
        """Set a condition; its transition time stays unless the status changed."""
        before = self._conditions.get(kind)
        since = before.last_transition_time if before and before.status == status else clock.stamp(self._now)
        self._conditions[kind] = Condition(
            type=kind,
            status=status,
            reason=reason,
            message=shorten(message),
            last_transition_time=since,
            observed_generation=self._generation,
        )

    def get(self, kind: str) -> Condition | None:
        """The condition of this type, if set."""
        return self._conditions.get(kind)

    def list(self) -> list[Condition]:
        """All conditions, in the order in which they were first set, Stalled last and only where it is so."""
        cause = next(filter(None, map(self._stalling, _STALLING)), None)
        if cause is None:
            self._conditions.pop(STALLED, None)
        else:
            self.set(STALLED, "True", cause.reason, cause.message)
        return list(self._conditions.values())

    def acknowledge(self) -> None:
        """Note that the present generation changes nothing of what the conditions say."""
        for condition in [*self._conditions.values()]:
            self.set(condition.type, condition.status, condition.reason, condition.message)

    def _stalling(self, kind: str) -> Condition | None:
        """The condition of this type if it says that somebody has to do something, or that this has failed."""
        found = self._conditions.get(kind)
        return found if found and found.status == "False" and _STALLING[kind](found.reason) else None


def find(conditions: Sequence[Condition] | None, kind: str) -> Condition | None:
    """The condition of this type, if set."""
    return next((condition for condition in conditions or () if condition.type == kind), None)


def is_true(conditions: Sequence[Condition] | None, kind: str) -> bool:
    """Whether the condition of this type is set and True."""
    condition = find(conditions, kind)
    return condition is not None and condition.status == "True"
