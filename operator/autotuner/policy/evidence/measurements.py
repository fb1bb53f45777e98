"""From experiments to what the search and the score work on: outcome, value, fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from autotuner import scoring
from autotuner.api.experiment import ExperimentSpec, ExperimentStatus
from autotuner.api.task import TaskSpec
from autotuner.ownership import WITHDRAWN_ANNOTATION
from autotuner.policy.conditions import find, is_true
from autotuner.policy.evidence import drift
from autotuner.policy.experiment.reasons import ExperimentOutcome, meaning
from autotuner.scoring import Score
from autotuner.search.experiment_record import BoundaryRecord, LevelRecord, Record, RecordOutcome
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space


@dataclass(frozen=True)
class Measured:
    """One experiment of a task, or one that answers for it, read for the search and the score."""

    name: str
    index: int
    object: Mapping[str, Any]  # its kind and metadata only: what is kept of hundreds is to stay small
    spec: ExperimentSpec
    status: ExperimentStatus
    configuration: Configuration | None  # None: a baseline that is no configuration of the space
    outcome: ExperimentOutcome | None  # None: not finished
    score: Score | None  # only of what was measured
    withdrawn: bool  # cancelled by the task itself, suspended or out of budget: as if it had never been
    reused: bool = False  # another's: it answers for this task as if it were its own
    drift: str = ""  # in what it differs from the baseline, so that nothing of it may be compared
    # made: a retry has replaced it; owed: a retry will, and until then it says nothing.
    retry: Literal["", "made", "owed"] = ""

    @property
    def finished(self) -> bool:
        """Whether the experiment is over and everything is released."""
        return is_true(self.status.conditions, "Finished")

    @property
    def begun(self) -> str | None:
        """When it began, by the operator's clock; None where that is not known."""
        created = self.status.times.created if self.status.times else None
        queued = find(self.status.conditions, "Scheduled")
        return created or (queued.last_transition_time if queued else None)

    @property
    def ended(self) -> str | None:
        """When it was over, by the operator's clock; None if it is not."""
        over = find(self.status.conditions, "Finished")
        return over.last_transition_time if over and over.status == "True" else None

    @property
    def failed(self) -> bool:
        """Whether the task paid for it and got no figures; what somebody cancelled did not fail."""
        return self.finished and self.score is None and not self.reused and self.status.reason != "Cancelled"

    @property
    def is_baseline(self) -> bool:
        """Whether the experiment measures what runs today."""
        return self.spec.purpose == "Baseline"

    @property
    def is_repeat(self) -> bool:
        """Whether the experiment measures again what was measured before; without parameters, the baseline."""
        return self.spec.purpose == "Confirm"

    @property
    def accelerators(self) -> int:
        """The accelerators by which its figures per GPU are divided, at least 1."""
        return self.spec.service.accelerator.count

    @property
    def held(self) -> int:
        """The accelerators that its engine takes away from others: none where it requests none."""
        return self.spec.service.accelerator.held

    @property
    def value(self) -> float:
        """The value of the first objective; only of an experiment that keeps the hard SLOs."""
        assert self.score is not None, "it keeps the hard SLOs"
        assert self.score.value is not None, "it keeps the hard SLOs"
        return self.score.value

    @property
    def worth(self) -> float:
        """The worth in the first objective, which is what comparisons use; only of one that keeps the hard SLOs."""
        assert self.score is not None, "it keeps the hard SLOs"
        assert self.score.worth is not None, "it keeps the hard SLOs"
        return self.score.worth

    @property
    def keeps(self) -> bool:
        """Whether it keeps the hard SLOs and has a worth above zero: there is no gain over nothing."""
        return self.score is not None and self.score.feasible and self.worth > 0


def index_of(name: str) -> int:
    """The number at the end of an experiment's name."""
    return int(name.rpartition("-")[2])


# Endings after which a baseline is repeated: they say nothing about what runs today.
REPEATED = ("environment", "nothing", "stop")


@dataclass(frozen=True)
class Settled:
    """The baseline that counts: what it ran on is fixed for the whole task."""

    name: str
    spec: ExperimentSpec
    status: ExperimentStatus


def settled(objects: Iterable[Mapping[str, Any]]) -> Settled | None:
    """The last baseline that was neither cancelled nor spoiled by the environment; None while there is none."""
    found: dict[int, Settled] = {}
    for item in objects:
        if item["spec"].get("purpose") != "Baseline":
            continue
        name, status = item["metadata"]["name"], ExperimentStatus.model_validate(item.get("status") or {})
        if status.reason and meaning(status.reason).outcome not in REPEATED:
            found[index_of(name)] = Settled(name, ExperimentSpec.model_validate(item["spec"]), status)
    return found[max(found)] if found else None


Answer = TypeVar("Answer")


class Readings:
    """Reads a task's experiments, and what is finished and unchanged only once: most of a long task is.

    It forgets all when what the reading depends on besides the experiment is another.
    """

    def __init__(self) -> None:
        self._circumstances: tuple[TaskSpec, Space, Settled | None, Configuration | None] | None = None
        self._known: dict[str, Measured] = {}
        self._answers: dict[str, list[tuple[Any, Any]]] = {}

    def answer(self, subject: str, question: Any, work_out: Callable[[], Answer]) -> Answer:
        """The answer to a question about the task, worked out again unless it is one of the last two on its subject.

        A task that waits for room asks its search the same at each look, and an answer takes tenths of a second; the
        space, and where today's configuration lies in it, seldom change at all.
        """
        answers = self._answers.get(subject, [])
        for known, answer in answers:
            if known == question:
                found: Answer = answer
                return found
        found = work_out()
        self._answers[subject] = [(question, found), *answers[:1]]
        return found

    def read(
        self, objects: Sequence[Mapping[str, Any]], task: TaskSpec, space: Space, today: Configuration | None = None
    ) -> list[Measured]:
        """The task's experiments by index, each scored by the task's own objective and SLOs.

        Args:
            objects: the experiments.
            task: whose they are.
            space: that is searched.
            today: the configuration of the space that the baseline is, if it is one.
        """
        circumstances = (task, space, settled(objects), today)
        if circumstances != self._circumstances:
            self._circumstances, self._known, self._answers = circumstances, {}, {}
        read = [self._known.get(_version(item)) or _read(item, *circumstances) for item in objects]
        self._known = {version: one for one in read if one.finished and (version := _version(one.object))}
        return sorted(read, key=lambda one: one.index)


def unplaced(objects: Sequence[Mapping[str, Any]], task: TaskSpec) -> list[Measured]:
    """The task's experiments by index, scored, without their places in a space: for those who only show them.

    Args:
        objects: the experiments.
        task: whose they are.
    """
    first = settled(objects)
    return sorted((_read(item, task, None, first, None) for item in objects), key=lambda one: one.index)


def _version(item: Mapping[str, Any]) -> str:
    """What tells an object at one time from all others at all times; empty where the API server did not say."""
    meta = item["metadata"]
    return f"{meta['uid']}/{meta['resourceVersion']}" if "uid" in meta and "resourceVersion" in meta else ""


def _read(
    item: Mapping[str, Any], task: TaskSpec, space: Space | None, first: Settled | None, today: Configuration | None
) -> Measured:
    spec = ExperimentSpec.model_validate(item["spec"])
    status = ExperimentStatus.model_validate(item.get("status") or {})
    finished = is_true(status.conditions, "Finished")
    difference = drift.difference(first.status, status) if first and finished and spec.purpose != "Baseline" else ""
    outcome, score = ("environment", None) if difference else scored(spec, status, task)
    annotations = item["metadata"].get("annotations") or {}
    return Measured(
        name=item["metadata"]["name"],
        index=index_of(item["metadata"]["name"]),
        object=_identity(item),
        spec=spec,
        status=status,
        configuration=today if space is None or _of_baseline(spec) else space.read(spec.parameters or []),
        outcome=outcome,
        score=score,
        withdrawn=outcome == "nothing" and annotations.get(WITHDRAWN_ANNOTATION) == "true",
        drift=difference,
    )


def _identity(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: item[key] for key in ("apiVersion", "kind", "metadata") if key in item}


def scored(
    spec: ExperimentSpec, status: ExperimentStatus, task: TaskSpec
) -> tuple[ExperimentOutcome | None, Score | None]:
    """The outcome and score of an experiment by the task's own objectives and SLOs; None before it is finished."""
    if not is_true(status.conditions, "Finished") or not status.reason:
        return None, None
    outcome = meaning(status.reason).outcome
    if outcome not in ("value", "infeasible"):
        return outcome, None
    goal = scoring.Goal.of(task)
    if spec.purpose == "Confirm":
        goal = goal.on(spec.benchmark.ladder)
    score = scoring.score(status.levels or [], goal, spec.service.accelerator.count, status.ladder)
    return score.outcome, score


def _of_baseline(spec: ExperimentSpec) -> bool:
    return spec.purpose == "Baseline" or (spec.purpose == "Confirm" and spec.parameters is None)


# A configuration that somebody cancelled is taken, and nothing was learned about it.
_TOLD: Mapping[ExperimentOutcome, RecordOutcome] = {
    "value": "value",
    "infeasible": "infeasible",
    "bound": "bound",
    "unknown": "unknown",
    "crash": "crash",
    "environment": "environment",
    "impossible": "impossible",
    "stop": "environment",
    "nothing": "environment",
}


def for_search(measured: Iterable[Measured]) -> list[Record]:
    """The records that the search learns from: all that ended, without repeats and what the task withdrew itself.

    A baseline that is a configuration of the space is one of them, unless it will be measured again.
    """
    records = []
    for one in measured:
        if one.is_repeat or one.outcome is None or one.withdrawn or one.retry:
            continue
        if one.is_baseline and (one.configuration is None or one.outcome in REPEATED):
            continue
        told = _TOLD[one.outcome]
        if one.score is None:
            records.append(Record(one.configuration, told))
        else:
            records.append(_record(one.configuration, told, one.score))
    return records


def _record(configuration: Configuration | None, told: RecordOutcome, score: Score) -> Record:
    edge = score.boundary
    return Record(
        configuration,
        told,
        score.worths,
        score.shortfall,
        tuple(LevelRecord(float(rung.offered), rung.worths, rung.distances) for rung in score.rungs),
        BoundaryRecord(edge.value, edge.low, edge.high) if edge else None,
    )
