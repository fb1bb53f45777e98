"""What the model learns from records: one scale on which lower is better, whatever an experiment's ending.

- A value counts by its logarithm: noise is relative, and so are the effects of parameters. Its bad tail, beyond the
  median plus half of the way from best to median, grows only logarithmically: where a disaster lies exactly matters to
  nobody, and it would flatten all differences among the good ones.
- What breaks the SLOs is worse than all that keep them, by the logarithm of how much.
- What crashed counts as the worst of all. Whether things run at all is learnt besides: see `bayesian`.
- Several objectives become one by a Tchebycheff sum with random weights (Knowles, "ParEGO", 2006): each proposal walks
  towards another point of the front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autotuner.search.gp import Floats, Points
from autotuner.search.record import Record
from autotuner.search.space import Space

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
        runs: whether the engine ran at all, (n,).
        exact: whether the loss was measured, (n,); else it can only be higher, and is to be estimated.
        feasible: whether it may be recommended, (n,): measured, and all SLOs kept.
        records: the row's record.
    """

    points: Points
    losses: Floats
    runs: np.ndarray[tuple[int], np.dtype[np.bool_]]
    exact: np.ndarray[tuple[int], np.dtype[np.bool_]]
    feasible: np.ndarray[tuple[int], np.dtype[np.bool_]]
    records: tuple[Record, ...]


def read(space: Space, records: Sequence[Record], maximise: Sequence[bool], weights: Floats | None = None) -> Targets:
    """The targets of records.

    Args:
        space: that was searched; what is no point of it is left out.
        records: in any order.
        maximise: for each objective, whether more of it is better.
        weights: of the objectives, summing to 1; None: all equal.
    """
    told = sorted((one for one in map(_located(space), records) if one is not None), key=_order)
    rows = tuple(record for _, record in told)
    losses, unit = _losses(rows, maximise, weights)
    return Targets(
        np.array([places for places, _ in told], dtype=np.intp).reshape(len(told), len(space.dimensions)),
        _with_bad_endings(rows, losses, unit),
        np.array([record.outcome not in ("crash", "impossible") for record in rows], dtype=np.bool_),
        np.array([record.outcome != "bound" for record in rows], dtype=np.bool_),
        np.array([record.outcome == "value" for record in rows], dtype=np.bool_),
        rows,
    )


def _located(space: Space):  # type: ignore[no-untyped-def]
    def locate(record: Record) -> tuple[tuple[int, ...], Record] | None:
        if record.configuration is None or record.outcome in ("environment", "unknown"):
            return None
        if record.outcome in ("value", "bound") and not record.values:
            return None
        try:
            return space.places(record.configuration), record
        except ValueError:
            return None

    return locate


def _order(told: tuple[tuple[int, ...], Record]) -> tuple[object, ...]:
    places, record = told
    return places, record.outcome, record.values, record.shortfall


def _losses(rows: Sequence[Record], maximise: Sequence[bool], weights: Floats | None) -> tuple[Floats, float]:
    """Of rows with values, NaN elsewhere; and their typical difference."""
    losses = np.full(len(rows), np.nan)
    valued = [number for number, row in enumerate(rows) if row.outcome in ("value", "bound")]
    measured = [number for number in valued if rows[number].outcome == "value"]
    if not valued:
        return losses, 1.0
    columns = np.array([rows[number].values for number in valued], dtype=np.float64)
    among = np.array([number in measured for number in valued]) if measured else np.ones(len(valued), dtype=np.bool_)
    scaled = [_column(columns[:, k], among, more) for k, more in enumerate(maximise)]
    if len(scaled) == 1:
        losses[valued] = scaled[0]
    else:
        losses[valued] = _scalar(np.array(scaled), among, weights)
    known = losses[measured] if measured else losses[valued]
    return losses, _unit(known)


def _column(values: Floats, among: np.ndarray, more: bool) -> Floats:  # type: ignore[type-arg]
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


def _scalar(columns: Floats, among: np.ndarray, weights: Floats | None) -> Floats:  # type: ignore[type-arg]
    """The augmented Tchebycheff sum of (objectives, rows), each first brought to [0, 1]."""
    low = columns[:, among].min(axis=1, keepdims=True)
    width = columns[:, among].max(axis=1, keepdims=True) - low
    scaled = (columns - low) / np.where(width > 0, width, 1.0)
    given = np.full(len(columns), 1 / len(columns)) if weights is None else weights
    weighted = given[:, None] * scaled
    return np.asarray(weighted.max(axis=0) + _AUGMENTATION * weighted.sum(axis=0))


def _with_bad_endings(rows: Sequence[Record], losses: Floats, unit: float) -> Floats:
    """Losses with those of rows that have no value."""
    found = losses.copy()
    worst = float(np.nanmax(losses)) if np.isfinite(losses).any() else 0.0
    for number, row in enumerate(rows):
        if row.outcome == "infeasible":
            found[number] = worst + unit * np.log1p(max(row.shortfall, 0.0) / _NEAR)
    worst = float(np.nanmax(found)) if np.isfinite(found).any() else 0.0
    return np.where(np.isnan(found), worst, found)
