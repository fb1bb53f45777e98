"""What is expected of a front: improvements of one weighting, as far as the limits are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from autotuner.search import training_targets
from autotuner.search.experiment_record import LevelRecord, Record
from autotuner.search.front_model import FrontModel
from autotuner.search.kernel import Floats, Metric
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from tests.unit.builders import make_parameters

SPACE = Space.over(make_parameters(a=list(range(17))), engine="Custom")
METRIC = Metric(SPACE.dimensions)
EVERYWHERE = np.arange(17)[:, None]
MAXIMISE = (True, False)


def point(a: int) -> Configuration:
    return Configuration((("a", a),))


def measured(a: int, throughput: float, latency: float | None, distance: float = -0.5) -> Record:
    """Infeasible if it is beyond the limit, or has no latency."""
    levels = (LevelRecord(8.0, (throughput, None), (distance,)), LevelRecord(32.0, (throughput, latency), (distance,)))
    if distance > 0 or latency is None:
        return Record(point(a), "infeasible", levels=levels)
    return Record(point(a), "value", (throughput, latency), levels=levels)


def model(records: Sequence[Record], seed: int = 0) -> FrontModel:
    seen = training_targets.read(SPACE, records, MAXIMISE)
    return FrontModel(METRIC, seen, [], 0.03, np.random.default_rng(seed))


def improvements(found: FrontModel) -> Floats:
    (gained,) = found.improvements(EVERYWHERE, (1.0,))
    return gained


FRONT = [measured(a, 100.0 * (a + 1), 0.1 * (a + 1)) for a in (0, 4, 8, 12, 16)]


def test_what_is_dominated_is_worse_by_any_weights() -> None:
    records = [*FRONT, measured(10, 400.0, 1.3)]
    rows = sorted(range(6), key=lambda row: dict(records[row].configuration or {})["a"])
    worse, better = rows.index(5), rows.index(2)
    for seed in range(20):
        ranks = model(records, seed).ranks
        assert ranks[worse] > ranks[better]


def test_weights_walk_along_the_front() -> None:
    best = {int(np.argmin(model(FRONT, seed).ranks)) for seed in range(40)}
    assert {0, 4} < best
    assert len(best) >= 3


def test_what_breaks_the_limits_ranks_after_all_that_keep_them() -> None:
    ranks = model([*FRONT[:4], measured(16, 1e6, 1e-6, 0.3), Record(point(15), "crash")]).ranks
    assert np.isfinite(ranks[:4]).all()
    assert ranks[4:].tolist() == [np.inf, np.inf]


def test_improvements_count_as_far_as_the_limits_are_kept() -> None:
    kept = [measured(a, 100.0 * (a + 1), 1.0, -0.9 + 0.05 * a) for a in (0, 4, 8)]
    beyond = [measured(a, 100.0 * (a + 1), 1.0, 0.6) for a in (12, 14)]
    open_ends = [measured(a, 100.0 * (a + 1), 1.0, -0.9) for a in (0, 4, 8)]
    limited, free = improvements(model([*kept, *beyond])), improvements(model(open_ends))
    assert int(free.argmax()) >= 11
    assert int(limited.argmax()) <= 11
    assert limited[15] < 0.1 * limited.max()


def test_an_objective_that_never_changes_does_not_matter() -> None:
    ranks = model([measured(a, 100.0 + a, 0.5) for a in (0, 4, 8, 12)]).ranks
    assert ranks.tolist() == sorted(ranks, reverse=True)
    assert np.isfinite(ranks).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("crashes", [0, 2])
def test_an_objective_that_nothing_was_measured_of_does_not_matter(crashes: int) -> None:
    """All ladders ended below the load that the latency is judged at."""
    records = [measured(a, 100.0 * (a + 1), None, 0.1) for a in (0, 4, 8, 12)]
    found = model([*records, *(Record(point(a), "crash") for a in (15, 16)[:crashes])])
    assert found.ranks[:4].tolist() == sorted(found.ranks[:4], reverse=True)
    assert np.isfinite(improvements(found)).all()
    assert improvements(found).max() > 0
