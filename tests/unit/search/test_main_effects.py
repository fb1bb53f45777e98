"""Importance finds what was put into synthetic measurements, and does not find what was not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from autotuner.api.parameters import SearchParameter
from autotuner.search.experiment_record import Record, RecordOutcome
from autotuner.search.main_effects import Additive, fit, ranking
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from tests.unit.builders import make_parameters

SPACE = Space.over(
    make_parameters(
        tp_size=[1, 2, 4, 8],
        policy=["fcfs", "lpm", "dfs"],
        fraction=[0.7, 0.75, 0.8, 0.85, 0.9],
        overlap=True,
        backend=["a", "b"],
        chunk=[512, 1024, 2048, 4096, 8192],
    ),
    engine="Custom",
)
SIZES = {1: 0.0, 2: 0.2, 4: 0.35, 8: 0.4}
POLICIES = {"fcfs": 0.0, "lpm": 0.1, "dfs": -0.1}
INERT = ("fraction", "overlap", "backend", "chunk")

Truth = Callable[[Mapping[str, Any]], float]


def two_matter(point: Mapping[str, Any]) -> float:
    """Shares of tp-size and policy are .78 and .22."""
    return SIZES[point["tp-size"]] + POLICIES[point["policy"]]


def measured(
    truth: Truth, count: int, seed: int, *, noise: float = 0.03, space: Space = SPACE, outcome: RecordOutcome = "value"
) -> list[Record]:
    """Experiments at random points; `truth` and `noise` are of the logarithm."""
    random = np.random.default_rng(seed)
    points = [space.at(int(index)) for index in random.permutation(space.numbers)]
    known = [point for point in points if point is not None][:count]
    return [Record(one, outcome, (1000 * math.exp(truth(one) + noise * random.normal()),)) for one in known]


def importance(space: Space, records: list[Record], objective: int = 0) -> list[tuple[str, float]]:
    fitted = fit(space, records, objective)
    return [] if fitted is None else ranking(fitted)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("count", "slack"), [(12, 0.2), (40, 0.08)])
def test_shares_are_those_of_the_truth(count: int, slack: float, seed: int) -> None:
    found = importance(SPACE, measured(two_matter, count, seed))
    shares = dict(found)

    assert [name for name, _ in found[:2]] == ["tp-size", "policy"]
    assert shares["tp-size"] == pytest.approx(0.78, abs=slack)
    assert shares["policy"] == pytest.approx(0.22, abs=slack)
    assert max(shares[name] for name in INERT) < slack


@pytest.mark.parametrize("seed", range(8))
def test_pure_noise_makes_nothing_important(seed: int) -> None:
    assert sum(share for _, share in importance(SPACE, measured(lambda _: 0.0, 40, seed))) < 0.5


def test_what_parameters_do_only_together_is_nobodys() -> None:
    def together(point: Mapping[str, Any]) -> float:
        return 0.2 if point["overlap"] == (point["backend"] == "a") else -0.2

    assert sum(share for _, share in importance(SPACE, measured(together, 60, 1))) < 0.3


def test_one_bad_run_does_not_make_a_parameter_important() -> None:
    records = measured(two_matter, 30, 3)
    spoiled = records[7]
    records[7] = Record(spoiled.configuration, "value", (spoiled.values[0] * 0.5,))

    shares = dict(importance(SPACE, records))
    assert max(shares[name] for name in INERT) < 0.1


def test_a_search_that_stayed_near_the_best_does_not_hide_what_matters() -> None:
    records = measured(two_matter, 120, 4)
    best = [one for one in records if one.configuration and one.configuration["tp-size"] == 8][:20]
    others = [one for one in records if one not in best][:10]

    assert importance(SPACE, [*others, *best])[0][0] == "tp-size"


def test_latencies_are_judged_as_throughputs() -> None:
    records = measured(two_matter, 20, 5)
    inverse = [Record(one.configuration, "value", (1 / one.values[0],)) for one in records]

    assert dict(importance(SPACE, inverse)) == pytest.approx(dict(importance(SPACE, records)), abs=0.01)


def test_every_parameter_is_named_and_shares_sum_to_at_most_one() -> None:
    found = importance(SPACE, measured(two_matter, 15, 6, noise=0.0))

    assert sorted(name for name, _ in found) == sorted(one.name for one in SPACE.dimensions)
    assert [share for _, share in found] == sorted((share for _, share in found), reverse=True)
    assert 0.9 < sum(share for _, share in found) <= 1.0
    assert all(share == float(f"{share:.3g}") for _, share in found)


@pytest.mark.parametrize(
    "records",
    [
        [],
        measured(two_matter, 7, 0),
        measured(two_matter, 20, 0, outcome="crash"),
        [Record(None, "value", one.values) for one in measured(two_matter, 20, 0)],
        [Record(one.configuration, "infeasible", ()) for one in measured(two_matter, 20, 0)],
        measured(lambda _: 0.0, 20, 0, noise=0.0),
    ],
    ids=["nothing", "too little", "crashes", "baselines", "infeasible", "all equal"],
)
def test_nothing_is_said_where_nothing_is_known(records: list[Record]) -> None:
    assert importance(SPACE, records) == []


def test_what_was_stopped_at_a_bound_counts_as_bad() -> None:
    records = [
        one
        if one.configuration and one.configuration["overlap"]
        else Record(one.configuration, "bound", (one.values[0] / 2,))
        for one in measured(lambda _: 0.0, 20, 1)
    ]
    assert importance(SPACE, records)[0][0] == "overlap"


def test_another_objective_has_other_shares() -> None:
    def pair(point: Configuration) -> tuple[float, float]:
        return math.exp(two_matter(point)), 2.0 if point["overlap"] else 1.0

    records = [Record(one.configuration, "value", pair(one.configuration)) for one in measured(two_matter, 20, 2)
               if one.configuration is not None]  # fmt: skip
    assert importance(SPACE, records)[0][0] == "tp-size"
    assert importance(SPACE, records, 1)[0][0] == "overlap"


def fitted(space: Space, records: list[Record]) -> Additive:
    model = fit(space, records)
    assert model is not None
    return model


@pytest.mark.parametrize("seed", range(5))
def test_a_change_is_a_factor_with_its_deviation(seed: int) -> None:
    model = fitted(SPACE, measured(two_matter, 40, seed))
    effect = model.change(0, 0, 3)  # tp-size from 1 to 8

    assert math.log1p(effect.change) == pytest.approx(0.4, abs=0.06)
    assert 0.0 < effect.deviation < 0.06
    assert math.log1p(model.change(0, 3, 0).change) == pytest.approx(-math.log1p(effect.change))
    assert model.change(0, 2, 2).change == 0.0


def test_being_switched_off_is_a_value_of_its_own() -> None:
    space = Space.over(
        [
            *make_parameters(overlap=True, chunk=[512, 1024, 2048]),
            SearchParameter.model_validate({"name": "steps", "values": [1, 2, 4], "when": "p.overlap"}),
        ],
        engine="Custom",
    )

    def on_is_faster(point: Mapping[str, Any]) -> float:
        return 0.3 if point["overlap"] else 0.0

    records = measured(on_is_faster, space.size, 0, noise=0.01, space=space)
    model = fitted(space, records)

    assert model.knows(2, -1)
    assert not model.knows(1, -1)
    both = math.log1p(model.change(0, 0, 1).change) + math.log1p(model.change(2, -1, 1).change)
    assert both == pytest.approx(0.3, abs=0.05)
