"""Figures of many runs: the table, and whether the bars were reached."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.search.runs import NEAR, Run

BATCH = 4
_FRONT_AT = 20
_HEAD = ("method", "n5", "hit", "p90 regret", "failures", "ms")


@dataclass(frozen=True)
class Bar:
    """A figure that is promised.

    Attributes:
        what: it is of.
        value: that was measured; NaN if it was not.
        limit: to keep.
        least: whether the limit is a floor.
    """

    what: str
    value: float
    limit: float
    least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.least else self.value <= self.limit

    def __str__(self) -> str:
        kept = "met" if self.met else "MISSED"
        return f"  {self.what:46} {self.value:8.3g}   {'least' if self.least else 'most'} {self.limit:<5g} {kept}"


def marks(experiments: int) -> list[int]:
    """After how many experiments fronts are looked at; the last one is the budget."""
    return [*(mark for mark in (_FRONT_AT // 2, _FRONT_AT) if mark < experiments), experiments]


def lines(runs: Sequence[Run], experiments: int) -> Iterator[str]:
    """The whole table; runs of a budget of so many experiments."""
    single = [run for run in runs if run.batch == 1 and not run.shares]
    for surface, goal in dict.fromkeys((run.surface, run.goal) for run in single):
        here = [one for one in single if (one.surface, one.goal) == (surface, goal)]
        yield from _block(f"{surface} {goal}", here, experiments)
    for title, among in _kinds(single):
        yield from _block(title, among, experiments)
    for title, among in _kinds([run for run in runs if run.batch > 1]):
        yield f"{title}, batches of {BATCH}"
        yield _line(_HEAD[:2])
        yield from (_line((method, _until(ours, experiments))) for method, ours in _by_method(among))
    fronts = [run for run in runs if run.shares]
    for surface in dict.fromkeys(run.surface for run in fronts):
        yield from _shares(surface, [run for run in fronts if run.surface == surface], experiments)
    if fronts:
        yield from _shares("grids", fronts, experiments)


def bars(runs: Sequence[Run]) -> list[Bar]:
    """What is promised of the product's search, as far as it was measured."""
    ours = [run for run in runs if run.method == "bayesian"]
    single = [run for run in ours if run.batch == 1 and not run.shares]
    grids, pools = ([one for one in single if _is_pool(one) is pool] for pool in (False, True))
    batches = [run for run in ours if run.batch > 1]
    found = [
        Bar("n5, grids", _n5(grids), 10),
        Bar("n5, pools", _n5(pools), 12),
        Bar("hit: share of runs there at the end, all", _hit(single), 0.97, least=True),
        Bar("hit: grids alone", _hit(grids), 0.97, least=True),
        Bar("failures, grids", _mean([run.failures for run in grids]), 2),
        *(
            Bar(f"n5 in batches of {BATCH}, more than one by one, {name}", _more(batches, single, pool), 1)
            for name, pool in (("grids", False), ("pools", True))
        ),
        Bar(
            f"share of the front at {_FRONT_AT}",
            _mean([run.shares[1] for run in ours if len(run.shares) > 2]),
            0.95,
            least=True,
        ),
        Bar("ms for a proposal", _mean([run.ms for run in single]), 60),
    ]
    return [bar for bar in found if not math.isnan(bar.value)]


def _block(title: str, runs: Sequence[Run], experiments: int) -> Iterator[str]:
    yield title
    yield _line(_HEAD)
    for method, ours in _by_method(runs):
        regret = float(np.percentile([run.regret for run in ours], 90, method="higher"))
        yield _line(
            (
                method,
                _until(ours, experiments),
                f"{_hit(ours):.1%}",
                "fails" if math.isinf(regret) else f"{regret:.1%}",
                f"{_mean([run.failures for run in ours]):.1f}",
                f"{_mean([run.ms for run in ours]):.1f}",
            )
        )


def _shares(title: str, runs: Sequence[Run], experiments: int) -> Iterator[str]:
    yield f"{title}, share of the front's hypervolume"
    yield _line(("method", *(f"at {mark}" for mark in marks(experiments)), "ms"))
    for method, ours in _by_method(runs):
        shares = [f"{share:.3f}" for share in np.mean([run.shares for run in ours], axis=0)]
        yield _line((method, *shares, f"{_mean([run.ms for run in ours]):.1f}"))


def _kinds(runs: Sequence[Run]) -> Iterator[tuple[str, Sequence[Run]]]:
    grids = [run for run in runs if not _is_pool(run)]
    for title, among in (("grids", grids), ("pools", [run for run in runs if _is_pool(run)]), ("all", runs)):
        if among:
            yield title, among


def _is_pool(run: Run) -> bool:
    return run.goal == "score"


def _by_method(runs: Sequence[Run]) -> Iterator[tuple[str, Sequence[Run]]]:
    for method in dict.fromkeys(run.method for run in runs):
        yield method, [run for run in runs if run.method == method]


def _n5(runs: Sequence[Run]) -> float:
    return float(np.median([run.first for run in runs])) if runs else math.nan


def _until(runs: Sequence[Run], experiments: int) -> str:
    found = _n5(runs)
    return f"> {experiments}" if math.isinf(found) else f"{found:.1f}"


def _hit(runs: Sequence[Run]) -> float:
    return _mean([float(run.regret <= NEAR) for run in runs])


def _more(batches: Sequence[Run], single: Sequence[Run], pool: bool) -> float:
    several, alone = (_n5([run for run in runs if _is_pool(run) is pool]) for runs in (batches, single))
    return math.inf if math.isinf(several) else several - alone


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _line(cells: Sequence[str]) -> str:
    return f"  {cells[0]:12}" + "".join(f"{cell:>11}" for cell in cells[1:])
