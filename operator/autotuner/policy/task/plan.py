"""What a reconcile of a task will do, and how its status is put together on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from autotuner import clock
from autotuner.api.task_status import TaskStatus
from autotuner.kubernetes_object import Object
from autotuner.policy import trouble
from autotuner.policy.conditions import ConditionSet, find, shorten, steady
from autotuner.policy.events import Event
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task import status_message
from autotuner.policy.task.next_experiment import Suggest


@dataclass(frozen=True)
class TaskPlan:
    """What a reconcile will do: create and recommend first, then write the status, then cancel and send events."""

    status: TaskStatus
    create_model: Object | None = None
    create_runtime: Object | None = None
    create_probe: Object | None = None
    create_experiments: tuple[Object, ...] = ()  # in this order
    write_probe: Object | None = None
    write_preview: Object | None = None
    write_recommendation: Object | None = None
    waits_for_turn: bool = False  # something would start if the limits over all tasks let it
    withdraw: tuple[str, ...] = ()  # experiments to cancel
    events: tuple[Event, ...] = ()
    look_again: datetime | None = None


@dataclass
class PlanBuilder:
    """Collects conditions, changes of the status and events until the plan is complete."""

    seen: ObservedTask
    now: datetime
    conditions: ConditionSet
    suggest: Suggest
    changes: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def plan(self, message: str, look_again: datetime | None = None, **actions: Any) -> TaskPlan:
        """Complete the plan, with this message and these actions."""
        before = self.seen.status
        message = self._with_obstacles(message)
        succeeded = self.conditions.get("Succeeded")
        status = before.model_copy(
            update={
                **self.changes,
                "observed_generation": self.seen.generation,
                "conditions": self.conditions.list(),
                "message": shorten(message),
            }
        )
        spec = self.seen.spec
        shown = {"phase": status_message.phase(status, spec.suspend), "columns": status_message.columns(status, spec)}
        status = status.model_copy(update=shown)
        if (status.phase, status.experiments) != (before.phase, before.experiments):
            status = status.model_copy(update={"last_progress_time": clock.stamp(self.now)})
        if succeeded and before.phase != status.phase and status.phase != "Pending":
            kind = "Warning" if status.phase == "Failed" else "Normal"
            self.events.append(Event(kind, succeeded.reason, message))
        return TaskPlan(status, events=tuple(self.events), look_again=look_again, **actions)

    def _with_obstacles(self, message: str) -> str:
        """The message, with what keeps the task or its experiments back; that is the message of Succeeded too."""
        seen = self.seen
        if seen.status.start_time is None:
            return message
        found = (seen.answer, status_message.obstacles(seen.running), trouble.words(seen.status.conditions))
        if not (words := shorten("; ".join(filter(None, found)))):
            return message
        told = find(seen.status.conditions, "Succeeded")
        words = steady(told.message, words) if told else words
        if seen.unanswered and not (told and told.message == words):
            self.events.append(Event("Warning", "NotCreated", words))
        if (succeeded := self.conditions.get("Succeeded")) and succeeded.status == "Unknown":
            self.conditions.set("Succeeded", "Unknown", succeeded.reason, words)
        return trouble.with_words(message, words)

    def end(self, succeeded: bool, reason: str, message: str, **actions: Any) -> TaskPlan:
        """Complete the plan of the last reconcile: the task is over for good."""
        self.conditions.set("Succeeded", "True" if succeeded else "False", reason, message)
        self.conditions.set("Finished", "True", reason, message)
        self.changes["completion_time"] = clock.stamp(self.now)
        return self.plan(message, **actions)
