from __future__ import annotations

import numpy as np

from autotuner.search import level_model
from autotuner.search.kernel import Metric
from autotuner.search.space.dimensions import Dimension
from tests.benchmarks.search.physics_model import GridModel, PoolModel
from tests.benchmarks.search.physics_prior import Foreign, Prediction, as_mean

LINE = Prediction(np.linspace(0.0, 3.0, 7)[:, None], np.linspace(0.0, 3.0, 7))
METRIC = Metric([Dimension("x", tuple(range(7)), ordered=True)])
FLAGS = {"quantization": None, "mem-fraction-static": 0.75, "max-running-requests": 128.0}


def expected(losses: list[float], *, learns_factor: bool) -> float:
    """Of the last place, when the first ones have these losses."""
    points = np.arange(len(losses))[:, None]
    with as_mean(LINE, learns_factor):
        values = np.array(losses)[:, None]
        process = level_model.__dict__["learned"](METRIC, points, values, [], 0.03, np.random.default_rng(0))
    mean = process.predict(np.array([[6]]))[0]
    return float(process.weights @ mean[:, 0, 0])


def test_where_nothing_contradicts_a_prediction_it_is_believed() -> None:
    assert abs(expected([0.0, 0.5, 1.0], learns_factor=False) - 3.0) < 0.1


def test_a_prediction_of_nothing_that_happens_loses_its_factor() -> None:
    sure, learnt = (expected([1.0, 1.0, 1.0, 1.0, 1.0], learns_factor=which) for which in (False, True))
    assert abs(learnt - 1.0) < abs(sure - 1.0)


def test_the_search_is_its_own_again_afterwards() -> None:
    before = level_model.__dict__["learned"]
    expected([0.0, 1.0], learns_factor=True)
    assert level_model.__dict__["learned"] is before


def test_other_parameters_are_taken_for_its_own_by_position() -> None:
    foreign = Foreign(LINE, (3, 2))
    losses, judged = foreign.at(np.array([[0, 1], [1, 0], [2, 0], [-1, 0]]))
    assert judged.tolist() == [0.0, 1.5, 3.0, 0.0]
    assert losses[:, 0].tolist() == judged.tolist()


def test_what_has_no_room_for_its_weights_should_not_start() -> None:
    grid = GridModel("sg-qwen32b-h100x4-chat")
    assert grid.figures({**FLAGS, "tp-size": 1}, [8]) is None
    few, many = grid.figures({**FLAGS, "tp-size": 2}, [8, 256]) or []
    assert few.throughput < many.throughput
    assert few.e2e < many.e2e
    assert few.ttft + few.tpot < few.e2e


def test_a_pool_is_predicted_for_each_accelerator() -> None:
    pool = PoolModel("pool-llama70b-1k8k")
    row = {"system": "h100_sxm", "precision": "fp8", "concurrency": 64.0}
    two, eight = (pool.figures({**row, "tp-size": tensor}) for tensor in (2, 8))
    assert two is not None
    assert eight is not None
    assert two.tpot > eight.tpot
    assert two.throughput > eight.throughput
