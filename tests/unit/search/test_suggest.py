from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.api.parameters import SearchParameter
from autotuner.search.enumeration_orders import permuted
from autotuner.search.experiment_record import Record, RecordOutcome
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from autotuner.search.suggest import Strategy
from tests.unit.builders import make_parameters
from tests.unit.search.proposed import suggest

SPACE = Space.over(make_parameters(tp_size=[1, 2, 4], chunk=[1024, 2048, 4096, 8192], mixed=True), engine="Custom")
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
FIXED_ORDERS: tuple[Strategy, ...] = ("Random", "Grid")


def recorded(*configurations: Configuration | None, outcome: RecordOutcome = "value") -> list[Record]:
    values = (1.0,) if outcome in ("value", "bound") else ()
    return [Record(configuration, outcome, values) for configuration in configurations]


def test_grid_goes_in_the_user_s_order() -> None:
    proposed = suggest("Grid", SPACE, [], [], 3, seed=7)
    assert [tuple(configuration.values()) for configuration in proposed] == [
        (1, 1024, False),
        (1, 1024, True),
        (1, 2048, False),
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_configuration_is_proposed_exactly_once(strategy: Strategy) -> None:
    proposed = suggest(strategy, SPACE, [], [], 1000, seed=3)
    assert len(proposed) == SPACE.size
    assert set(proposed) == {SPACE.at(index) for index in range(SPACE.size)}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("outcome", get_args(RecordOutcome))
def test_what_was_tried_is_not_proposed_again_however_it_ended(strategy: Strategy, outcome: RecordOutcome) -> None:
    *done, running, left = suggest(strategy, SPACE, [], [], SPACE.size, seed=1)
    assert suggest(strategy, SPACE, recorded(*done, outcome=outcome), [running], 2, seed=1) == [left]


@pytest.mark.parametrize("strategy", FIXED_ORDERS)
def test_one_at_a_time_or_all_at_once_or_after_a_restart_comes_to_the_same(strategy: Strategy) -> None:
    at_once = suggest(strategy, SPACE, [], [], SPACE.size, seed=5)
    done: list[Configuration] = []
    while proposed := suggest(strategy, SPACE, recorded(*done), [], 1, seed=5):
        done += proposed
    assert done == at_once


@pytest.mark.parametrize("strategy", FIXED_ORDERS)
def test_a_fixed_order_does_not_ask_what_has_ended(strategy: Strategy) -> None:
    taken = suggest(strategy, SPACE, [], [], 6, seed=5)
    one = suggest(strategy, SPACE, recorded(*taken[:4]), taken[4:], 4, seed=5)
    other = suggest(strategy, SPACE, recorded(*reversed(taken[2:])), taken[:2], 4, seed=5)
    assert one == other


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_order_in_which_experiments_end_does_not_matter(strategy: Strategy) -> None:
    taken = suggest(strategy, SPACE, [], [], 8, seed=5)
    ended = [Record(one, "value", (float(number + 1),)) for number, one in enumerate(taken[:6])]
    running = taken[6:]
    one = suggest(strategy, SPACE, ended, running, 4, seed=5)
    other = suggest(strategy, SPACE, ended[::-1], running[::-1], 4, seed=5)
    assert one == other


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_exhausted_space_gives_fewer(strategy: Strategy) -> None:
    *most, last = suggest(strategy, SPACE, [], [], SPACE.size, seed=0)
    assert suggest(strategy, SPACE, recorded(*most), [], 5, seed=0) == [last]
    assert suggest(strategy, SPACE, recorded(*most), [last], 5, seed=0) == []


# Chunks that are turned off are not mixed; saying the default policy changes nothing.
IDLE = Space.over(
    [
        *make_parameters(chunked_prefill_size=[-1, 2048, 4096], enable_mixed_chunk=True),
        SearchParameter(name="schedule-policy", choices=["fcfs", "lpm"], allow_unset=True),
    ],
    engine="SGLang",
)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_can_only_repeat_another_comes_last(strategy: Strategy) -> None:
    records: list[Record] = []
    while proposed := suggest(strategy, IDLE, records, [], 1, seed=4):
        records += [Record(one, "value", (1.0 + len(records),)) for one in proposed]
    effects = [IDLE.effective_identity(one.configuration) for one in records if one.configuration is not None]
    new = [effect not in effects[:number] for number, effect in enumerate(effects)]

    assert len(set(effects)) == 10
    assert new == [True] * 10 + [False] * 8


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_left_of_a_huge_space_is_not_looked_through(
    strategy: Strategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without LoRA all its configurations do the same: who measures one more must not wait for a look at all."""
    sizes = list(range(1, 65))
    huge = Space.over(make_parameters(max_loras=sizes, max_cpu_loras=sizes, max_lora_rank=sizes), engine="VLLM")
    assert huge.size == 64**3
    asked = Counter[str]()
    told = Space.effective_identity

    def counted(space: Space, configuration: Configuration) -> str:
        asked["times"] += 1
        return told(space, configuration)

    monkeypatch.setattr(Space, "effective_identity", counted)
    records = recorded(*suggest(strategy, huge, [], [], 1, seed=0))
    assert len(suggest(strategy, huge, records, [], 2, seed=0)) == 2
    assert asked["times"] < 20_000


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_batch_repeats_nothing_while_there_is_something_new(strategy: Strategy) -> None:
    proposed = suggest(strategy, IDLE, [], [], 18, seed=4)
    assert len({IDLE.effective_identity(one) for one in proposed[:10]}) == 10
    assert len(set(proposed)) == 18


@pytest.mark.parametrize("count", [0, -1])
def test_nothing_wanted_nothing_proposed(count: int) -> None:
    assert suggest("Random", SPACE, [], [], count, seed=0) == []


def test_the_baseline_and_strangers_take_no_place() -> None:
    stranger = Configuration((("other", 1),))
    assert suggest("Grid", SPACE, recorded(None, stranger), [], 1, seed=0) == [SPACE.at(0)]


def test_another_seed_gives_another_order() -> None:
    orders = {tuple(suggest("Random", SPACE, [], [], SPACE.size, seed)) for seed in range(20)}
    assert len(orders) == 20


def test_random_search_does_not_list_a_billion_configurations() -> None:
    huge = Space.over(make_parameters(**{f"p{number}": list(range(8)) for number in range(10)}), engine="Custom")
    taken = suggest("Random", huge, [], [], 500, seed=2)
    assert len(set(taken)) == 500
    assert not set(suggest("Random", huge, recorded(*taken), [], 10, seed=2)) & set(taken)


@given(st.integers(1, 600), st.integers(0, 2**31 - 1))
def test_a_permutation_visits_each_number_exactly_once(size: int, seed: int) -> None:
    assert sorted(permuted(index, size, seed) for index in range(size)) == list(range(size))


@pytest.mark.parametrize("size", [2, 3, 5, 8, 24])
def test_each_number_comes_first_equally_often(size: int) -> None:
    runs = 500 * size
    firsts = Counter(permuted(0, size, seed) for seed in range(runs))
    chi_square = sum((firsts[number] - 500) ** 2 / 500 for number in range(size))
    # Above its mean by more than five standard deviations: one chance in millions.
    assert chi_square < (size - 1) + 5 * (2 * (size - 1)) ** 0.5
