"""JSON values, copied and merged."""

from __future__ import annotations

import enum
import json
from typing import Any, NamedTuple

import pytest

from autotuner.memory_api.json_values import copied, merge_patched


class Word(enum.StrEnum):
    A = "a"


class Pair(NamedTuple):
    left: int
    right: list[float]


@pytest.mark.parametrize("value", [1, 1.5, True, None, "a", [1, {"b": [2.5]}], Word.A, Pair(1, [2.5]), {"a": (1, 2)}])
def test_a_copy_is_what_json_would_bring_back(value: Any) -> None:
    result = copied(value)

    assert result == json.loads(json.dumps(value))
    assert type(result) in (int, float, bool, type(None), str, list, dict)


def test_a_number_without_a_fraction_is_whole() -> None:
    assert [type(one) for one in copied([1.0, -2.0, 1e300, 0.5, True])] == [int, int, float, float, bool]


@pytest.mark.parametrize("value", [object(), {1, 2}, b"a"])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="is not JSON"):
        copied({"a": [value]})


@pytest.mark.parametrize(
    ("target", "patch", "want"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
    ids=lambda value: json.dumps(value),
)
def test_merge_patch(target: Any, patch: Any, want: Any) -> None:
    before = copied(target)

    assert merge_patched(target, patch) == want
    assert target == before
