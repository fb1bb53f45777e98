"""Rules in CEL and patterns, as the schemas of the in-memory API hold them."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.memory_api import patterns
from autotuner.memory_api.answers import Cause
from autotuner.memory_api.schema import Schema, compiled


def make_schema(rule: str, **more: Any) -> Schema:
    properties = {
        "a": {"type": "number"},
        "b": {"type": "number"},
        "c": {"type": "object", "properties": {"d": {"type": "string"}}},
    }
    rules = [{"rule": rule, "message": "no", **more}]
    return compiled({"type": "object", "properties": properties, "x-kubernetes-validations": rules})


def broken(schema: Schema, new: Any, old: Any = None) -> list[Cause]:
    causes: list[Cause] = []
    schema.broken_rules(new, old, causes)
    return causes


@pytest.mark.parametrize(
    ("rule", "new", "old", "holds"),
    [
        ("self.a < self.b", {"a": 1, "b": 1.5}, None, True),
        ("self.a < self.b", {"a": 2, "b": 1.5}, None, False),
        ("self.a != 0.0", {"a": 0}, None, False),
        ("has(self.c) && has(self.c.d)", {"c": {}}, None, False),
        ("has(self.c) && has(self.c.d)", {"c": {"d": ""}}, None, True),
        ("!has(self.c) || self.c.d.size() < 3", {"c": {"d": "abc"}}, None, False),
        ("self.all(key, key == 'a')", {"a": 1, "b": 2}, None, False),
        ("self.c == oldSelf.c", {"a": 1, "c": {"d": "x"}}, {"a": 2, "c": {"d": "x"}}, True),
        ("self.c == oldSelf.c", {"c": {"d": "x"}}, {"c": {"d": "y"}}, False),
        ("self.c == oldSelf.c", {"c": {"d": "x"}}, None, True),
        ("self.a > 0.0", {"b": 1}, None, False),
    ],
)
def test_rule(rule: str, new: Any, old: Any, holds: bool) -> None:
    assert (broken(make_schema(rule), new, old) == []) == holds


def test_an_answer_that_is_remembered_is_for_the_same_values_only() -> None:
    schema = make_schema("self.c.d == 'x' && self.a == 1.0")

    values = [{"a": a, "b": b, "c": {"d": d}} for b in (1, 2) for d in "xy" for a in (1, 1.0, 2)]
    assert [not broken(schema, value) for value in values] == [
        value["c"]["d"] == "x" and value["a"] == 1 for value in values
    ]


def test_the_field_of_a_rule_is_below_its_value() -> None:
    causes = broken(make_schema("self.a < self.b", fieldPath=".b", reason="FieldValueForbidden"), {"a": 2, "b": 1})

    assert causes == [Cause("FieldValueForbidden", ".b", "no")]


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^a$", "a", True),
        ("^a$", "a\n", False),
        (r"^[a$]\$$", "$$", True),
        (r"^\d$", "\u0663", False),
        ("b", "abc", True),
    ],
)
def test_pattern(pattern: str, text: str, matches: bool) -> None:
    assert (patterns.compiled(pattern).search(text) is not None) == matches
