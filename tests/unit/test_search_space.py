from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.api.common import Parameter
from autotuner.search import Configuration, Space
from tests.unit.builders import make_parameters

SPACE = Space.over(
    make_parameters(tp_size=[1, 2, 4], mem_fraction_static=[0.8, 0.9], schedule_policy=["lpm", "fcfs"], enable_x=True)
)
HUGE = Space.over(make_parameters(**{f"p{number}": list(range(8)) for number in range(10)}))


def test_size_is_the_product_of_the_values() -> None:
    assert SPACE.size == 3 * 2 * 2 * 2
    assert HUGE.size == 8**10


def test_numbers_count_with_the_last_parameter_fastest() -> None:
    assert [dict(SPACE.at(index) or {}) for index in (0, 1, 2, 8)] == [
        {"tp-size": 1, "mem-fraction-static": 0.8, "schedule-policy": "lpm", "enable-x": False},
        {"tp-size": 1, "mem-fraction-static": 0.8, "schedule-policy": "lpm", "enable-x": True},
        {"tp-size": 1, "mem-fraction-static": 0.8, "schedule-policy": "fcfs", "enable-x": False},
        {"tp-size": 2, "mem-fraction-static": 0.8, "schedule-policy": "lpm", "enable-x": False},
    ]


def test_only_numbers_are_ordered() -> None:
    assert [dimension.ordered for dimension in SPACE.dimensions] == [True, True, False, False]


@given(st.integers(0, HUGE.size - 1))
def test_a_number_and_its_configuration_are_inverse(index: int) -> None:
    configuration = HUGE.at(index)
    assert configuration is not None
    assert HUGE.build(HUGE.places(configuration)) == configuration


@given(st.integers(0, SPACE.size - 1))
def test_an_experiment_s_parameters_lead_back_to_the_configuration(index: int) -> None:
    configuration = SPACE.at(index)
    assert configuration is not None
    read = SPACE.read(reversed(configuration.parameters()))
    assert read == configuration
    assert read is not None
    assert list(read) == list(configuration)
    assert [type(value) for value in read.values()] == [type(value) for value in configuration.values()]


@pytest.mark.parametrize("index", [-1, SPACE.size])
def test_numbers_outside_are_refused(index: int) -> None:
    with pytest.raises(IndexError, match="below 24"):
        SPACE.at(index)


@pytest.mark.parametrize(
    "changed",
    [{"tp-size": 8}, {"schedule-policy": "random"}, {"unknown": 1}, {"enable-x": "yes"}],
)
def test_a_configuration_of_another_space_is_refused(changed: dict[str, int | str]) -> None:
    configuration = Configuration(tuple({**(SPACE.at(0) or {}), **changed}.items()))
    assert SPACE.read(configuration.parameters()) is None
    with pytest.raises(ValueError, match="not a configuration of this space"):
        SPACE.places(configuration)


def test_a_configuration_that_lacks_a_parameter_is_refused() -> None:
    assert SPACE.read([Parameter(name="tp-size", value="1")]) is None


def test_configurations_written_alike_are_equal() -> None:
    one, same, other = (Configuration((("a", value), ("b", "x"))) for value in (1, 1.0, 2))
    assert one == same
    assert hash(one) == hash(same)
    assert len({one, same, other}) == 2


def test_keys_do_not_run_together() -> None:
    assert Configuration((("a", "1,b=2"),)).key() != Configuration((("a", "1"), ("b", "2"))).key()
