"""A reconcile that fails again and again: how its object says so.

Such a reconcile comes to no plan, so its own status says nothing of it. The condition Reconciled does, which later
plans leave alone; it is there only while there is trouble.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from autotuner.api.common import Condition
from autotuner.api.experiment import ExperimentStatus
from autotuner.api.task_status import TaskStatus
from autotuner.policy.conditions import ConditionSet, find, shorten

CONDITION = "Reconciled"
REASON = "Failing"
Status = TypeVar("Status", ExperimentStatus, TaskStatus)


def words(conditions: Sequence[Condition] | None) -> str:
    """What the object was told of its reconciles; empty if nothing."""
    found = find(conditions, CONDITION)
    return found.message if found is not None else ""


def with_words(message: str, said: str) -> str:
    """A message for people, with what stands in the way of its object."""
    return "; ".join(filter(None, (message, said))) if said not in message else message


def told(status: Status, error: str, generation: int, now: datetime) -> Status:
    """The status that says with which error the reconciles fail; how an experiment ended stays in its message."""
    conditions = ConditionSet(status.conditions, generation, now)
    before = words(status.conditions)
    said = shorten(f"the operator cannot go on and keeps trying: {error}")
    conditions.set(CONDITION, "False", REASON, said)
    message = (status.message or "").removesuffix(before).removesuffix("; ")
    ended = isinstance(status, ExperimentStatus) and status.reason
    return status.model_copy(
        update={
            "conditions": conditions.list(),
            "message": status.message if ended else shorten(with_words(message, said)),
        }
    )


def forgotten(status: Status) -> Status:
    """The status without the trouble; the next plan says the rest."""
    left = [condition for condition in status.conditions or () if condition.type != CONDITION]
    return status.model_copy(update={"conditions": left or None})
