"""What the model learns from records: one scale on which lower is better, whatever an experiment's ending.

- A value counts by its logarithm: noise is relative, and so are the effects of parameters. Its bad tail, beyond the
  median plus half of the way from best to median, grows only logarithmically: where a disaster lies exactly matters to
  nobody, and it would flatten all differences among the good ones.
- An SLO is a cliff, and a smooth function cannot learn a cliff. So where records tell what the values would be if
  violations could be paid for (`Record.softened`), those are learnt, of feasible and infeasible ones alike.
- What breaks the SLOs and tells no more is worse than all that keep them, by the logarithm of how much.
- What crashed counts as the worst of all. Whether things run at all is learnt besides: see `bayesian`.
- Several objectives become one by an augmented Tchebycheff sum with random weights (Knowles, "ParEGO", 2006): each
  proposal walks towards another point of the front.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autotuner.search.experiment_record import Record
from autotuner.search.kernel import Floats, Points
from autotuner.search.space.space import Space

Booleans = npt.NDArray[np.bool_]

# Of the sum beside the maximum in the scalarisation: without it, points would be proposed that others dominate.
_AUGMENTATION = 0.05
# A shortfall much below this one is told apart from none, but little: it is about the noise of a measurement.
_NEAR = 0.05


@dataclass(frozen=True)
class Targets:
    """Records as the model sees them, one row each, in an order that does not depend on when they ended.

    Attributes:
        points: their places, (n, dimensions).
        losses: (n,), lower is better.
        runs: (n,), whether the engine ran at all.
        exact: (n,), whether the loss was measured; else it can only be higher, and is to be estimated.
        feasible: (n,), whether it may be recommended: measured, and all SLOs kept.
        records: the rows' records.
    """

    points: Points
    losses: Floats
    runs: Booleans
    exact: Booleans
    feasible: Booleans
    records: tuple[Record, ...]


def read(space: Space, records: Sequence[Record], maximise: Sequence[bool], weights: Floats) -> Targets:
    """The targets of records.

    Args:
        space: that was searched; what is no point of it is left out, and of what nothing was learnt.
        records: in any order.
        maximise: for each objective, whether more of it is better.
        weights: of the objectives, summing to 1.
    """
    told = sorted(_located(space, records), key=lambda one: (one[0], *_figures(one[1])))
    rows = tuple(record for _, record in told)
    return Targets(
        np.array([places for places, _ in told], dtype=np.intp).reshape(len(told), len(space.dimensions)),
        _losses(rows, maximise, weights),
        np.array([record.outcome not in ("crash", "impossible") for record in rows], dtype=np.bool_),
        np.array([record.outcome != "bound" for record in rows], dtype=np.bool_),
        np.array([record.outcome == "value" for record in rows], dtype=np.bool_),
        rows,
    )


def _figures(record: Record) -> tuple[str, tuple[float, ...], float, tuple[float, ...]]:
    """All figures in which repeats of one configuration may differ."""
    return record.outcome, record.values, record.shortfall, record.softened


def _located(space: Space, records: Sequence[Record]) -> list[tuple[tuple[int, ...], Record]]:
    found = []
    for record in records:
        nothing = record.outcome in ("environment", "unknown")
        empty = record.outcome in ("value", "bound") and not record.values
        if record.configuration is not None and not nothing and not empty:
            with suppress(ValueError):
                found.append((space.places(record.configuration), record))
    return found


def _losses(rows: Sequence[Record], maximise: Sequence[bool], weights: Floats) -> Floats:
    losses = np.full(len(rows), np.nan)
    figures = {number: row.softened or row.values for number, row in enumerate(rows) if row.softened or row.values}
    unit = 1.0
    if figures:
        valued = list(figures)
        # A bound says nothing about how the values are spread; without anything else it must do.
        measured = np.array([rows[number].outcome != "bound" for number in valued])
        among = measured if measured.any() else ~measured
        columns = np.array([figures[number] for number in valued], dtype=np.float64).T
        scaled = np.array([_column(one, among, more) for one, more in zip(columns, maximise, strict=True)])
        losses[valued] = scaled[0] if len(scaled) == 1 else _scalar(scaled, among, weights)
        unit = _unit(losses[valued][among])
    return _with_bad_endings(rows, losses, unit)


def _column(values: Floats, among: Booleans, more: bool) -> Floats:
    signed = np.log(values) if (values > 0).all() else values
    losses = -signed if more else signed
    return _squashed(losses, losses[among])


def _unit(losses: Floats) -> float:
    """Half of the way from the best to the median: the scale on which differences matter."""
    return float(np.median(losses) - losses.min()) / 2 or 1.0


def _squashed(losses: Floats, among: Floats) -> Floats:
    unit = _unit(among)
    knee = float(np.median(among)) + unit
    beyond = np.maximum(losses - knee, 0.0)
    return np.asarray(np.where(losses > knee, knee + unit * np.log1p(beyond / unit), losses))


def _scalar(columns: Floats, among: Booleans, weights: Floats) -> Floats:
    """The augmented Tchebycheff sum of (objectives, rows), each first brought to [0, 1]."""
    low = columns[:, among].min(axis=1, keepdims=True)
    width = columns[:, among].max(axis=1, keepdims=True) - low
    weighted = weights[:, None] * (columns - low) / np.where(width > 0, width, 1.0)
    return np.asarray(weighted.max(axis=0) + _AUGMENTATION * weighted.sum(axis=0))


def _with_bad_endings(rows: Sequence[Record], losses: Floats, unit: float) -> Floats:
    """The losses of all rows: those given, and what bad endings count as."""
    found = losses.copy()
    worst = float(np.nanmax(found)) if np.isfinite(found).any() else 0.0
    for number, row in enumerate(rows):
        if row.outcome == "infeasible" and np.isnan(found[number]):
            found[number] = worst + unit * np.log1p(max(row.shortfall, 0.0) / _NEAR)
    worst = float(np.nanmax(found)) if np.isfinite(found).any() else 0.0
    return np.where(np.isnan(found), worst, found)
