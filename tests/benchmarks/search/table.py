"""Figures of many runs: the table, and whether the bars were reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.search import paired
from tests.benchmarks.search.goals import NEAR
from tests.benchmarks.search.runs import Run

OWN = "bayesian"
# By how many experiments n5 may be later, with so many side by side, than one by one.
_LATER = {4: 1, 8: 4}
_FRONT_AT = 20
_EARLY, _AS_GOOD = 30, 0.02
_HEAD = ("method", "n5", "hit", "at 20", "p90", "failures", "repeats", "ended", "ms")
# Below this share of what runs, a best within 5 % is a needle.
_NEEDLE = 0.01
_HALVES = ("random surfaces, chosen on", "random surfaces, reported")


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
        return f"  {self.what:58} {self.value:8.3g}   {'least' if self.least else 'most'} {self.limit:<5.3g} {kept}"


def marks(experiments: int) -> list[int]:
    """After how many experiments fronts are looked at; the last one is the budget."""
    return [*(mark for mark in (_FRONT_AT // 2, _FRONT_AT) if mark < experiments), experiments]


def lines(runs: Sequence[Run], experiments: int) -> Iterator[str]:
    """The whole table; runs of a budget of so many experiments."""
    single = [run for run in runs if run.batch == 1 and not run.shares]
    for surface, goal in dict.fromkeys((run.surface, run.goal) for run in single if not is_random(run)):
        here = [one for one in single if (one.surface, one.goal) == (surface, goal)]
        yield from _block(f"{surface} {goal} ({here[0].near:.2%} is near the best)", here, experiments)
    for title, among in _kinds(single):
        yield from _block(title, among, experiments)
    for manner in _manners(runs):
        for title, among in _kinds(_in_manner(runs, manner)):
            yield f"{title}, {_told(manner)}"
            yield _line((*_HEAD[:2], "later", "each"))
            yield from (_beside(method, ours, single, experiments) for method, ours in _by_method(among))
    fronts = [run for run in runs if run.shares]
    for surface in dict.fromkeys(run.surface for run in fronts):
        yield from _shares(surface, [run for run in fronts if run.surface == surface], experiments)
    if fronts:
        yield from _shares("grids", fronts, experiments)


def bars(runs: Sequence[Run], experiments: int) -> list[Bar]:
    """What is promised of the product's search, as far as it was measured."""
    single = [run for run in runs if run.batch == 1 and not run.shares]
    found = [*_own_bars(runs, single), *_end_bars(single), *_rivals_bars(single, experiments), *_random_bars(single)]
    return [bar for bar in found if not math.isnan(bar.value)]


def is_random(run: Run) -> bool:
    """Whether its surface was drawn."""
    return run.surface.startswith("random-")


def _own_bars(runs: Sequence[Run], single: Sequence[Run]) -> list[Bar]:
    ours = [run for run in single if run.method == OWN]
    grids, pools = ([one for one in ours if kind(one)] for kind in (_is_grid, _is_pool))
    fronts = [run.shares for run in runs if run.method == OWN and len(run.shares) > 2]
    by_case = [_of_case(grids, case) for case in dict.fromkeys((run.surface, run.goal) for run in grids)]
    return [
        Bar("n5, grids", _n5(grids), 8),
        Bar("hit: share of runs there at the end, grids", _hit(grids), 0.97, least=True),
        Bar("hit: the worst grid and goal", _lowest(by_case, lambda one: one.near >= _NEEDLE), 0.9, least=True),
        Bar("hit: the worst needle", _lowest(by_case, lambda one: one.near < _NEEDLE), 0.5, least=True),
        Bar("failures, grids", _mean([run.failures for run in grids]), 2),
        Bar("n5, pools", _n5(pools), 10),
        Bar("hit: pools", _hit(pools), 0.95, least=True),
        *_beside_bars([run for run in runs if run.method == OWN], grids, pools),
        Bar(f"share of the front at {_FRONT_AT}", _mean([shares[1] for shares in fronts]), 0.95, least=True),
        Bar("share of the front at the end", _mean([shares[-1] for shares in fronts]), 0.99, least=True),
    ]


def _beside_bars(runs: Sequence[Run], grids: Sequence[Run], pools: Sequence[Run]) -> Iterator[Bar]:
    """Of experiments side by side and in batches, against the same runs one by one."""
    for manner in _manners(runs):
        for title, is_kind, alone in (("grids", _is_grid, grids), ("pools", _is_pool, pools)):
            among = [run for run in _in_manner(runs, manner) if is_kind(run)]
            if among and manner[0] in _LATER:
                what = f"n5 {_told(manner)}, more than one by one, {title}"
                yield Bar(what, _more(among, alone), _LATER[manner[0]])


def _end_bars(single: Sequence[Run]) -> Iterator[Bar]:
    """Of tasks that end when ten more experiments are expected to gain less than 1 %."""
    for title, among in _kinds([run for run in single if run.method == OWN]):
        ended = [run for run in among if not math.isinf(run.ended)]
        near = [run.ended_regret <= (1 + run.regret) * (1 + _AS_GOOD) - 1 for run in ended]
        if title == "grids":
            yield Bar("grids that end early, before 30", _mean([run.ended < _EARLY for run in among]), 0.5, least=True)
        yield Bar(f"ended, and within 2 % of the whole search: {title}", _mean(near), 0.9, least=True)


def _rivals_bars(single: Sequence[Run], experiments: int) -> list[Bar]:
    """Against each rival on each surface and goal, over the seeds that both have; and against the best one of all."""
    tabulated = [run for run in single if not is_random(run)]
    theirs = {name: among for name, among in _by_method(tabulated) if name != OWN}
    found = []
    for name, among in theirs.items():
        pairs = paired.by_case([run for run in tabulated if run.method == OWN], among)
        later = [one for one in pairs.values() if paired.later(one, experiments)]
        seldomer = [one for one in pairs.values() if paired.seldomer(one)]
        if pairs:
            found += [
                Bar(f"surfaces and goals where it is later than {name}", len(later), 0),
                Bar(f"surfaces and goals where it is less often there than {name}", len(seldomer), 0),
            ]
    best = min((_n5(among) for among in theirs.values()), default=math.nan)
    ours = _n5([run for run in tabulated if run.method == OWN])
    return [*found, Bar("n5 over all, as a share of the best rival's", ours / best if best else math.nan, 0.4)]


def _random_bars(single: Sequence[Run]) -> list[Bar]:
    drawn = [run for run in single if is_random(run)]
    ours = [run for run in drawn if run.method == OWN]
    rivals = [among for name, among in _by_method(drawn) if name != OWN]
    if not ours or not rivals:
        return []
    best = max(rivals, key=_hit)
    more = _hit(ours) - _hit(best) if _hit(best) < 0.85 else math.nan
    regret = _at(ours, _FRONT_AT) / min(_at(among, _FRONT_AT) for among in rivals)
    return [
        Bar("random surfaces: hit above the best rival's", more, 0.1, least=True),
        Bar(f"random surfaces: regret at {_FRONT_AT}, as a share of the best rival's", regret, 0.5),
    ]


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
                f"{_at(ours, _FRONT_AT):.1%}",
                "fails" if math.isinf(regret) else f"{regret:.1%}",
                f"{_mean([run.failures for run in ours]):.1f}",
                f"{_mean([run.repeats for run in ours]):.1f}",
                f"{_mean([run.ended < experiments for run in ours]):.0%}",
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
    even, odd = ([run for run in runs if is_random(run) and run.seed % 2 == half] for half in (0, 1))
    grids, pools = ([run for run in runs if kind(run)] for kind in (_is_grid, _is_pool))
    for title, among in (("grids", grids), ("pools", pools), *zip(_HALVES, (even, odd), strict=True)):
        if among:
            yield title, among


def _is_pool(run: Run) -> bool:
    return run.goal == "score"


def _is_grid(run: Run) -> bool:
    return not _is_pool(run) and not is_random(run)


def _by_method(runs: Sequence[Run]) -> Iterator[tuple[str, Sequence[Run]]]:
    for method in dict.fromkeys(run.method for run in runs):
        yield method, [run for run in runs if run.method == method]


def _of_case(runs: Sequence[Run], case: tuple[str, str]) -> Sequence[Run]:
    return [run for run in runs if (run.surface, run.goal) == case]


def _lowest(cases: Sequence[Sequence[Run]], among: Callable[[Run], bool]) -> float:
    return min((_hit(runs) for runs in cases if among(runs[0])), default=math.nan)


def _n5(runs: Sequence[Run]) -> float:
    return float(np.median([run.first for run in runs])) if runs else math.nan


def _until(runs: Sequence[Run], experiments: int) -> str:
    found = _n5(runs)
    return f"> {experiments}" if math.isinf(found) else f"{found:.1f}"


def _hit(runs: Sequence[Run]) -> float:
    return _mean([float(run.regret <= NEAR) for run in runs])


def _at(runs: Sequence[Run], experiments: int) -> float:
    """Mean regret of the best in the status after so many experiments; 100 % where nothing keeps the limits."""
    return _mean([min(run.curve[min(experiments, len(run.curve) - 1)], 1.0) for run in runs if run.curve])


def _more(several: Sequence[Run], alone: Sequence[Run]) -> float:
    found = _n5(several)
    return math.inf if math.isinf(found) else found - _n5(alone)


_Manner = tuple[int, bool]


def _manners(runs: Sequence[Run]) -> list[_Manner]:
    """The ways in which several experiments ran at the same time: how many, and whether in batches."""
    return sorted({(run.batch, run.together) for run in runs if run.batch > 1}, key=lambda one: (one[1], one[0]))


def _in_manner(runs: Sequence[Run], manner: _Manner) -> list[Run]:
    return [run for run in runs if (run.batch, run.together) == manner]


def _told(manner: _Manner) -> str:
    return f"in batches of {manner[0]}" if manner[1] else f"with {manner[0]} side by side"


def _beside(method: str, runs: Sequence[Run], single: Sequence[Run], experiments: int) -> str:
    alone = [run for run in single if run.method == method]
    pairs = [pair for found in paired.by_case(runs, alone).values() for pair in found]
    each = [min(ours.first, experiments + 1) - min(other.first, experiments + 1) for ours, other in pairs]
    later = _more(runs, [other for _, other in pairs])
    return _line((method, _until(runs, experiments), f"{later:+.1f}", f"{_mean(each):+.2f}"))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _line(cells: Sequence[str]) -> str:
    return f"  {cells[0]:12}" + "".join(f"{cell:>11}" for cell in cells[1:])
