"""What others have measured already: finished experiments of the namespace that answer for this task.

One answers for a configuration of this task if its fingerprint is the one that this task's own experiment for that
configuration would get, on what the baseline was measured on. Its levels are then judged by this task's own goal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import ValidationError

from autotuner import clock
from autotuner.api.experiment import ExperimentSpec, ExperimentStatus
from autotuner.kubernetes_object import Object
from autotuner.ownership import controlled_by
from autotuner.policy.conditions import find
from autotuner.policy.evidence import experiment_spec
from autotuner.policy.evidence.experiment_spec import Ingredients
from autotuner.policy.evidence.measurements import Measured, Settled, scored
from autotuner.policy.experiment.fingerprint import fingerprint
from autotuner.policy.experiment.reasons import REPRODUCIBLE, SUCCEEDED
from autotuner.search.space.configuration import Configuration

SpecOrStatus = TypeVar("SpecOrStatus", ExperimentSpec, ExperimentStatus)
_NO_INDEX = -1  # of its own task's numbers it has none, so that it comes before all that have


def read(objects: Sequence[Object], common: Ingredients, first: Settled, start: datetime) -> list[Measured]:
    """The finished experiments that answer for this task, by name; of several for one configuration only the newest.

    Args:
        objects: finished experiments of the namespace, this task's own perhaps among them.
        common: what this task's experiments have in common.
        first: the baseline that counts. Where it never got as far as to tell its image, nothing can be compared.
        start: of the task: later ones do not count, so that the answer does not depend on what others do meanwhile.
    """
    wanted = common.spec.search.reuse
    if wanted is None or first.status.hashes is None or not first.status.image_id:
        return []
    oldest = start - timedelta(hours=wanted.max_age_hours)
    newest: dict[str, tuple[datetime, Measured]] = {}
    for item in objects:
        status = _parsed(ExperimentStatus, item.get("status") or {})
        since = _finished_at(item, status, common.task) if status is not None else None
        if status is None or since is None or not oldest <= since <= start or status.hashes != first.status.hashes:
            continue
        if (one := _answer(item, status, common, first.status)) is None or one.configuration is None:
            continue
        identity = common.space.identity(one.configuration)
        if identity not in newest or newest[identity][0] < since:
            newest[identity] = since, one
    return sorted((one for _, one in newest.values()), key=lambda one: one.name)


def _parsed(kind: type[SpecOrStatus], body: Object) -> SpecOrStatus | None:
    """An experiment as models; None for one of another version of the operator, which must not stop this task."""
    try:
        return kind.model_validate(body)
    except ValidationError:
        return None


def _finished_at(item: Object, status: ExperimentStatus, task: Mapping[str, Any]) -> datetime | None:
    """When an experiment was finished; None if it may not answer for others, as with a ladder that was stopped."""
    over = find(status.conditions, "Finished")
    if over is None or over.status != "True" or status.fingerprint is None:
        return None
    if controlled_by(item, task["metadata"]["uid"]) or "deletionTimestamp" in item["metadata"]:
        return None
    whole = status.reason in SUCCEEDED and status.ladder == "Complete"
    return clock.parse(over.last_transition_time) if whole or status.reason in REPRODUCIBLE else None


def _answer(item: Object, status: ExperimentStatus, common: Ingredients, first: ExperimentStatus) -> Measured | None:
    assert first.hashes is not None, "asked before"
    theirs = _parsed(ExperimentSpec, item["spec"])
    for configuration in _configurations(theirs, common) if theirs is not None else ():
        # Whatever the other task calls it and wherever it may run: from here on it is as if it were this task's.
        spec = experiment_spec.specification(common, "Search", configuration)
        expected = fingerprint(
            spec,
            first.hashes,
            first.image_id or "",
            first.accelerator_product,
            first.accelerator_sharing,
            first.traces or (),
        )
        if expected == status.fingerprint:
            outcome, score = scored(spec, status, common.spec)
            name = item["metadata"]["name"]
            return Measured(name, _NO_INDEX, item, spec, status, configuration, outcome, score, False, reused=True)
    return None


def _configurations(spec: ExperimentSpec, common: Ingredients) -> Iterator[Configuration]:
    """What an experiment may be in this space: by its parameters, which are quick to read, else by its arguments."""
    space = common.space
    named = space.read(spec.parameters or [])
    if named is not None and space.forbidden(space.places(named)) is None:
        yield named
    located, _ = space.locate(spec.service.args)
    if located is not None and located != named:
        yield located
