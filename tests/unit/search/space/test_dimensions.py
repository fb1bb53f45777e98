from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.api.parameters import SearchParameter
from autotuner.search.space.dimensions import RANGE_VALUES, STEPS_MAX, DimensionError, of_parameter


def values_of(**shape: Any) -> list[Any]:
    return list(of_parameter(SearchParameter.model_validate({"name": "x", **shape})).values)


def values_of_range(**bounds: Any) -> list[Any]:
    return values_of(range=bounds)


@pytest.mark.parametrize(
    ("shape", "values", "ordered"),
    [
        ({"values": [1, 2, 4]}, [1, 2, 4], True),
        ({"values": [4, 2, 1]}, [4, 2, 1], True),
        ({"values": [2, 1, 4]}, [1, 2, 4], True),
        ({"values": [1, 1.0, 2]}, [1, 2], True),
        ({"values": [0.8, 0.9], "allowUnset": True}, [None, 0.8, 0.9], True),
        ({"choices": ["lpm", "fcfs"]}, ["lpm", "fcfs"], False),
        ({"choices": ["lpm"], "allowUnset": True}, [None, "lpm"], False),
        ({"toggle": True}, [False, True], False),
        ({"variants": [{"name": "none", "args": []}, {"name": "ngram", "args": ["--a=1"]}]}, ["none", "ngram"], False),
    ],
)
def test_each_shape_gives_its_values(shape: dict[str, Any], values: list[Any], ordered: bool) -> None:
    dimension = of_parameter(SearchParameter.model_validate({"name": "x", **shape}))
    assert list(dimension.values) == values
    assert dimension.ordered == ordered


@pytest.mark.parametrize(
    ("given_values", "kind"), [([1, 2], int), ([1.0, 2.0], int), ([1, 2.5], float), ([0.5, 1.5], float)]
)
def test_numbers_are_of_one_type(given_values: list[float], kind: type) -> None:
    assert {type(value) for value in values_of(values=given_values)} == {kind}


@pytest.mark.parametrize(
    ("bounds", "values"),
    [
        ({"min": 0.7, "max": 0.95, "step": 0.05}, [0.7, 0.75, 0.8, 0.85, 0.9, 0.95]),
        ({"min": 0.1, "max": 0.35, "step": 0.1}, [0.1, 0.2, 0.3]),
        ({"min": 1, "max": 4, "type": "Integer"}, [1, 2, 3, 4]),
        ({"min": 64, "max": 256, "step": 64, "type": "Integer"}, [64, 128, 192, 256]),
        ({"min": 0, "max": 1, "step": 0.5}, [0.0, 0.5, 1.0]),
        ({"min": 1, "max": 16, "scale": "Log", "type": "Integer"}, [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16]),
    ],
)
def test_a_range_gives_readable_values(bounds: dict[str, Any], values: list[Any]) -> None:
    found = values_of_range(**bounds)
    assert found == values
    assert {type(value) for value in found} == {int if bounds.get("type") == "Integer" else float}


def test_a_log_scale_multiplies() -> None:
    found = values_of_range(min=1024, max=16384, scale="Log", type="Integer")
    assert len(found) == RANGE_VALUES
    assert found[::4] == [1024, 2048, 4096, 8192, 16384]


numbers = st.floats(-1e6, 1e6).map(lambda number: round(number, 3))


@given(st.lists(numbers, min_size=2, max_size=2, unique=True).map(sorted), st.booleans(), st.booleans())
def test_a_range_keeps_its_bounds_and_rises(bounds: list[float], log: bool, integer: bool) -> None:
    low, high = bounds
    if integer:
        low, high = float(int(low)), float(int(low) + 1 + int(high - low))
    if log:
        low, high = abs(low) + 1, abs(low) + 1 + (high - low)
        low, high = (round(low), round(high) + 1) if integer else (low, high)
    found = values_of_range(min=low, max=high, scale="Log" if log else "Linear", type="Integer" if integer else "Float")
    assert 2 <= len(found) <= RANGE_VALUES
    assert (found[0], found[-1]) == (low, high)
    assert all(one < another for one, another in itertools.pairwise(found))


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"min": 1, "max": 1000, "step": 1, "type": "Integer"}, "range.step: makes 1000 values .* for example 16,"),
        ({"min": 0, "max": 1e12, "step": 1e-9}, r"range.step: .* give a larger step, for example 16000000000,"),
        ({"min": 2, "max": 1}, "range.max: max must be above min"),
        ({"min": 0, "max": 1, "scale": "Log"}, "range.min: a Log scale begins above 0"),
        ({"min": 1, "max": 2, "scale": "Log", "step": 1}, "range.step: goes with scale Linear only"),
        ({"min": 1, "max": 2, "step": 0}, "range.step: must be above 0"),
        ({"min": 0.5, "max": 4, "type": "Integer"}, "range.min: 0.5 is not whole, as type Integer says"),
        ({"min": 1, "max": 4, "step": 0.5, "type": "Integer"}, "range.step: 0.5 is not whole"),
    ],
)
def test_a_range_that_cannot_be_searched_says_what_to_write(bounds: dict[str, Any], message: str) -> None:
    with pytest.raises(DimensionError, match=message):
        values_of_range(**bounds)


def test_the_suggested_step_is_large_enough() -> None:
    assert len(values_of_range(min=1, max=1000, step=16, type="Integer")) <= STEPS_MAX
    assert len(values_of_range(min=0, max=1e12, step=16e9)) <= STEPS_MAX
