"""What the model learns from records: for each level of load, what it is worth and how far it is from each limit.

- A worth counts by its logarithm, as a loss: noise is relative, and so are the effects of parameters. Its bad tail,
  beyond the median plus half of the way from best to median, grows only logarithmically: where a disaster lies exactly
  matters to nobody, and it would flatten all differences among the good ones.
- A limit is a cliff, and a smooth function cannot learn a cliff; but it can learn the distance from it, which is told
  as a logarithm too, and bounded: far beyond a limit is far beyond it.
- A level that was not run, because its ladder had ended, is estimated from the level below: by how much others change
  from there, but no better than the ladder's end allows. Limits that are broken stay broken under more load, and
  throughput grows at most in proportion to it.
- What crashed counts as the worst of all. Whether things run at all is learnt besides: see `bayesian`.
- A load that is itself the objective is one level without limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autotuner.search.experiment_record import LevelRecord, Record
from autotuner.search.kernel import Floats, Points
from autotuner.search.space.space import Space

Booleans = npt.NDArray[np.bool_]

# What is known to be kept, but not by how much.
_JUST_KEPT = -0.05
# Distances from a limit are told apart up to this one: e^2 times beyond is as hopeless as what lies farther.
_FAR = 2.0


@dataclass(frozen=True)
class Targets:
    """Records as the model sees them, one row each, in an order that does not depend on when they ended.

    Attributes:
        points: their places, (n, dimensions).
        losses: (n, levels, objectives), lower is better; NaN in all rows where an objective is judged at other levels.
        distances: (n, levels, limits), at most 0 if kept.
        kept: (n, levels), whether all limits were measured to be kept there, and what it is worth.
        runs: (n,), whether the engine ran at all.
        feasible: (n,), whether it may be recommended: measured, and all limits kept at some level.
        best: (n, objectives), the losses that it is judged by; infinite if it is not feasible.
    """

    points: Points
    losses: Floats
    distances: Floats
    kept: Booleans
    runs: Booleans
    feasible: Booleans
    best: Floats


def read(space: Space, records: Sequence[Record], maximise: Sequence[bool]) -> Targets:
    """The targets of records.

    Args:
        space: that was searched; what is no point of it is left out, and of what nothing was learnt.
        records: in any order.
        maximise: for each objective, whether more of it is better.
    """
    told = sorted(_located(space, records), key=lambda one: (one[0], *_figures(one[1])))
    rows = [record for _, record in told]
    ladders = [_ladder(row) for row in rows]
    loads = sorted({level.load for ladder in ladders for level in ladder})
    limits = max((len(level.distances) for ladder in ladders for level in ladder), default=0)
    losses = np.full((len(rows), len(loads), len(maximise)), np.nan)
    distances = np.full((len(rows), len(loads), limits), np.nan)
    kept = np.zeros((len(rows), len(loads)), dtype=np.bool_)
    for number, (row, ladder) in enumerate(zip(rows, ladders, strict=True)):
        for level in ladder:
            place = loads.index(level.load)
            losses[number, place] = _losses(level.worths, maximise)
            distances[number, place, : len(level.distances)] = level.distances
            measured = not np.isnan(losses[number, place]).all()
            kept[number, place] = row.outcome == "value" and level.kept and measured
    distances = np.clip(distances, -_FAR, _FAR)
    runs = np.array([row.outcome not in ("crash", "impossible") for row in rows], dtype=np.bool_)
    bounded = np.array([row.outcome == "bound" for row in rows], dtype=np.bool_)
    best = np.array([_losses(row.values if row.outcome == "value" else (), maximise) for row in rows])
    return Targets(
        np.array([places for places, _ in told], dtype=np.intp).reshape(len(told), len(space.dimensions)),
        _all_squashed(_completed_losses(losses, np.log(np.maximum(loads, 1e-9)), bounded)),
        _with_crashes(_completed_distances(distances), runs),
        kept,
        runs,
        np.array([row.outcome == "value" for row in rows], dtype=np.bool_),
        np.where(np.isnan(best), np.inf, best).reshape(len(rows), len(maximise)),
    )


def _located(space: Space, records: Sequence[Record]) -> list[tuple[tuple[int, ...], Record]]:
    found = []
    for record in records:
        nothing = record.outcome in ("environment", "unknown")
        empty = record.outcome in ("value", "bound") and not record.values
        if record.configuration is not None and not nothing and not empty:
            with suppress(ValueError):
                found.append((space.places(record.configuration), record))
    return found


def _figures(record: Record) -> tuple[Any, ...]:
    """All figures in which repeats of one configuration may differ."""
    levels = tuple((one.load, tuple(worth or 0.0 for worth in one.worths), one.distances) for one in record.levels)
    return record.outcome, record.values, record.shortfall, levels, record.boundary.value if record.boundary else 0.0


def _ladder(record: Record) -> Sequence[LevelRecord]:
    """The levels of a record; one of its own where it has none."""
    if record.boundary is not None:
        return [LevelRecord(0.0, (record.boundary.value,))]
    if record.levels or not record.runs_at_all:
        return record.levels
    broken = (float(np.log1p(record.shortfall)),) if record.outcome == "infeasible" else ()
    return [LevelRecord(0.0, record.values, broken)]


def _losses(worths: Sequence[float | None], maximise: Sequence[bool]) -> Floats:
    found = np.full(len(maximise), np.nan)
    for number, (worth, more) in enumerate(zip(worths, maximise, strict=False)):
        if worth is not None and worth > 0:
            found[number] = -np.log(worth) if more else np.log(worth)
    return found


def _completed_losses(losses: Floats, loads: Floats, bounded: Booleans) -> Floats:
    """The losses of levels that were not run, from the nearest one below that was, else above."""
    found = losses.copy()
    for level in range(losses.shape[1]):
        for source in [*range(level - 1, -1, -1), *range(level + 1, losses.shape[1])]:
            missing, known = np.isnan(found[:, level]), ~np.isnan(losses[:, source])
            both = known & ~np.isnan(losses[:, level])
            for objective in np.flatnonzero((missing & known).any(axis=0) & both.any(axis=0)):
                rows = missing[:, objective] & known[:, objective]
                change = losses[:, level, objective] - losses[:, source, objective]
                usual = float(np.median(change[both[:, objective]]))
                # A ladder that was ended because it could not become good enough bounds what is missing above.
                least = np.where(bounded & (source < level), loads[source] - loads[level], -np.inf)
                found[rows, level, objective] = (losses[:, source, objective] + np.maximum(usual, least))[rows]
    return found


def _completed_distances(distances: Floats) -> Floats:
    found = distances.copy()
    _, levels, limits = distances.shape
    for level in range(levels):
        for limit in range(limits):
            column = found[:, level, limit]
            if level:
                below = found[:, level - 1, limit]
                known = ~np.isnan(distances[:, level, limit]) & ~np.isnan(below)
                rise = float(np.median((column - below)[known])) if known.any() else 0.0
                column = np.where(np.isnan(column), below + max(rise, 0.0), column)
            found[:, level, limit] = column
    return found


def _all_squashed(losses: Floats) -> Floats:
    """The losses with their bad tails squashed level by level, and the worst ones for what crashed."""
    found = losses.copy()
    for level, objective in np.ndindex(losses.shape[1:]):
        column = losses[:, level, objective]
        measured = ~np.isnan(column)
        if measured.any():
            column = squashed(column, measured)
            found[:, level, objective] = np.where(measured, column, np.nanmax(column))
    return found


def squashed(losses: Floats, among: Booleans) -> Floats:
    """The losses with their bad tail squashed, beyond the median of some of them plus half of the way to its best."""
    typical = losses[among]
    unit = float(np.median(typical) - typical.min()) / 2 or 1.0
    knee = float(np.median(typical)) + unit
    beyond = np.maximum(losses - knee, 0.0)
    return np.asarray(np.where(losses > knee, knee + unit * np.log1p(beyond / unit), losses))


def _with_crashes(distances: Floats, runs: Booleans) -> Floats:
    """The distances, the worst ones for what crashed, and just within the limit for what is only known to keep it."""
    found = distances.copy()
    for level in range(distances.shape[1]):
        for limit in range(distances.shape[2]):
            column = distances[:, level, limit]
            among = column[~np.isnan(column)]
            worst = float(among.max()) if len(among) else 0.0
            found[:, level, limit] = np.where(np.isnan(column), np.where(runs, _JUST_KEPT, worst), column)
    return found
