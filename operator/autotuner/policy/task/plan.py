"""What one pass over a task decides, while it is being put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from autotuner import clock, engines
from autotuner.api.task_status import Recommendation, TaskStatus
from autotuner.objects import Object
from autotuner.policy import recommendation
from autotuner.policy.conditions import ConditionSet, shorten
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.experiment.decide import Happening
from autotuner.policy.recommendation import numerics
from autotuner.policy.task import best_so_far


@dataclass(frozen=True)
class TaskPlan:
    """What one pass will do: create and explain first, then write the status, then cancel and tell."""

    status: TaskStatus
    create_model: Object | None = None
    create_runtime: Object | None = None
    create_experiment: Object | None = None
    write_preview: Object | None = None
    write_recommendation: Object | None = None
    withdraw: tuple[str, ...] = ()  # experiments to cancel
    happenings: tuple[Happening, ...] = ()
    look_again: datetime | None = None


@dataclass
class Draft:
    """The status while a pass writes it."""

    seen: ObservedTask
    now: datetime
    conditions: ConditionSet
    changes: dict[str, Any] = field(default_factory=dict)
    happenings: list[Happening] = field(default_factory=list)

    def plan(self, message: str, look_again: datetime | None = None, **actions: Any) -> TaskPlan:
        """The pass ends here, with this message and these actions."""
        before = self.seen.status
        self._note_numerics()
        succeeded = self.conditions.get("Succeeded")
        status = before.model_copy(
            update={
                **self.changes,
                "observed_generation": self.seen.generation,
                "conditions": self.conditions.list(),
                "message": shorten(message),
            }
        )
        status = status.model_copy(update={"phase": best_so_far.phase(status, self.seen.spec.suspend)})
        if (status.phase, status.experiments) != (before.phase, before.experiments):
            status = status.model_copy(update={"last_progress_time": clock.stamp(self.now)})
        if succeeded and before.phase != status.phase and status.phase != "Pending":
            kind = "Warning" if status.phase == "Failed" else "Normal"
            self.happenings.append(Happening(kind, succeeded.reason, message))
        return TaskPlan(status, happenings=tuple(self.happenings), look_again=look_again, **actions)

    def end(self, succeeded: bool, reason: str, message: str) -> TaskPlan:
        """The task is over for good."""
        self.conditions.set("Succeeded", "True" if succeeded else "False", reason, message)
        self.conditions.set("Finished", "True", reason, message)
        self.changes["completion_time"] = clock.stamp(self.now)
        return self._explained(message) if succeeded else self.plan(message)

    def _explained(self, message: str) -> TaskPlan:
        """The end, with what there is to apply and why."""
        self._note_numerics()
        answer = recommendation.Answer(self.seen, self.changes.get("best"), self.changes.get("front"), self.now)
        self.changes["importance"] = answer.importance or None
        if obstacle := self.seen.recommendation_obstacle:
            self.happenings.append(Happening("Warning", "RecommendationNotWritten", obstacle))
            return self.plan(f"{message}; {obstacle}")
        self.changes["recommendation"] = Recommendation(config_map=recommendation.name(self.seen.object))
        return self.plan(message, write_recommendation=recommendation.config_map(answer))

    def _note_numerics(self) -> None:
        """Which flags of the best may have changed what the model answers."""
        best = self.changes.get("best")
        # Without a best the experiments may be unreadable: they are read by the space of a spec that is valid.
        if best is not None and (baseline := self.seen.baseline) is not None:
            changed = numerics.changed(engines.get(self.seen.engine), best.args, baseline.spec.service.args)
            self.changes["best"] = best.model_copy(update={"numerics_changed": changed or None})
