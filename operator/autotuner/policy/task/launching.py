"""The experiments that a reconcile creates, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from autotuner.api.experiment import Purpose
from autotuner.api.task_status import ExperimentCounts
from autotuner.kubernetes_object import Object
from autotuner.policy.events import Event
from autotuner.policy.evidence import experiment_spec, retries
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.task import best_so_far, experiment_counts
from autotuner.policy.task.next_experiment import NextExperiment
from autotuner.policy.task.plan import PlanBuilder, TaskPlan
from autotuner.policy.task.starting import Candidate, ingredients
from autotuner.policy.task.status_message import listed
from autotuner.search.space.configuration import Configuration

_NAME_POLL = timedelta(seconds=0.5)  # another task's experiment of the same name is being deleted
_ANSWER_POLL = timedelta(seconds=2)


@dataclass(frozen=True)
class Launch:
    """An experiment to create.

    Attributes:
        body: the TuningExperiment.
        what: is measured, in words.
        number: of the search's experiments; None if it is not a new one of them.
    """

    body: Object
    what: str
    number: int | None = None

    @property
    def name(self) -> str:
        """The name of the TuningExperiment."""
        return str(self.body["metadata"]["name"])


def baseline(builder: PlanBuilder) -> Launch:
    """The launch of the first experiment."""
    return Launch(_body(builder, 0, "Baseline", None), "the baseline")


def again(builder: PlanBuilder, one: Measured, place: int = 0) -> Launch:
    """The launch that measures again what ended in a way that is not believed.

    Args:
        builder: of the reconcile.
        one: that ended.
        place: among the experiments that are created.
    """
    of = retries.first_try(one)
    body = experiment_spec.retry(ingredients(builder.seen), one.spec, index=_next_index(builder) + place, of=of)
    what = "the baseline" if one.is_baseline else of
    return Launch(body, f"{what} again: {one.name} ended with {one.status.reason}: {one.status.message}")


def of_search(builder: PlanBuilder, start: Sequence[Candidate]) -> list[Launch]:
    """The launches of what of the search starts."""
    number, found = len(builder.seen.search), []
    for place, one in enumerate(start):
        if isinstance(one.wanted, Measured):
            found.append(again(builder, one.wanted, place))
            number += not one.wanted.is_baseline
        else:
            number += 1
            found.append(_new(builder, one.wanted, place, number))
    return found


def message(builder: PlanBuilder, launches: Sequence[Launch]) -> str:
    """What is started, for people: `experiments 4 and 5 of 30 starting as chat-4 and chat-5`."""
    parts = [f"measuring {one.what}" if " again: " in one.what else "" for one in launches]
    new = [one for one, part in zip(launches, parts, strict=True) if not part]
    if new:
        what = new[0].what
        if len(new) > 1:
            numbers = listed([str(one.number) for one in new])
            what = f"experiments {numbers} of {experiment_counts.wanted(builder.seen)}"
        parts.append(f"{what} starting as {listed([one.name for one in new])}")
    return "; ".join(filter(None, parts))


def plan(
    builder: PlanBuilder, launches: Sequence[Launch], message: str, look_again: datetime | None = None
) -> TaskPlan:
    """The plan that creates experiments, unless that is impossible just now.

    Args:
        builder: of the reconcile.
        launches: at least one.
        message: for people.
        look_again: at the latest.
    """
    seen, counts = builder.seen, builder.changes["experiments"]
    if seen.turn:
        return builder.plan(seen.turn, look_again, waits_for_turn=True)
    if seen.obstacle:
        return builder.plan(f"waiting to create {launches[0].name}: {seen.obstacle}", builder.now + _NAME_POLL)
    if seen.unanswered:
        return builder.plan(f"waiting to create {launches[0].name}", builder.now + _ANSWER_POLL)
    # The names are used up even if the status write is lost: the next reconcile observes the experiments themselves.
    builder.changes["experiments"] = counts.model_copy(
        update={"next_index": counts.next_index + len(launches), "running": counts.running + len(launches)}
    )
    for one in launches:
        builder.events.append(Event("Normal", "ExperimentCreated", f"{one.name}: {one.what}"))
    return builder.plan(message, look_again, create_experiments=tuple(one.body for one in launches))


def repeat(builder: PlanBuilder, original: Measured, block: int, ladder: Sequence[float], what: str) -> Launch:
    """The launch that measures a leader or the baseline again for the confirmation.

    Args:
        builder: of the reconcile.
        original: experiment of the search.
        block: that the run belongs to.
        ladder: the levels.
        what: is measured, in words.
    """
    seen = builder.seen
    host = _host_of_block(builder, block) if seen.spec.search.confirm.same_node else None
    body = experiment_spec.repeat(
        ingredients(seen), original.spec, index=_next_index(builder), block=block, ladder=ladder, host=host
    )
    return Launch(body, f"{what} again, block {block}")


def _host_of_block(builder: PlanBuilder, block: int) -> str | None:
    """The host name of the node on which the first run of a block ran that counts; None before there is one."""
    seen = builder.seen
    runs = [one for one in seen.measured if one.is_repeat and one.spec.block == block]
    node = next((one.status.node for one in runs if one.status.node and one.score is not None), None)
    live = next((one for one in seen.nodes if one["metadata"]["name"] == node), None)
    labels = (live["metadata"].get("labels") or {}) if live else {}
    return labels.get(experiment_spec.HOST_LABEL, node)


def _new(builder: PlanBuilder, one: NextExperiment, place: int, number: int) -> Launch:
    what = f"experiment {number} of {experiment_counts.wanted(builder.seen)}"
    return Launch(_body(builder, place, one.purpose, one.configuration), what, number)


def _body(builder: PlanBuilder, place: int, purpose: Purpose, configuration: Configuration | None) -> Object:
    seen = builder.seen
    leader = best_so_far.leader(seen.measured, seen.spec.objectives[0])
    return experiment_spec.experiment(
        ingredients(seen),
        index=_next_index(builder) + place,
        purpose=purpose,
        configuration=configuration,
        best=leader.worth if leader and purpose != "Baseline" else None,
        at=leader.score.at[0] if leader and leader.score and purpose != "Baseline" else None,
    )


def _next_index(builder: PlanBuilder) -> int:
    counts: ExperimentCounts = builder.changes["experiments"]
    return counts.next_index
