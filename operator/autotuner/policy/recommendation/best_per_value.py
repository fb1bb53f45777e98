"""The best that was measured with each value of each parameter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autotuner import scoring
from autotuner.engines.arguments import text
from autotuner.policy.evidence.baseline_flag_values import UNSET
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.recommendation.finished_task import FinishedTask
from autotuner.search.space.activity import INACTIVE


@dataclass(frozen=True)
class ValueRow:
    """The best that was measured with one value of one parameter.

    Attributes:
        name: of the parameter.
        value: as written; `unset`, or `inactive` where a condition switches the parameter off.
        tried: experiments with it that ended by themselves, well or badly.
        feasible: those that keep the SLOs.
        stopped: those whose ladder ended early because they could not become the best: of the SLOs it says nothing.
        best: of the first objective among these, in SI units, with broken soft SLOs counted in the comparison; by its
            repeats where it was measured again. None without one.
        experiment: that reached it.
    """

    name: str
    value: str
    tried: int
    feasible: int
    stopped: int
    best: float | None = None
    experiment: str = ""


def rows(answer: FinishedTask) -> Iterator[ValueRow]:
    """A row for each value that was tried, in the order of the space."""
    space = answer.seen.space
    baseline = [answer.seen.baseline] if answer.seen.baseline is not None else []  # perhaps of the space, too
    tried = [*baseline, *answer.seen.tried]
    over = [one for one in tried if one.outcome not in (None, "nothing", "environment", "stop")]
    known = [(space.places(one.configuration), one) for one in over if one.configuration is not None]
    for number, dimension in enumerate(space.dimensions):
        for place in (*range(len(dimension.values)), INACTIVE):
            those = [one for places, one in known if places[number] == place]
            if those:
                value = dimension.values[place] if place != INACTIVE else None
                written = "inactive" if place == INACTIVE else UNSET if value is None else text(value)
                yield _row(dimension.name, written, those, answer)


def _row(name: str, written: str, those: list[Measured], answer: FinishedTask) -> ValueRow:
    best, most, experiment, feasible = None, None, "", 0
    for one in those:
        figures = answer.figures(one)
        if figures is None:
            continue
        feasible += 1
        value, worth = figures
        if most is None or scoring.better(worth, most, answer.objective.metric):
            best, most, experiment = value, worth, one.name
    stopped = sum(one.outcome == "bound" for one in those)
    return ValueRow(name, written, len(those), feasible, stopped, best, experiment)
